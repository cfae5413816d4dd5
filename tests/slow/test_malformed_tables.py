"""Tables that nobody meant: each is refused with a sentence, or can be learnt from; and nothing is written beside it.

The bytes go through `noiseflow init`, and through the same checks and the same reading as a run's. `derandomize` makes them the
same ones in every run.
"""

from __future__ import annotations

import os
from datetime import timedelta

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from noiseflow import datasets
from noiseflow.cli import app
from noiseflow.study import Dataset
from noiseflow.study import loading as studies

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
LIMIT = timedelta(seconds=60)  # for one that hangs: a large network on a busy machine takes a dozen
# Each example reads a file several times and splits it thirty times; the folder is emptied by the test itself.
SETTINGS = {
    "derandomize": True,
    "database": None,
    "deadline": LIMIT,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
}
CELLS = [
    "", "0", "1", "-1", "0.5", "1e308", "1e400", "-1e31", "inf", "-inf", "nan", "NaN", "NA", "null", "None",
    "true", "False",
    "9" * 30, "9" * 400, "0x1F", "1_000", "1,5", "2026-01-31", "31/12/26", "2026-13-45", "2026-01-31T10:00+02:00",
    "a", "a b", "é",
    "\u202e", "\x1b[31m", "=cmd|' /C calc'!A0", "'", '"', '""', '"a,b"', '"a\nb"', '"never closed', "x" * 300,
    "\0", "\ufeff", "😀", "1 ",
    " 1", "1+2j", "$HOME", "[1, 2]", "__import__('os').system('touch pwned')", "\t", ";", "#", "\r",
]  # fmt: skip
NAMES = [
    "x",
    "y",
    "y",
    "id",
    "kind",
    "",
    " ",
    "x.1",
    "Unnamed: 0",
    "\x1b[2J",
    "a,b",
    '"',
    "é",
    "when",
    "0",
    "nan",
    "y" * 70,
    "y ",
    "../y",
]
ENCODINGS = ["utf-8"] * 16 + ["utf-8-sig", "utf-16", "utf-32", "latin-1", "cp500"]


@st.composite
def columns(draw, n_rows):
    """A column of some kind, sound but for some of its cells."""
    kind = draw(
        st.sampled_from(["number"] * 6 + ["whole"] * 4 + ["category"] * 3 + ["date", "index", "constant", "odd"])
    )
    made = {
        "number": lambda i: f"{(i * 37 % 101) / 7:.3f}",
        "whole": lambda i: str(i * 5 % 3),
        "category": lambda i: "abc"[i % 3],
        "date": lambda i: f"2026-01-{i % 28 + 1:02d}",
        "index": str,
        "constant": lambda i: "1",
        "odd": lambda i: CELLS[i * 7 % len(CELLS)],
    }[kind]
    cells = [made(i) for i in range(n_rows)]
    for _ in range(draw(st.sampled_from([0] * 9 + [1, 2]))):
        if n_rows:
            cells[draw(st.integers(0, n_rows - 1))] = draw(st.one_of(st.sampled_from(CELLS), st.text(max_size=6)))
    return cells


@st.composite
def tables(draw):
    """Bytes of a CSV whose last column is called y, more often than not."""
    n_rows = draw(st.sampled_from([0, 1, 3, 10] + [40] * 8 + [80] * 4))
    n_columns = draw(st.sampled_from([1] + [2, 3, 4] * 4))
    names = [
        draw(st.sampled_from(NAMES)) if draw(st.integers(0, 9)) == 9 else f"x{i}" for i in range(n_columns - 1)
    ] + ["y"]
    made = [draw(columns(n_rows)) for _ in range(n_columns)]
    mark = draw(st.sampled_from([","] * 12 + [";", "\t"]))
    lines = [mark.join(row) for row in [names, *zip(*made, strict=True)]]
    for _ in range(draw(st.sampled_from([0] * 6 + [1, 2]))):
        at = draw(st.integers(0, len(lines) - 1))
        lines[at] = draw(
            st.sampled_from(
                [lines[at] + mark + "more", lines[at].rpartition(mark)[0], "", '"' + lines[at], lines[at] * 50]
            )
        )
    text = draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"])).join(lines)
    raw = text.encode(draw(st.sampled_from(ENCODINGS)), errors="replace")
    return raw[: draw(st.integers(0, len(raw)))] if draw(st.integers(0, 9)) == 9 else raw


@pytest.fixture
def folder(tmp_path, monkeypatch):
    work = tmp_path / "deep" / "work"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    return work


def look_over(path, task):
    """What a run says about the table before it trains; it is read, encoded and split if there is nothing to say."""
    dataset = Dataset(kind="table", path=str(path), target="y", task=task, missing="impute")
    found = datasets.faults(dataset, [1, 2, 3], "datasets[0]")
    assert all(fault.startswith("datasets[0].") and fault.isprintable() for fault in found), found
    if found:
        return "refused"
    data = datasets.generate(dataset, 1)
    for X, y in data.parts.values():
        assert len(X) == len(y) > 0
        assert np.isfinite(X).all()
        assert np.isfinite(y).all()
    return "learnt from"


def draft(folder, path):
    """`noiseflow init`, and the study that it wrote, if it did."""
    before = sorted(folder.parents[1].rglob("*"))
    done = CliRunner().invoke(app, ["init", str(path), "--target", "y", "--output", str(folder / "study.yaml")])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code in (0, 2), done.output
    written = folder / "study.yaml"
    if done.exit_code == 2:
        assert done.stderr.startswith("noiseflow: the input is not valid\n  - ")
        assert done.stderr.replace("\n", "").isprintable()
    else:
        (dataset,) = studies.load(str(written)).datasets
        assert datasets.faults(dataset, [1, 2, 3], "datasets[0]") == []
        assert yaml.safe_load(written.read_text(encoding="utf-8"))["name"]
        written.unlink()
    assert sorted(folder.parents[1].rglob("*")) == before
    return "drafted" if done.exit_code == 0 else "refused"


TABLES = given(content=tables(), task=st.sampled_from(["classification", "regression"]))


@settings(max_examples=25, **SETTINGS)
@TABLES
def test_table_is_refused_or_can_be_learnt_from(folder, content, task):
    read_or_refused(folder, content, task)


@pytest.mark.evidence
@pytest.mark.timeout(1800)
@settings(max_examples=300, **SETTINGS)
@TABLES
def test_many_tables_are_refused_or_can_be_learnt_from(folder, content, task):
    read_or_refused(folder, content, task)


def read_or_refused(folder, content, task):
    path = folder / "my.csv"
    path.write_bytes(content)
    event(f"run: {look_over(path, task)}")
    event(f"init: {draft(folder, path)}")


def wide(n):
    names = ",".join(f"x{i}" for i in range(n - 1)) + ",y\n"
    return (
        names + "".join(",".join(["1", "2"][i % 2] for _ in range(n - 1)) + f",{i % 2}\n" for i in range(20))
    ).encode()


ROWS = b"".join(b"%d,%d\n" % (i % 7, i % 3) for i in range(60))
EXTREME = {
    "empty": (b"", "which is empty"),
    "only a header": (b"x,y\n", "which has a header only"),
    "only line breaks": (b"\n" * 1_000, "path must"),
    "one column": (b"y\n1\n2\n", "a target and at least one feature"),
    "semicolons": (b"x;y\n1;2\n", "separated by semicolons"),
    "NUL": (b"x,y\n1,\0\n", "which holds binary data"),
    "ragged": (b"x,y\n" + ROWS + b"1,2,3\n", "which cannot be read"),
    "quote": (b'x,y\n"' + ROWS, "path must"),
    "utf-16": (("x,y\n" + "1,2\n" * 60).encode("utf-16"), "path must"),
    "latin-1": ("x,y\né,1\n".encode("latin-1"), "is not UTF-8"),
    "binary": (bytes(range(256)) * 100, "which holds binary data"),
    "field": (b"x,y\n" + b"1" * 10_000_000 + b",1\n" + ROWS, "with at most 1,000 characters in a category"),
    "10,001 columns": (wide(10_001), "at most 10,000 columns"),
    "one endless line": (b"x" * 2**23, "whose first line is over"),
    "infinite": (b"x,y\n" + ROWS + b"inf,1\n", "of finite numbers, at most 1e+30"),
    "dates": (
        b"x,y\n" + b"".join(b"2026-01-%02d,%d\n" % (i % 28 + 1, i % 2) for i in range(60)),
        "without dates among its features",
    ),
    "mixed": (b"x,y\n" + b"".join(b"%d,%d\n" % (i, i % 2) for i in range(60)) + b"a,1\n", "numbers or text, not both"),
    "one class": (b"x,y\n" + b"".join(b"%d,1\n" % (i % 7) for i in range(60)), "must differ between rows"),
}


@pytest.mark.parametrize("kind", EXTREME)
def test_extreme_table_is_refused_in_a_sentence(folder, kind):
    content, says = EXTREME[kind]
    path = folder / "my.csv"
    path.write_bytes(content)
    dataset = Dataset(kind="table", path=str(path), target="y", task="classification")
    found = datasets.faults(dataset, [1, 2, 3], "datasets[0]")
    assert any(says in fault for fault in found), found
    assert all(len(fault) < 3_000 and fault.isprintable() for fault in found)
    draft(folder, path)


def test_widest_table_is_read(folder):
    path = folder / "my.csv"
    path.write_bytes(wide(9_999))
    dataset = Dataset(kind="table", path=str(path), target="y", task="classification")
    assert datasets.faults(dataset, [1], "datasets[0]") == []
    assert datasets.generate(dataset, 1).X_train.shape == (14, 9_998)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz", ".keras"])
def test_what_is_no_file_is_refused_at_once(folder, suffix):
    """A pipe that nobody writes to would keep a reader waiting for ever, and a device never end."""
    os.mkfifo(folder / f"pipe{suffix}")
    (folder / f"device{suffix}").symlink_to("/dev/zero")
    (folder / f"loop{suffix}").symlink_to(folder / f"loop{suffix}")
    (folder / f"folder{suffix}").mkdir()
    for name in ("pipe", "device", "loop", "folder"):
        path = folder / f"{name}{suffix}"
        (folder / "study.yaml").write_text(yaml.safe_dump(study_of(str(path))))
        done = CliRunner().invoke(app, ["plan", "study.yaml"])
        assert isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code == 2, done.output


def study_of(path):
    own = {"kind": "table", "path": path, "target": "y", "task": "classification"}
    if path.endswith(".npz"):
        own = {"kind": "arrays", "path": path, "task": "classification"}
    data, networks = [own], [{"kind": "mlp"}]
    if path.endswith(".keras"):
        data, networks = [{"kind": "circles"}], [{"kind": "file", "path": path}]
    return {"name": "own", "datasets": data, "architectures": networks, "variants": [{"name": "baseline"}]}
