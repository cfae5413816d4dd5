"""A study on a real Ray cluster of two nodes: the rows are those of a local run, also where a node or a worker is killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
import yaml

import noiseflow.report.page
from noiseflow import run_study
from tests.prefect_home import prefect_home

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parent.parent.parent
NOT_COMPARED = ["train_seconds", "finished_at", "campaign", "device"]
OTHERS = {"IDLE", "DashboardAgent", "RuntimeEnvAgent"}
COMMAND = "import sys; from flows.__main__ import app; sys.argv[0] = 'flows'; app()"
CLUSTER = """
import sys
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
print(cluster.address, flush=True)
for line in sys.stdin:
    if line.strip() == "add":
        second = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        print("added", flush=True)
    if line.strip() == "kill":
        cluster.remove_node(second, allow_graceful=False)
        print("killed", flush=True)
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "RAY_"))}
    return kept | {
        "PREFECT_HOME": prefect_home(tmp_path_factory.mktemp("ray") / "prefect"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PYTHONPATH": str(ROOT),
        "RAY_USAGE_STATS_ENABLED": "0",
    }


@pytest.fixture(scope="module")
def cluster(environment):
    """A cluster of one node of one processor, in a process of its own; told to `add` another node, and to `kill` that."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    process.address = process.stdout.readline().strip()
    yield process
    with process:  # its pipes are closed, which ends it
        pass


@pytest.fixture
def study(tmp_path):
    """Six batches of four trials each."""
    more = [{"name": f"noise_{i}", "injections": [{"place": "input", "stddev": 0.1 * i}]} for i in range(1, 6)]
    content = {
        "name": "clustered",
        "n_seeds": 4,
        "datasets": [{"kind": "circles", "n_samples": 40, "n_train": 20}],
        "architectures": [{"kind": "mlp", "units": [8]}],
        "training": {"epochs": 2_000, "record_every": 500},
        "variants": [{"name": "baseline"}, *more],
    }
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def start(study, environment, results, address):
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, study, "--results", study.parent / results, "--runner", "ray"],
        env=environment | {"RAY_ADDRESS": address},
        cwd=study.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def trials(study, results):
    folder = study.parent / results / "clustered" / "trials"
    return pd.read_parquet(folder) if folder.is_dir() and any(folder.iterdir()) else pd.DataFrame({"trial_id": []})


def rows(study, results):
    frame = trials(study, results)
    assert frame["trial_id"].is_unique
    return frame.drop(columns=NOT_COMPARED).sort_values("trial_id").reset_index(drop=True)


def trainers(cluster):
    """Ids of the workers of this cluster that run a task now: they are called by its name, else IDLE; agents are no workers."""
    parents, titles = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            titles[int(folder.name)] = folder.joinpath("cmdline").read_bytes().decode(errors="replace")
        except OSError:  # it has ended
            continue

    def below(pid):
        while pid in parents and pid != cluster.pid:
            pid = parents[pid]
        return pid == cluster.pid

    busy = [pid for pid, title in titles.items() if title.startswith("ray::") and not OTHERS & {title.strip("\0")[5:]}]
    return [pid for pid in busy if below(pid)]


def wait_for_workers(n, cluster, process):
    """The ids of the workers that train, once there are so many."""
    while len(found := trainers(cluster)) < n:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    return found


def tell(cluster, what, answer):
    cluster.stdin.write(f"{what}\n")
    cluster.stdin.flush()
    assert cluster.stdout.readline().strip() == answer


def recorded(environment):
    """What Prefect's database has of a run whose process has ended: its state, and then its logs."""
    with closing(sqlite3.connect(f"{environment['PREFECT_HOME']}/prefect.db")) as database:
        return [
            *database.execute("SELECT state_type FROM flow_run"),
            *database.execute("SELECT message FROM log ORDER BY timestamp"),
        ]


@pytest.fixture
def local(study, monkeypatch):
    """The rows of an undisturbed run in this process."""
    monkeypatch.setattr(noiseflow.report.page, "draw_pictures", lambda *_: [])
    run_study(str(study), str(study.parent / "local"))
    return rows(study, "local")


@pytest.mark.evidence  # tests/flows/test_runners.py asks the same of a cluster that is made up
def test_ray_refuses_resources_that_no_node_has(study, environment, cluster):
    content = yaml.safe_load(study.read_text()) | {"resources": {"num_cpus": 1, "num_gpus": 0.5}}
    study.write_text(yaml.safe_dump(content))
    process = start(study, environment, "refused", cluster.address)
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 1
    assert "no node of the Ray cluster has 1 CPUs and 0.5 GPUs" in output


# Last: it kills a node.
def test_ray_trains_the_rows_of_a_local_run_though_a_worker_and_a_node_are_killed(
    study, environment, cluster, local, capsys
):
    process = start(study, environment, "ray", cluster.address)
    wait_for_workers(1, cluster, process)
    tell(cluster, "add", "added")  # only now, or the run might attach itself to the node that is to die
    os.kill(wait_for_workers(2, cluster, process)[0], signal.SIGKILL)
    at_worker = len(trials(study, "ray"))
    wait_for_workers(2, cluster, process)
    at_node = len(trials(study, "ray"))
    tell(cluster, "kill", "killed")
    output, _ = process.communicate(timeout=600)
    with capsys.disabled():
        print(f"\na worker was killed with {at_worker} of 24 trials published, a node with {at_node}")
    assert at_node < 24, "the node was killed after the end: too late to tell anything"
    assert process.returncode == 0, output
    assert "trained 24 trials" in output
    (state,), *logged = recorded(environment)
    assert state == "COMPLETED"
    assert ("drawing the report",) in logged  # what the library logs last, and Prefect sends at the end of the process
    pd.testing.assert_frame_equal(rows(study, "ray"), local)
