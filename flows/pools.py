"""The work pools of deployments/pools.yaml: made where they are not there, and changed where they differ."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, Field

from flows.running import ROOT

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

FOLDER = ROOT / "deployments"
FILE = FOLDER / "pools.yaml"


class Pool(BaseModel, frozen=True, extra="forbid"):
    """A work pool, as it is declared."""

    name: str
    description: str
    concurrency_limit: int = Field(ge=1)
    base_job_template: str
    """A file beside the declaration."""

    def template(self) -> dict[str, Any]:
        """What a run's process gets, and what a deployment may change of it."""
        content: dict[str, Any] = json.loads((FOLDER / self.base_job_template).read_text())
        return content


def declared() -> list[Pool]:
    """The pools that there should be."""
    return [Pool.model_validate(pool) for pool in yaml.safe_load(FILE.read_text())]


def make_pools(client: SyncPrefectClient) -> None:
    """Makes the declared pools, or changes them to what is declared; whether one is paused stays as it is."""
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate  # noqa: PLC0415 - takes seconds

    there = {pool.name for pool in client.read_work_pools()}
    for pool in declared():
        content = {
            "description": pool.description,
            "concurrency_limit": pool.concurrency_limit,
            "base_job_template": pool.template(),
        }
        if pool.name in there:
            client.update_work_pool(pool.name, WorkPoolUpdate.model_validate(content))
        else:
            client.create_work_pool(WorkPoolCreate.model_validate({"name": pool.name, "type": "process", **content}))
