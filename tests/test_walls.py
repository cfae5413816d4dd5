"""Imports run one way: deployments → flows → tasks → noiseflow, and heavy libraries stay in their rooms."""

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import noiseflow

ROOT = Path(__file__).parent.parent
LIBRARY = sorted((ROOT / "noiseflow").rglob("*.py"))
ALL = [*LIBRARY, *sorted((ROOT / "tasks").glob("*.py")), *sorted((ROOT / "flows").glob("*.py"))]
ROOMS = {  # library: the rooms of noiseflow that may import it
    "tensorflow": ("engine/", "noise/", "controls/", "trials/preflight/"),
    "keras": ("engine/", "noise/", "controls/", "scores/", "architectures/", "laws/", "trials/preflight/"),
    "pyarrow": (
        "store/",
        "datasets/files.py",
        "datasets/file_limits.py",
    ),  # how large a Parquet file is, before it is read
    "obstore": ("store/",),
    "matplotlib": ("plots/",),
    "mlflow": ("trackers.py",),
    "wandb": ("trackers.py",),
    "prefect": (),
}
KINDS = ("noise", "controls", "scores", "datasets", "architectures")
MAY_IMPORT = {  # room: the rooms that it may import; `base` lies below all, and imports none
    "base": (),
    "scores": (),
    "noise": ("base",),
    "controls": ("base",),
    "engine": ("noise", "controls", "scores"),
    "datasets": ("base", "scores"),
    "architectures": ("base", "scores", "engine"),
    "study": ("base", *KINDS),
    "statistics": ("base",),
    "campaigns": ("base", "study", "statistics"),
    "store": ("base", "study"),
    "trials": ("base", *KINDS, "engine", "study", "statistics", "campaigns", "store"),
    "wording": ("scores",),
    "plots": ("base", "wording"),
    "report": ("base", *KINDS, "study", "statistics", "campaigns", "store", "trials", "plots", "wording"),
    "laws": ("noise", "engine"),
    "atlas": ("datasets", "study", "statistics"),
    "comparison": ("base", "scores", "engine", "statistics", "wording"),
    "results": ("base", "study", "store", "wording"),
    "trackers": ("base", "results"),
    "stored": ("base", "datasets", "study", "campaigns", "store", "trials", "report", "results"),
    "progress_line": ("engine", "trials"),
    "run": (
        "base",
        "datasets",
        "engine",
        "study",
        "campaigns",
        "store",
        "trials",
        "report",
        "results",
        "stored",
        "progress_line",
    ),
    "terminal": ("base", "study", "wording", "results", "run", "progress_line"),
    "options": ("base", "study", "store", "trials"),
    "cli": (
        "base",
        "study",
        "campaigns",
        "statistics",
        "store",
        "trials",
        "laws",
        "atlas",
        "results",
        "trackers",
        "options",
        "run",
        "stored",
        "terminal",
        "__init__",
    ),
    "__main__": ("cli",),
    "__init__": ("noise", "controls", "engine", "study", "trials", "comparison", "results", "run"),
}


def room_of(path):
    return path.relative_to(ROOT / "noiseflow").parts[0].removesuffix(".py")


def rooms_imported(path):
    """Rooms that a file imports, within functions too; for types alone, a file may look anywhere."""
    names = {name for name in imports(path) if name.startswith("noiseflow.")}
    if path.name == "__init__.py" and path.parent.name == "noiseflow":  # its names are imported when first asked for
        names |= {f"{home}." for home in noiseflow._HOMES.values()}
    return {name.split(".")[1] for name in names}


def for_types_alone(tree):
    """The nodes below `if TYPE_CHECKING`."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {inner for block in blocks for statement in block.body for inner in ast.walk(statement)}


@cache
def imports(path):
    """All names that a file imports, but for types alone."""
    tree, found = ast.parse(path.read_text()), set()
    for node in {*ast.walk(tree)} - for_types_alone(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def packages(path):
    """What a file imports something of."""
    return {name.split(".")[0] for name in imports(path)}


def offenders(files, forbidden):
    """What each of the files imports that is forbidden to it, by file."""
    found = {str(path.relative_to(ROOT)): forbidden(path) for path in files}
    assert len(found) > 10
    return {name: sorted(names) for name, names in found.items() if names}


def test_imports_run_one_way():
    houses = ["noiseflow", "tasks", "flows", "deployments"]

    def above(path):
        return packages(path) & {*houses[houses.index(path.relative_to(ROOT).parts[0]) + 1 :]}

    assert not offenders(ALL, above)


def test_heavy_libraries_stay_in_their_rooms():
    def out_of_place(path):
        room = path.relative_to(ROOT / "noiseflow").as_posix()
        return {library for library in packages(path) & {*ROOMS} if not room.startswith(ROOMS[library] or ("-",))}

    assert not offenders(LIBRARY, out_of_place)


def test_flows_and_tasks_compute_nothing():
    computing = {"numpy", "pandas", "scipy", "sklearn", "statsmodels", *ROOMS} - {"prefect"}
    assert not offenders([path for path in ALL if path not in LIBRARY], lambda path: packages(path) & computing)


def test_rooms_import_what_the_design_lets_them():
    def beyond(path):
        room = room_of(path)
        return rooms_imported(path) - {room, "__version__", *MAY_IMPORT[room]}

    assert not offenders(LIBRARY, beyond)


@pytest.mark.parametrize(
    ("statement", "seen"),
    [
        ("import prefect", {"prefect"}),
        ("def f():\n    from noiseflow.cli import app", {"noiseflow.cli", "noiseflow.cli.app"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import keras", {"typing", "typing.TYPE_CHECKING"}),
    ],
)
def test_imports_are_seen_wherever_they_are_but_for_types(tmp_path, statement, seen):
    (tmp_path / "a.py").write_text(statement)
    assert imports(tmp_path / "a.py") == seen


def test_no_two_rooms_import_each_other():
    assert not [(a, b) for a, seen in MAY_IMPORT.items() for b in seen if a in MAY_IMPORT[b]]


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


WHAT_REFUSALS_LOAD = """
import sys
from noiseflow.cli import app
for command in sys.argv[1:]:
    try:
        app(command.split())
    except SystemExit as ended:
        assert ended.code == 2, (command, ended.code)
    print(*[f"{command}: {name}" for name in HEAVY if name in sys.modules])
"""


def test_a_file_that_is_not_there_is_refused_before_what_takes_long_is_loaded(tmp_path):
    """Where another file beside it may be meant, the kinds of tables are looked up, which needs pandas."""
    typed = [
        "init a.csv",
        "init a.csv --target y",
        "init a.npz",
        "advise a.csv --target y",
        "run a.yaml",
        "plan a.yaml",
    ]
    typed += ["run absent", "report a.yaml", "report absent", "reproduce a.yaml", "reproduce absent"]
    slow = [*HEAVY, "sklearn", "scipy"]
    assert not loaded_by(["pandas", "pyarrow", *slow], typed, tmp_path)
    (tmp_path / "houses.csv").write_text("x,y")
    typed = ["init house.csv", "results list", "results show a", "results compare a b", "results export a"]
    assert not loaded_by(slow, [*typed, "results delete a", "compact a --into b"], tmp_path)


def loaded_by(names, typed, folder):
    """Which of these modules the commands load, each of which is refused; in the order in which they are typed."""
    look = WHAT_REFUSALS_LOAD.replace("HEAVY", repr(names))
    command = [sys.executable, "-c", look, *typed]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True).stdout.strip()


def test_import_loads_neither_tensorflow_nor_prefect_nor_pyplot():
    done = subprocess.run([sys.executable, "-c", WHAT_LOADS], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()


@pytest.mark.parametrize(("given", "then"), [({}, "3"), ({"TF_CPP_MIN_LOG_LEVEL": "1"}, "1")])
def test_importing_noiseflow_keeps_tensorflow_quiet_unless_one_asks(given, then):
    shown = "import os, noiseflow; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    done = subprocess.run(
        [sys.executable, "-c", shown],
        env={"PYTHONPATH": str(ROOT), **given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == then
