"""A batch that hangs is killed with its process: the others go on, the run ends Failed and names it, and the process ends."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parent.parent.parent
TIMEOUT = 40  # a batch takes some seconds, on a machine that is busy with other tests half a minute
NETWORK = """
import ctypes, os, threading, time
import keras
import tensorflow as tf
from noiseflow.engine.program import Program

@tf.function(jit_compile=True)
def endless(x):
    return tf.while_loop(lambda x: x > 0.0, lambda x: [x * 1.0], [x])

HANGS = {
    "python": lambda: time.sleep(10**6),
    "c": lambda: ctypes.PyDLL(None).sleep(10**6),  # holds Python's own lock
    "xla": lambda: endless(tf.constant(1.0)),
}

def network(*, shape, n_classes):
    if "stuck" in threading.current_thread().name:  # bears the batch's label
        HANGS[os.environ["HANG"]]()
    model = keras.Sequential([keras.Input(shape), keras.layers.Dense(4, activation="relu"),
                              keras.layers.Dense(1, activation="sigmoid")])
    model.compile(loss="binary_crossentropy", optimizer="adam")
    return model
"""
COMMAND = "import sys; from noiseflow.cli import app; sys.argv[0] = 'noiseflow'; app()"
SCRIPT = """
import sys
from flows.noise_study import noise_study
from noiseflow.study.loading import load
noise_study(load(sys.argv[1]), results=sys.argv[2])
"""


def study(folder, timeout):
    content = {
        "name": "hanging",
        "n_seeds": 4,
        "datasets": [{"kind": "circles", "n_samples": 40, "n_train": 20}],
        "architectures": [{"kind": "entry_point", "entry_point": "hanging"}],
        "training": {"epochs": 6, "record_every": 2},
        "variants": [
            {"name": "stuck", "injections": [{"place": "input", "stddev": 0.5}]},
            {"name": "baseline"},
            {"name": "late", "controls": [{"kind": "l2", "factor": 0.1}]},
        ],
        "resources": {"timeout_seconds": timeout},
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def run(folder, hang, code, *arguments):
    """Runs code in a process of its own that sees the user's package; what it gave and how long it took."""
    package = folder / "package"
    (package / "hanging-1.0.dist-info").mkdir(parents=True)
    (package / "hanging_network.py").write_text(NETWORK)
    (package / "hanging-1.0.dist-info" / "METADATA").write_text("Name: hanging\nVersion: 1.0\n")
    (package / "hanging-1.0.dist-info" / "entry_points.txt").write_text(
        "[noiseflow.models]\nhanging = hanging_network:network\n"
    )
    environment = os.environ | {
        "PREFECT_HOME": str(folder / "prefect"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{package}",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "NOISEFLOW_DATA": "/",
        "HANG": hang,
        "COLUMNS": "100",
    }
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    return done, time.monotonic() - began


def holds_the_others(folder):
    trials = pd.read_parquet(folder / "results" / "hanging" / "trials")
    assert trials["variant"].value_counts().to_dict() == {"baseline": 4, "late": 4}
    assert trials["trial_id"].is_unique
    report = (folder / "results" / "hanging" / "report" / "report.md").read_text()
    assert "Incomplete: 4 of 12 planned trials are missing" in "\n".join(report.splitlines()[:8])


@pytest.mark.parametrize("hang", ["c", *(pytest.param(how, marks=pytest.mark.faults) for how in ("python", "xla"))])
def test_hanging_batch_is_killed_and_the_command_ends(tmp_path, capsys, hang):
    path = study(tmp_path, TIMEOUT)
    done, seconds = run(tmp_path, hang, COMMAND, "run", path, "--results", tmp_path / "results")
    with capsys.disabled():
        print(f"\nended after {seconds:.0f} s, of which {TIMEOUT} s are the timeout")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "/stuck 0-3: WorkTimeoutError" in done.stderr
    assert f"took longer than {TIMEOUT} s and was killed" in done.stderr
    assert "/late 0-3:" not in done.stderr
    assert "`noiseflow plan" in done.stderr
    assert "Incomplete: 4 of 12" in done.stdout
    holds_the_others(tmp_path)


@pytest.mark.faults
def test_hanging_batch_is_killed_and_a_process_that_runs_the_flow_ends(tmp_path):
    """As a worker's process for a flow run does: the flow, and then the end of the interpreter."""
    done, _ = run(tmp_path, "python", SCRIPT, study(tmp_path, TIMEOUT), tmp_path / "results")
    assert done.returncode == 1
    assert "IncompleteRunError" in done.stderr
    holds_the_others(tmp_path)
