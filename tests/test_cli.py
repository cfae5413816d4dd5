import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from noiseflow.studies import FOLDER

COMMAND = Path(sys.executable).with_name("noiseflow")


def noiseflow(*arguments, cwd):
    return subprocess.run([COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, check=False, env=os.environ)


def study_file(folder, **changes):
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load((FOLDER / "smoke.yaml").read_text()) | changes))
    return str(path)


NOISY = {"name": "noisy", "injections": [{"place": "input", "stddev": 0.1}]}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "Shipped are smoke, tutorial"),
        (["smoke", "--seeds", "0"], "n_seeds must be at least 1; received 0"),
        (["smoke", "--epochs", "0"], "training.epochs must be at least 1; received 0"),
        (["smoke", "--results", "file"], "results must be a folder"),
        (["smoke", "--results", "/proc/results"], "results must be writable"),
    ],
)
def test_run_refuses_bad_arguments_with_status_2_and_writes_nothing(tmp_path, arguments, says):
    (tmp_path / "file").write_text("")
    done = noiseflow("run", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"colour": "red"}, "colour is not a key that is known here; received 'red'"),
        ({"variants": [{"name": "baseline"}, NOISY, NOISY]}, "'noisy' stands there twice"),
        ({"variants": [NOISY]}, "must hold one named 'baseline'"),
    ],
)
def test_run_refuses_a_faulty_study_file(tmp_path, changes, says):
    done = noiseflow("run", study_file(tmp_path, **changes), cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


def test_run_names_faults_of_study_and_arguments_together(tmp_path):
    (tmp_path / "file").write_text("")
    path = study_file(tmp_path, colour="red", variants=[{"name": "baseline"}, NOISY | {"injections": [{"stddev": 7}]}])
    done = noiseflow("run", path, "--seeds", "0", "--results", "file", cwd=tmp_path)
    assert done.returncode == 2
    for fault in ("colour", "variants[1].injections[0].stddev", "injections[0].place is missing", "n_seeds", "results"):
        assert fault in done.stderr


def test_studies_lists_cells_trials_and_purpose(tmp_path):
    done = noiseflow("studies", cwd=tmp_path)
    assert done.returncode == 0
    assert [line.split()[:5] for line in done.stdout.splitlines()] == [
        ["smoke", "2", "cells", "12", "trials"],
        ["tutorial", "5", "cells", "150", "trials"],
    ]


def test_report_without_results_says_what_to_do(tmp_path):
    done = noiseflow("report", "smoke", cwd=tmp_path)
    assert done.returncode == 1
    assert "noiseflow run" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
