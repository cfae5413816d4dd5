"""Study files that nobody meant: each is refused with status 2 and a message, or can be planned; and nothing is written.

Two thirds are made from the schema: a sound study, in which one to three places are spoilt by what its own keys and limits
suggest. The others are text and bytes that are hardly YAML. `derandomize` makes them the same ones in every run.
"""

from __future__ import annotations

import contextlib
import copy
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from noiseflow.cli import app
from noiseflow.study import Study
from noiseflow.study import loading as studies
from noiseflow.study.loading import FOLDER, names
from noiseflow.trials import preflight

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]
LIMIT = timedelta(seconds=60)  # for one that hangs: a large network on a busy machine takes a dozen
SCHEMA = Study.model_json_schema()
# Each example takes a study apart, which Hypothesis finds slow; the folder is emptied by the test itself.
SETTINGS = {
    "derandomize": True,
    "database": None,
    "deadline": LIMIT,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
}

TABLE = "x,kind,when,who,y\n" + "".join(
    f"{i % 7},{'ab'[i % 2]},2026-01-{i % 28 + 1:02d},g{i % 9},{(i * 7) % 3 > 0}\n" for i in range(80)
)
OWN = {
    "name": "own",
    "design": "resample",
    "n_seeds": 3,
    "datasets": [{"kind": "table", "path": "my.csv", "target": "y", "task": "classification", "drop": ["when", "who"]}],
    "architectures": [{"kind": "mlp", "units": [8]}],
    "training": {"epochs": 3, "batch_size": 8},
    "variants": [{"name": "baseline"}, {"name": "l2", "controls": [{"kind": "l2", "factor": 0.01}]}],
}
BASES = [yaml.safe_load((FOLDER / f"{name}.yaml").read_text()) for name in names()] + [OWN, OWN]


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


HUGE = [
    10**18,
    -(10**18),
    2**63,
    2**64,
    10**400,
    -1,
    0,
    1e308,
    -1e308,
    5e-324,
    float("nan"),
    float("inf"),
    -float("inf"),
]
TEXTS = [
    "", " ", "\0", "a\0b", "\x1b[31mred", "x" * 10_000, "../../outside", "/etc/passwd", "..", ".", "a/b", "a\\b",
    "~", "$HOME",
    "\u202eabc", "é" * 64, "\ud800", "😀", "null", "NaN", "baseline", "after:" + "x" * 300, "after:", "CON", "-",
    "__import__('os')",
    "{{ 7*7 }}", "%s%n", "<script>alert(1)</script>", "a\nb", "/dev/zero", "/dev/stdin", "pipe.csv", "my.csv", ".",
]  # fmt: skip
ODD = st.one_of(
    st.sampled_from([None, True, False, [], {}, [[]], [None], {"": None}, {1: 2}, {None: [1]}]),
    st.sampled_from(HUGE),
    st.sampled_from(TEXTS),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
    st.dates(),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    st.integers(20, 200).map(nested),
    st.just([0.1] * 2_000),
)


def properties():
    """Every key of the schema, with the schemas of its values."""
    parts = [SCHEMA, *SCHEMA["$defs"].values()]
    return [(key, form) for part in parts for key, form in part.get("properties", {}).items()]


def suggested(form):
    """Values that a key's schema suggests: its choices, and what lies on, beyond and far beyond its limits."""
    found = [*form.get("enum", []), *([form["default"]] if "default" in form else [])]
    for limit in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        if limit in form:
            found += [form[limit], form[limit] - 1, form[limit] + 1, float(form[limit]), str(form[limit])]
    for size in ("minLength", "maxLength"):
        if size in form:
            found += ["x" * form[size], "x" * (form[size] + 1), "é" * form[size]]
    for option in form.get("anyOf", []):
        found += suggested(option)
    if form.get("type") == "array":
        found += [[value] * n for value in suggested(form.get("items", {}))[:3] for n in (1, 2, 40)]
    return found


KEYS = [(key, value) for key, form in properties() for value in suggested(form)]


def places(value, path=()):
    """The paths of all values within a value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


@st.composite
def spoilt(draw):
    """A study with one to three places spoilt."""
    content = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 3))):
        *path, key = draw(st.sampled_from([path for path in places(content) if path]))
        parent = at(content, path)
        match draw(st.sampled_from(["odd", "odd", "suggested", "suggested", "drop", "twice", "known key", "new key"])):
            case "odd":
                parent[key] = copy.deepcopy(draw(ODD))
            case "suggested":
                fitting = [value for name, value in KEYS if name == key] or [value for _, value in KEYS]
                parent[key] = copy.deepcopy(draw(st.sampled_from(fitting)))
            case "drop":
                del parent[key]
            case "twice" if isinstance(parent, list):
                parent.append(copy.deepcopy(parent[key]))
            case "known key" if isinstance(parent, dict):
                name, value = draw(st.sampled_from(KEYS))
                parent[name] = copy.deepcopy(value)
            case _ if isinstance(parent, dict):
                parent[draw(st.sampled_from(TEXTS))] = copy.deepcopy(draw(ODD))
    return content


def dumped(content):
    """The content as YAML, or JSON-like where it holds what YAML's writer cannot write."""
    with contextlib.suppress(Exception):
        return yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    return repr(content)


SOUND = [yaml.safe_dump(base, sort_keys=False) for base in BASES]
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
SNIPPETS = [
    BOMB, "&a [*a]", "a: &a\n  b: *a\n", "<<: [1, 2]", "? {a: b}\n: c\n", "? [1]\n: 2",
    "!!python/object/apply:os.system ['touch pwned']",
    "purpose: !!python/name:os.system", "n_seeds: !!int x", "n_seeds: !!float ''", "n_seeds: 2026-13-45",
    "n_seeds: 1:99:99",
    "n_seeds: " + "9" * 6_000, "n_seeds: 0x" + "f" * 6_000, "n_seeds: !!timestamp x", "n_seeds: !!bool x",
    "n_seeds: !!binary x",
    "name: a\nname: b\n", "[" * 5_000, "{" * 5_000, "- " * 5_000 + "a", "a: " * 50, "%YAML 9.9\n---\n",
    "---\na\n---\nb\n", "\t\tname: x",
    "'", '"', "|\n", "*missing", "&a &b c", "!", "!<tag:x> y", 'name: "\\ud800"', 'name: "\\0"', "? " * 3_000,
    "=: 1", "- !!set {a, b}",
    "datasets: !!omap [a: b]", "# only a comment", "null", "0", "'text'", "[]", "true", "\ufeffname: x", "\u2028",
    "a:\n" * 3_000,
]  # fmt: skip


@st.composite
def torn(draw):
    """Bytes of a study that were torn, patched or written in another encoding; or what never was a study."""
    text = draw(st.sampled_from([*SOUND, *SNIPPETS, *SNIPPETS]))
    for _ in range(draw(st.integers(0, 3))):
        cut = draw(st.integers(0, len(text)))
        patch = draw(
            st.one_of(
                st.sampled_from(SNIPPETS), st.text(max_size=8), st.sampled_from(list("\0\t\n:{}[]&*!|>%@`'\"#-?,"))
            )
        )
        text = text[:cut] + patch + text[cut + draw(st.integers(0, 40)) :]
    encoding = draw(st.sampled_from(["utf-8"] * 6 + ["utf-16", "utf-32", "latin-1", "utf-7"]))
    raw = text.encode(encoding, errors="replace" if encoding == "latin-1" else "surrogatepass")
    return raw[: draw(st.integers(0, len(raw)))] if draw(st.booleans()) else raw


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, inside of one in which every file is accounted for; `pipe.csv` never has anything to read."""
    work = tmp_path / "deep" / "work"
    work.mkdir(parents=True)
    (work / "my.csv").write_text(TABLE)
    os.mkfifo(work / "pipe.csv")
    monkeypatch.chdir(work)
    return work


def listing(folder):
    return sorted(str(path) for path in folder.parents[1].rglob("*"))


def outcome(folder, path):
    """Plans the study, and looks it over as a run does before it trains; what came of it."""
    before = listing(folder)
    done = CliRunner().invoke(app, ["plan", str(path), "--results", str(folder / "results")])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code in (0, 2), done.output
    if done.exit_code == 2:
        assert done.stderr.startswith("noiseflow: the input is not valid\n  - ")
        assert done.stderr.replace("\n", "").isprintable()
        assert len(done.stderr) < 100_000
        found = ["refused"]
    else:
        assert "trials:" in done.stdout
        found = preflight.faults(studies.load(str(path)))
        assert all(isinstance(fault, str) and fault for fault in found)
    assert listing(folder) == before
    return "refused by the command" if done.exit_code == 2 else "refused before training" if found else "valid"


def encoded_spoilt():
    return spoilt().map(lambda content: dumped(content).encode("utf-8", errors="surrogatepass"))


@settings(max_examples=80, **SETTINGS)
@given(content=encoded_spoilt())
def test_study_spoilt_in_some_places_is_refused_or_can_be_planned(folder, content):
    event(outcome(folder, write(folder, content)))


@settings(max_examples=100, **SETTINGS)
@given(content=torn())
def test_bytes_that_are_hardly_a_study_are_refused_or_can_be_planned(folder, content):
    event(outcome(folder, write(folder, content)))


@pytest.mark.evidence
@pytest.mark.timeout(1800)
@settings(max_examples=400, **SETTINGS)
@given(content=st.one_of(encoded_spoilt(), torn()))
def test_many_studies_are_refused_or_can_be_planned(folder, content):
    event(outcome(folder, write(folder, content)))


def write(folder, content):
    path = folder / "study.yaml"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_snippet_is_refused(folder, snippet):
    path = folder / "study.yaml"
    path.write_bytes(snippet.encode("utf-8", errors="surrogatepass"))
    assert outcome(folder, path) == "refused by the command"


def make_loop(path):
    path.symlink_to(path)


def make_large(path):
    with path.open("wb") as file:  # 100 MB of a list without an end
        for _ in range(100):
            file.write(b"- a\n" * 2**18)


UNREADABLE = {
    "directory": (lambda path: path.mkdir(), "it is no file"),
    "pipe": (os.mkfifo, "it is no file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is no file"),
    "loop": (make_loop, "cannot be read"),
    "large": (make_large, "must have at most 262,144 bytes; received 104,857,600"),
    "empty": (lambda path: path.write_bytes(b""), "must be a mapping of keys to values; received NoneType"),
    "binary": (lambda path: path.write_bytes(bytes(range(256)) * 10), "cannot be read: 'utf-8' codec"),
    "missing": (lambda path: None, "there is no study file"),
    "dangling": (lambda path: path.symlink_to("nowhere.yaml"), "there is no study file"),
    "bomb": (lambda path: path.write_text(BOMB), "at most 50,000 values, aliases written out"),
    "twice": (lambda path: path.write_text(SOUND[0] + "\nname: other\n"), "the key 'name' appears twice"),
    "deep": (lambda path: path.write_text("a: " + "[" * 200 + "]" * 200), "at most 30 levels deep"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_run_refuses_what_is_no_study_file(folder, kind):
    make, says = UNREADABLE[kind]
    make(folder / "study.yaml")
    before = listing(folder)
    done = CliRunner().invoke(app, ["run", "study.yaml", "--results", "results"])
    assert isinstance(done.exception, SystemExit)
    assert done.exit_code == 2
    assert says in done.stderr
    assert listing(folder) == before


@pytest.mark.parametrize("kind", ["pipe", "large"])
def test_installed_command_refuses_what_is_no_study_file_at_once(folder, kind):
    """`run`, in a process of its own: a second or two, and nothing is written."""
    make, says = UNREADABLE[kind]
    path = folder / "study.yaml"
    make(path)
    before = listing(folder)
    command = [sys.executable, "-m", "noiseflow", "run", path, "--results", folder / "results"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT.total_seconds()
    )
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert listing(folder) == before


@pytest.mark.parametrize(
    "name", ["a\0b.yaml", "x" * 10_000 + ".yaml", "../" * 2_000 + "a.yaml", "\ud800.yaml", "a\n.yaml", ".yaml"]
)
def test_path_that_no_system_takes_is_refused(folder, name):
    assert outcome(folder, name) == "refused by the command"
