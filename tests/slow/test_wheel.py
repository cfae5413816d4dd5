"""The wheel holds the library alone, and runs a study where neither Prefect nor the checkout is at hand."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parent.parent.parent
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("prefect", "ray", "flows", "tests"):
            raise ImportError(f"{name} is not installed")

sys.meta_path.insert(0, Blocker())
"""


def call(*command, **how):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **how)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built without the network."""
    folder = tmp_path_factory.mktemp("dist")
    build = ["pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, ROOT]
    call(sys.executable, "-m", *build)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """The programs of an environment that has the wheel, and all that is installed here but Prefect and the checkout."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    call(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "blocker.py").write_text(BLOCKER)
    # The folder of a .pth line is looked into after the environment's own; editable installs in it are not followed.
    (site / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\nimport blocker\n")
    return folder / "bin"


def test_wheel_holds_the_library_and_nothing_else(wheel):
    names = ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"noiseflow", "keras_noiseflow"}
    shipped = {path.relative_to(ROOT).as_posix() for path in (ROOT / "noiseflow").rglob("*") if path.is_file()}
    assert {name for name in shipped if "__pycache__" not in name} <= set(names)
    assert "noiseflow/py.typed" in names


def test_wheel_runs_a_study_beside_a_users_own_tasks_and_without_prefect(environment, tmp_path):
    (tmp_path / "tasks.py").write_text("raise SystemExit('a project of its own')\n")
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    there = {"cwd": tmp_path, "env": kept | {"COLUMNS": "100"}}
    where = call(environment / "python", "-c", "import noiseflow; print(noiseflow.__file__)", **there)
    assert Path(where.strip()).is_relative_to(environment.parent)
    told = call(environment / "noiseflow", "run", "smoke", **there)
    assert "trained 12 trials" in told
    page = tmp_path / "results" / "smoke" / "report" / "index.html"
    assert f"Report: {page}" in told
    assert page.stat().st_size > 100_000
    assert len(pd.read_parquet(tmp_path / "results" / "smoke" / "trials")) == 12
    again = call(environment / "python", "-m", "noiseflow", "run", "smoke", **there)  # tasks.py is on the path here
    assert "nothing to train" in again
