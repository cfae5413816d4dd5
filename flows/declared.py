"""The work pools, automations and variables that deployments/ declares, made on a server.

Pools and automations are changed where they differ from what is declared. A variable that is there stays as the operator has
set it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

FOLDER = Path(__file__).resolve().parents[1] / "deployments"
BLOCK = "NOISEFLOW_NOTIFY"
"""Environment variable: the notification block that automations send through, such as `slack-webhook/team`."""
SEND = "send-notification"


class NoSuchBlockError(LookupError):
    """The server has no such notification block."""


def pools() -> list[dict[str, Any]]:
    """The work pools that there should be, as `client.create_work_pool` takes them."""
    declared: list[dict[str, Any]] = yaml.safe_load((FOLDER / "pools.yaml").read_text())
    return [pool | {"base_job_template": json.loads((FOLDER / "pool.json").read_text())} for pool in declared]


def automations() -> list[dict[str, Any]]:
    """The automations that there should be, in Prefect's own words."""
    declared: list[dict[str, Any]] = yaml.safe_load((FOLDER / "automations.yaml").read_text())
    return declared


def notifies(automation: dict[str, Any]) -> bool:
    """Whether an automation sends a message, which takes a block to send it through."""
    return any(action["type"] == SEND for action in automation["actions"])


def make_pools(client: SyncPrefectClient) -> None:
    """Makes the declared pools, or changes them to what is declared; one that is there stays paused or not, as it is."""
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate  # noqa: PLC0415 - takes seconds

    there = {pool.name for pool in client.read_work_pools()}
    for pool in pools():
        if pool["name"] in there:
            changes = {key: value for key, value in pool.items() if key not in ("name", "type", "is_paused")}
            client.update_work_pool(pool["name"], WorkPoolUpdate(**changes))
        else:
            client.create_work_pool(WorkPoolCreate(**pool))


def make_automations(client: SyncPrefectClient) -> list[str]:
    """Makes the declared automations, or changes them; the names of those that lack a block to send through.

    Without NOISEFLOW_NOTIFY the automations that send messages stay as they are. One that an operator has switched off
    stays off.

    Raises:
        NoSuchBlockError: the server has no such block.
    """
    from prefect.events.schemas.automations import AutomationCore  # noqa: PLC0415 - takes seconds

    block = _block_id(client, os.environ[BLOCK]) if os.environ.get(BLOCK) else None
    there = {automation.name: automation for automation in client.read_automations()}
    lacking = []
    for automation in automations():
        name, before = automation["name"], there.get(automation["name"])
        if notifies(automation) and block is None:
            lacking += [] if before else [name]
            continue
        actions = [
            {**action, "block_document_id": block} if action["type"] == SEND else action
            for action in automation["actions"]
        ]
        wanted = AutomationCore(**{**automation, "actions": actions, "enabled": before.enabled if before else True})
        if before:
            client.update_automation(before.id, wanted)
        else:
            client.create_automation(wanted)
    return lacking


def _block_id(client: SyncPrefectClient, name: str) -> str:
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415 - takes seconds

    kind, _, document = name.partition("/")
    fix = f"Make the block in Prefect's UI, or leave {BLOCK} unset; an example: {BLOCK}=slack-webhook/team"
    try:
        return str(client.read_block_document_by_name(document, kind, include_secrets=False).id)
    except ObjectNotFound:
        raise NoSuchBlockError(
            f"{BLOCK} must be <kind of block>/<name> of a block on the server; received {name!r}. {fix}"
        ) from None


def variables() -> dict[str, str]:
    """The variables that prefect.yaml names, with the values that they have at first."""
    declared: dict[str, str] = yaml.safe_load((FOLDER / "variables.yaml").read_text())
    return declared


def make_variables(client: SyncPrefectClient) -> None:
    """Makes the declared variables that are not there."""
    from prefect.client.schemas.actions import VariableCreate  # noqa: PLC0415 - takes seconds

    for name, value in variables().items():
        if client.read_variable_by_name(name) is None:
            client.create_variable(VariableCreate(name=name, value=value))


def make_all(client: SyncPrefectClient) -> str:
    """Makes all that is declared; a line on what lacks.

    Raises:
        NoSuchBlockError: the server has no such block.
    """
    make_pools(client)
    make_variables(client)
    lacking = make_automations(client)
    return f"{len(lacking)} automations notify only where {BLOCK} names a block" if lacking else ""


def main() -> None:
    """Makes what is declared on the server that PREFECT_API_URL names, as before `prefect deploy --all`."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - takes seconds

    with get_client(sync_client=True) as client:
        make_all(client)


if __name__ == "__main__":
    main()
