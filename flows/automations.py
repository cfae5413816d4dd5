"""The automations of deployments/automations.yaml: made where they are not there, and changed where they differ.

Which is which their names say. One that notifies takes a notification block, such as `slack-webhook/team`, which the
operator has made in Prefect's UI or by code, and whose name stands in the environment variable NOISEFLOW_NOTIFY.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel

from flows.running import ROOT, ServicesError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

FILE = ROOT / "deployments" / "automations.yaml"
BLOCK = "NOISEFLOW_NOTIFY"
SEND = "send-notification"


class Declared(BaseModel, frozen=True, extra="forbid"):
    """An automation, as it is declared; trigger and actions in Prefect's own words."""

    name: str
    description: str
    notifies: bool = False
    trigger: dict[str, Any]
    actions: list[dict[str, Any]]

    def content(self, block: str | None) -> dict[str, Any]:
        """What Prefect is told of it; an action that notifies goes through the block of this id."""
        actions = [
            {**action, "block_document_id": block} if action["type"] == SEND else action for action in self.actions
        ]
        return self.model_dump(exclude={"notifies", "actions"}) | {"actions": actions}


def declared() -> list[Declared]:
    """The automations that there should be."""
    return [Declared.model_validate(automation) for automation in yaml.safe_load(FILE.read_text())]


def make_automations(client: SyncPrefectClient) -> list[str]:
    """Makes the declared automations, or changes them; the names of those that lack a block to notify through.

    Without NOISEFLOW_NOTIFY those that notify are left as they are, if there are any. One that an operator has switched
    off stays so.

    Raises:
        ServicesError: the server has no such block.
    """
    from prefect.events.schemas.automations import AutomationCore  # noqa: PLC0415 - takes seconds

    block = _block_id(client, os.environ[BLOCK]) if os.environ.get(BLOCK) else None
    there = {automation.name: automation for automation in client.read_automations()}
    wanted = [automation for automation in declared() if block or not automation.notifies]
    for automation in wanted:
        content = automation.content(block)
        if before := there.get(automation.name):
            client.update_automation(before.id, AutomationCore.model_validate({**content, "enabled": before.enabled}))
        else:
            client.create_automation(AutomationCore.model_validate(content))
    return [automation.name for automation in declared() if automation not in wanted and automation.name not in there]


def _block_id(client: SyncPrefectClient, name: str) -> str:
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415 - takes seconds

    kind, slash, document = name.partition("/")
    mend = f"Make the block in Prefect's UI, or leave {BLOCK} unset; an example: {BLOCK}=slack-webhook/team"
    if not slash:
        raise ServicesError(f"{BLOCK} must be <kind of block>/<name>; received {name!r}. {mend}")
    try:
        return str(client.read_block_document_by_name(document, kind, include_secrets=False).id)
    except ObjectNotFound:
        raise ServicesError(f"{BLOCK} names the block {name!r}, which the server does not have. {mend}") from None
