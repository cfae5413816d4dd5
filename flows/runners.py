"""Where the training tasks run: in threads of the flow's process, or on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Literal

from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture, wait
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from noiseflow.study import Resources
from noiseflow.trials.workers import BATCHES_AT_ONCE

Runner = Literal["local", "ray"]
SECONDS_A_LOOK = 1.0


def runner_faults(runner: Runner) -> list[str]:
    """What keeps this runner from being used."""
    if runner == "local" or (find_spec("ray") and find_spec("prefect_ray")):
        return []
    what = "runner must be one that is installed; received 'ray', and its packages are not there."
    return [f"{what} Install them, in the checkout: pip install -e '.[ray]'"]


@contextmanager
def training_runner(runner: Runner, resources: Resources) -> Iterator[TaskRunner[Any]]:
    """What the training tasks are to be submitted to; when it ends, what still runs is waited for.

    Ray is the cluster that RAY_ADDRESS names, or one of this machine for as long as this lasts.

    Raises:
        RuntimeError: no node of the cluster has these resources.
    """
    if runner == "local":
        with ThreadPoolTaskRunner[Any](max_workers=BATCHES_AT_ONCE) as threads:
            yield threads
        return
    with _on_ray(resources) as cluster:
        yield cluster


def as_they_end(futures: Sequence[PrefectFuture[Any]], runner: Runner) -> Iterator[int]:
    """Waits for all of them; the index of each that has ended, as soon as it has where they run on Ray."""
    if runner == "local":
        wait(list(futures))
        yield from range(len(futures))
        return
    import ray  # noqa: PLC0415 - an extra

    indices = {future.wrapped_future: i for i, future in enumerate(futures)}  # type: ignore[attr-defined]
    left = list(indices)
    while left:
        ended, left = ray.wait(left, timeout=SECONDS_A_LOOK, fetch_local=False)
        for reference in ended:
            futures[indices[reference]].wait()
            yield indices[reference]


@contextmanager
def _on_ray(resources: Resources) -> Iterator[TaskRunner[Any]]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    os.environ.setdefault(
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"
    )  # a task without a GPU leaves CUDA's settings alone
    from prefect_ray.context import remote_options  # type: ignore[import-untyped] # noqa: PLC0415 - an extra
    from prefect_ray.task_runners import RayTaskRunner  # type: ignore[import-untyped] # noqa: PLC0415

    wanted = {"num_cpus": resources.num_cpus, "num_gpus": resources.num_gpus}
    start = {"include_dashboard": False, "log_to_driver": False}
    cluster = RayTaskRunner[Any](address=os.environ.get("RAY_ADDRESS") or "local", init_kwargs=start)
    with cluster, remote_options(**wanted), temporary_settings({PREFECT_API_URL: _server()}):
        _require(resources)
        yield cluster


def _server() -> str:
    """The server of this run, for Ray's workers too: each would start its own."""
    if address := PREFECT_API_URL.value():
        return str(address)
    context = FlowRunContext.get()
    if context is None:
        raise RuntimeError("a runner is for tasks of a flow that runs")
    return str(context.client.api_url).rstrip("/")


def _require(resources: Resources) -> None:
    """Sees that a batch finds a node: it would wait for one without end.

    Raises:
        RuntimeError: none is large enough.
    """
    import ray  # noqa: PLC0415

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    if any(n.get("CPU", 0) >= resources.num_cpus and n.get("GPU", 0) >= resources.num_gpus for n in nodes):
        return
    largest = ", ".join(f"{n.get('CPU', 0):g} CPUs and {n.get('GPU', 0):g} GPUs" for n in nodes)
    raise RuntimeError(
        f"no node of the Ray cluster has {resources.num_cpus:g} CPUs and {resources.num_gpus:g} GPUs for a batch; "
        f"its nodes have {largest}. Lower resources of the study, or add a node."
    )
