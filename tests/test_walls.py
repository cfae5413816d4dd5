"""Imports run one way: deployments → flows → tasks → noiseflow, and heavy libraries stay in their rooms."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY = sorted((ROOT / "noiseflow").rglob("*.py"))
ALL = [*LIBRARY, *sorted((ROOT / "tasks").glob("*.py")), *sorted((ROOT / "flows").glob("*.py"))]
ROOMS = {  # library: the rooms of noiseflow that may import it
    "tensorflow": ("engine/", "noise/", "controls/", "trials/preflight/"),
    "keras": ("engine/", "noise/", "controls/", "scores/", "architectures/", "laws/", "trials/preflight/"),
    "pyarrow": ("store/", "datasets/files.py"),  # how large a Parquet file is, before it is read
    "obstore": ("store/",),
    "matplotlib": ("plots/",),
    "prefect": (),
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    house = path.relative_to(ROOT).parts[0]
    above = {
        "noiseflow": {"tasks", "flows", "deployments"},
        "tasks": {"flows", "deployments"},
        "flows": {"deployments"},
    }
    assert not {name.split(".")[0] for name in imports(path)} & above[house]


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_stay_in_their_rooms(path):
    room = path.relative_to(ROOT / "noiseflow").as_posix()
    found = {name.split(".")[0] for name in imports(path)}
    assert not [
        library for library, rooms in ROOMS.items() if library in found and not room.startswith(rooms or ("-",))
    ]


@pytest.mark.parametrize("path", [path for path in ALL if path not in LIBRARY], ids=lambda path: path.stem)
def test_flows_and_tasks_compute_nothing(path):
    computing = {"numpy", "pandas", "scipy", "sklearn", "statsmodels", *ROOMS} - {"prefect"}
    assert not {name.split(".")[0] for name in imports(path)} & computing


@pytest.mark.parametrize(
    ("room", "walled_off"),
    [
        ("base/values.py", ("noiseflow",)),
        ("scores/score.py", ("noiseflow",)),
        ("report/page.py", ("noiseflow.engine", "noiseflow.store", "noiseflow.datasets")),
        ("plots/canvas.py", ("noiseflow.engine", "noiseflow.store", "noiseflow.report")),
        ("plots/scores.py", ("noiseflow.engine", "noiseflow.store", "noiseflow.report")),
        ("statistics/inference.py", ("noiseflow.engine", "noiseflow.store", "noiseflow.report", "noiseflow.plots")),
        ("statistics/summary.py", ("noiseflow.engine", "noiseflow.store", "noiseflow.report", "noiseflow.plots")),
        ("store/store.py", ("noiseflow.engine", "noiseflow.report", "noiseflow.architectures")),
    ],
)
def test_rooms_know_only_what_the_design_lets_them(room, walled_off):
    assert not [name for name in imports(ROOT / "noiseflow" / room) if name.startswith(walled_off)]


def test_only_front_doors_know_the_whole_job():
    doors = ("noiseflow.run", "noiseflow.cli", "noiseflow.terminal")
    knowing = {path.name for path in LIBRARY for name in imports(path) if name.startswith(doors)}
    assert knowing == {"__init__.py", "__main__.py", "cli.py", "terminal.py"}


def test_training_does_not_know_the_laws_that_it_is_checked_with():
    rooms = list((ROOT / "noiseflow" / "engine").glob("*.py"))
    assert rooms
    assert not [path for path in rooms for name in imports(path) if name.startswith("noiseflow.laws")]


HEAVY = ["tensorflow", "keras", "prefect", "matplotlib.pyplot"]
LIGHT = [
    "import noiseflow",
    "from noiseflow import Injection",
    "from noiseflow.scores import SCORES",
    "from noiseflow.controls import CONTROLS",
    "from noiseflow.datasets import DATASETS",
    "from noiseflow.architectures import ARCHITECTURES",
    "import noiseflow.run",
    "from noiseflow.report import render",
]
WHAT_LOADS = f"""
import sys
for statement in {LIGHT}:
    exec(statement)
    print(*[f"{{statement}}: {{name}}" for name in {HEAVY} if name in sys.modules])
"""


def test_command_refuses_before_it_loads_what_takes_long():
    """Nor does it load pandas, which takes a second."""
    look = (
        f"import sys, noiseflow.cli; print(*({{*sys.modules}} & {{*{[*HEAVY, 'pandas', 'pyarrow', 'rich.progress']}}}))"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()


def test_import_loads_neither_tensorflow_nor_prefect_nor_pyplot():
    done = subprocess.run([sys.executable, "-c", WHAT_LOADS], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()
