"""How many runs a Prefect server takes at once: `python -m benchmarks.queued_runs`, beside the prefect.toml of `make up`.

Queues runs of the deployment `gpu`, which no worker takes, by requests that are not repeated and by Prefect's client, which
asks again. They stay queued: use a server that is only for this.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "7")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

AT_ONCE = (1, 10, 100)
N_RUNS = 100


async def queue(at_once: int, make: Callable[[], Awaitable[str]]) -> tuple[Counter[str], float]:
    """What became of N_RUNS calls, so many at a time, and the seconds that they took."""
    places, began = asyncio.Semaphore(at_once), time.monotonic()

    async def one() -> str:
        async with places:
            try:
                return await make()
            except httpx.HTTPError as error:
                return type(error).__name__

    outcomes = Counter(await asyncio.gather(*(one() for _ in range(N_RUNS))))
    return outcomes, time.monotonic() - began


async def measure(client: PrefectClient) -> None:
    deployment = (await client.read_deployment_by_name("noise-study/gpu")).id
    secret = base64.b64encode(str(PREFECT_API_AUTH_STRING.value()).encode()).decode()
    limits, head = httpx.Limits(max_connections=2 * N_RUNS), {"Authorization": f"Basic {secret}"}
    async with httpx.AsyncClient(headers=head, timeout=300, limits=limits) as plain:

        async def raw() -> str:
            address = f"{PREFECT_API_URL.value()}/deployments/{deployment}/create_flow_run"
            return str((await plain.post(address, json={"state": {"type": "SCHEDULED"}})).status_code)

        async def patient() -> str:
            await client.create_flow_run_from_deployment(deployment)
            return "201"

        print("at once  not repeated                  Prefect's client")
        for at_once in AT_ONCE:
            told: list[Any] = []
            for make in (raw, patient):
                outcomes, seconds = await queue(at_once, make)
                told.append(f"{outcomes['201']} of {N_RUNS} in {seconds:.1f} s")
            print(f"{at_once:>7}  {told[0]:<28}  {told[1]}", flush=True)


async def main() -> None:
    async with get_client() as client:
        await measure(client)


if __name__ == "__main__":
    asyncio.run(main())
