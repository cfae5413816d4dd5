"""What a disk may do: refuse links, hold what is no file, fail for a moment; and what is not ours in it."""

import errno
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from noiseflow.base.faults import InvalidInputError
from noiseflow.store import Store, StoreError, disk, files, find_store, footer, publishing
from noiseflow.store.publishing import Publisher
from tests.store.test_store import batch
from tests.store.test_store import files as files_in

MARKS = footer("0123", {"keras": "3"})


def fresh(store, **options):
    return Store(Path(store.location).parent, "study", **options)


def listing(store):
    folder = Path(store.location)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results", "study")
    store.publish(batch("ab"), MARKS)
    return store


# -- the study, once (1) ------------------------------------------------------------------------------------------------


def test_study_of_two_megabytes_is_written_once_and_footers_stay_small(tmp_path):
    store = Store(tmp_path, "study")
    text = json.dumps({"name": "study", "purpose": "x" * 2_000_000})
    study_hash = store.write_study(text)
    assert store.write_study(text) == study_hash
    assert Path(store.location, "studies", f"{study_hash}.json").read_text() == text
    assert store.publish(batch("ab"), footer(study_hash, {"keras": "3"})) == 2
    assert Path(store.location, "trials", "00000001.parquet").stat().st_size < 50_000
    other = fresh(store)
    other.recover()
    assert other.trial_ids() == {"a", "b"}
    assert not Path(store.location, "quarantine").exists()


def test_study_file_that_was_damaged_is_written_again(tmp_path):
    store = Store(tmp_path, "study")
    study_hash = store.write_study("{}")
    place = Path(store.location, "studies", f"{study_hash}.json")
    place.write_text("{")
    store.write_study("{}")
    assert place.read_text() == "{}"


@pytest.mark.parametrize("size", [60_000, 448_163, 1_100_000, 5_000_000])
def test_checksum_is_found_however_long_the_footer_is(tmp_path, size):
    store = Store(tmp_path, "study")
    assert store.publish(batch("ab"), {**MARKS, "note": "x" * size}) == 2
    other = fresh(store)
    other.recover()
    assert other.trial_ids() == {"a", "b"}


def test_publish_does_not_succeed_where_the_file_cannot_be_read_back(store, monkeypatch):
    write = disk.System.write
    monkeypatch.setattr(disk.System, "write", lambda self, path, content: write(self, path, content[:-1] + b"?"))
    with pytest.raises(StoreError, match="cannot be read back"):
        store.publish(batch("cd"), MARKS)


# -- what is not ours, and reading (3) ----------------------------------------------------------------------------------


def test_foreign_parquet_files_are_never_moved(tmp_path, caplog):
    folder = tmp_path / "data" / "study"
    for name in (
        "trials/part-0.parquet",
        "trials/00000001.parquet",
        "curves/a.parquet",
        "datasets/x.parquet",
        "_pending/b.parquet",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"x": [1]}).to_parquet(folder / name)
    store = Store(tmp_path / "data", "study")
    before = listing(store)
    store.trial_ids()
    assert listing(store) == before
    store.recover()
    assert before.items() <= listing(store).items()
    assert "trials/00000001.parquet is no file of noiseflow's" in caplog.text
    assert store.publish(batch("ab"), MARKS) == 2
    store.recover()
    assert before.items() <= listing(store).items()
    assert (folder / "trials" / "00000002.parquet").exists()
    assert fresh(store).trial_ids() == {"a", "b"}


def test_reading_writes_and_moves_nothing_and_refuses_to(store):
    Path(store.location, "curves", "00000001.parquet").write_bytes(b"damaged")
    before = listing(store)
    archive = find_store(Path(store.location).parent, "study")
    assert archive.trial_ids() == {"a", "b"}
    assert archive.read("curves").empty
    assert archive.seeds() == [0, 1]
    for attempt in (archive.recover, lambda: archive.publish(batch("c"), MARKS), lambda: archive.write_study("{}")):
        with pytest.raises(StoreError, match="read only"):
            attempt()
    assert listing(store) == before


def test_opening_and_looking_make_no_folder(tmp_path):
    assert Store(tmp_path / "results", "study").trial_ids() == set()
    assert not (tmp_path / "results").exists()


# -- what bears a number and is no file (5) -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [lambda p: p.symlink_to("nowhere"), os.mkfifo, Path.mkdir, lambda p: p.symlink_to(p.parent / "00000001.parquet")],
)
def test_publish_refuses_what_is_no_file_in_one_sentence(store, make):
    make(Path(store.location, "trials", "00000002.parquet"))
    for one in (store, fresh(store)):
        with pytest.raises(StoreError, match=r"trials/00000002\.parquet must be a plain file; it is a") as refused:
            one.publish(batch("cd"), MARKS)
        assert "\n" not in str(refused.value)


def test_folder_that_is_a_link_is_refused_and_nothing_outside_is_touched(store, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "00000001.parquet").write_bytes(b"theirs")
    curves = Path(store.location, "curves")
    shutil.rmtree(curves)
    curves.symlink_to(outside)
    for attempt in (fresh(store).recover, lambda: fresh(store).publish(batch("cd"), MARKS)):
        with pytest.raises(StoreError, match="curves must be a folder; it is a symbolic link"):
            attempt()
    assert [path.read_bytes() for path in outside.iterdir()] == [b"theirs"]


def test_publish_gives_up_on_a_number_that_is_taken_and_free_by_turns(store, monkeypatch):
    monkeypatch.setattr(publishing, "MOST_TAKEN", 20)
    monkeypatch.setattr(disk.Disk, "_give_name", lambda *_: "trials" not in _[2])
    with pytest.raises(StoreError, match="the number was taken 20 times"):
        store.publish(batch("cd"), MARKS)


# -- memory and disks that fail for a moment (7) ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(errno.EIO, "Input/output error"), files.pa.ArrowMemoryError("malloc")]
)
@pytest.mark.parametrize("passes", [False, True])
@pytest.mark.parametrize("where", ["read", "inspect"])
def test_shortage_is_no_damage(store, monkeypatch, error, where, passes):
    """Whether it lasts, or passes after the first look, so that what looks damaged could be moved."""
    if where == "inspect" and isinstance(error, OSError):
        pytest.skip("a look at bytes in memory asks no disk")
    before, count = listing(store), []
    owner, name = (disk.System, "read") if where == "read" else (files.pq, "ParquetFile")
    original = getattr(owner, name)

    def fail(*arguments, **named):
        count.append(1)
        if passes and len(count) > 1:
            return original(*arguments, **named)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        with pytest.raises((MemoryError, StoreError)):
            fresh(store).recover()
    assert listing(store) == before
    fresh(store).recover()
    assert fresh(store).trial_ids() == {"a", "b"}


# -- clocks (8) ---------------------------------------------------------------------------------------------------------


def test_what_waits_goes_when_one_host_has_seen_it_wait_for_the_retention(tmp_path, monkeypatch):
    store = Store(tmp_path, "study")
    waiting = tmp_path / "study" / "_pending" / f"{7:032x}-curves.parquet"
    waiting.parent.mkdir(parents=True)
    waiting.write_bytes(b"of a dead process")
    os.utime(waiting, (0, 0))
    monkeypatch.setenv("NOISEFLOW_RETENTION_HOURS", "2")
    for host, hours, stays in [
        ("a", 0, True),
        ("b", 1e6, True),
        ("a", 1.9, True),
        ("b", 1e6 + 1, True),
        ("a", 2, False),
    ]:
        Store(tmp_path, "study", clock=lambda host=host, hours=hours: (host, 3600.0 * hours)).recover()
        assert waiting.exists() == stays
    del store


@pytest.mark.parametrize("text", ["soon", "-1", "inf", "nan"])
def test_retention_that_is_no_number_is_refused(store, monkeypatch, text):
    monkeypatch.setenv("NOISEFLOW_RETENTION_HOURS", text)
    with pytest.raises(InvalidInputError, match="NOISEFLOW_RETENTION_HOURS must be a number of hours"):
        store.recover()


def test_curves_whose_waiting_file_another_host_deleted_come_all_the_same(store, monkeypatch):
    append = Publisher.append

    def append_while_another_host_deletes(self, *arguments):
        for path in Path(store.location, "_pending").glob("*-curves.parquet"):
            path.unlink()
        return append(self, *arguments)

    monkeypatch.setattr(Publisher, "append", append_while_another_host_deletes)
    assert store.publish(batch("cd"), MARKS) == 2
    assert sorted(fresh(store).read("curves")["trial_id"]) == list("aabbccdd")


@pytest.mark.parametrize("table", ["curves", "predictions"])
def test_trials_whose_curves_are_missing_are_found_and_trained_again(store, table, caplog):
    Path(store.location, table, "00000001.parquet").unlink()
    other = fresh(store)
    other.recover()
    assert f"{table}/00000001.parquet is missing" in caplog.text
    assert other.trial_ids() == set()
    assert other.publish(batch("ab"), MARKS) == 2
    assert sorted(pd.read_parquet(Path(store.location, table))["trial_id"]) == list("aabb")


def test_pruned_curves_are_not_missing(store):
    store.publish(batch("cd"), MARKS)
    assert store.prune(keep=1) == 2
    other = fresh(store)
    other.recover()
    assert other.trial_ids() == set("abcd")
    assert sorted(other.read("curves")["trial_id"]) == list("ccdd")
    assert sorted(pd.read_parquet(Path(store.location, "curves"))["trial_id"]) == list("ccdd")
    assert other.prune(keep=1) == 0


# -- file systems (9) ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_publish_without_hard_links(tmp_path, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(disk.System, "link", refuse)
    one, two = Store(tmp_path, "study"), Store(tmp_path, "study")
    assert one.publish(batch("ab"), MARKS) == 2
    assert two.publish(batch("bc"), MARKS) == 1
    assert one.publish(batch("cd"), MARKS) == 1
    assert sorted(pd.read_parquet(tmp_path / "study" / "trials")["trial_id"]) == list("abcd")
    fresh(one).recover()
    assert fresh(one).trial_ids() == set("abcd")


def test_publish_with_neither_links_nor_locks_says_what_is_missing(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(disk.System, "link", refuse)
    monkeypatch.setattr(disk.fcntl, "flock", refuse)
    with pytest.raises(StoreError, match="neither hard links nor locks.*Choose a place on another file system"):  # noqa: RUF043
        Store(tmp_path, "study").publish(batch("ab"), MARKS)


def test_names_differ_in_more_than_case(store):
    store.write_study("{}")
    store.write_report({"report.md": b"", "index.html": b""})
    Path(store.location, "curves", "00000001.parquet").write_bytes(b"")
    fresh(store).recover()
    names = files_in(store)
    assert [name for name in names if name != name.lower()] == []


# -- what a process knows (11, 13) --------------------------------------------------------------------------------------


def test_publish_looks_at_nothing_that_it_knows(store, monkeypatch):
    for k in range(20):
        store.publish(batch([f"old-{k}"]), MARKS)
    asked = []
    for name in ("scan", "read"):
        call = getattr(disk.System, name)
        monkeypatch.setattr(disk.System, name, lambda self, path, call=call: asked.append(path) or call(self, path))
    store.publish(batch(["new"]), MARKS)
    assert sorted(Path(path).name for path in asked) == ["00000022.parquet"] * 3  # read back


def test_folder_that_is_deleted_under_a_process_does_not_fool_it(store):
    assert store.publish(batch("ab"), MARKS) == 0
    shutil.rmtree(store.location)
    assert store.trial_ids() == set()
    assert store.publish(batch("ab"), MARKS) == 2
    shutil.rmtree(store.location)
    fresh(store).publish(batch("c"), MARKS)
    assert store.publish(batch("ab"), MARKS) == 2
    assert sorted(pd.read_parquet(Path(store.location, "trials"))["trial_id"]) == list("abc")


@pytest.fixture
def indexed(store, monkeypatch):
    """A store with an index of all its files."""
    monkeypatch.setattr("noiseflow.store.catalogue.STALE", 0)
    store.publish(batch("cd"), MARKS)
    fresh(store).recover()
    assert Path(store.location, "_index", "found.parquet").exists()
    return store


def test_index_saves_a_reader_the_looks(indexed, monkeypatch):
    looked, inspect = [], files.inspect
    monkeypatch.setattr(files, "inspect", lambda content, path: looked.append(path) or inspect(content, path))
    assert fresh(indexed).trial_ids() == set("abcd")
    assert looked == []


@pytest.mark.parametrize("content", [b"", b"PAR1", None])
def test_index_that_is_damaged_or_gone_costs_time_only(indexed, content):
    index = Path(indexed.location, "_index", "found.parquet")
    if content is None:
        index.unlink()
    else:
        index.write_bytes(content)
    other = fresh(indexed)
    assert other.trial_ids() == set("abcd")
    other.recover()
    assert other.publish(batch("de"), MARKS) == 1


def test_damage_behind_an_index_is_found(indexed):
    trials = Path(indexed.location, "trials", "00000001.parquet")
    status, content = trials.stat(), bytearray(trials.read_bytes())
    content[40] ^= 1
    with trials.open("r+b") as file:
        file.write(content)
    os.utime(trials, ns=(status.st_atime_ns, status.st_mtime_ns))  # as a disk's own fault, without a trace
    assert fresh(indexed).trial_ids() == set("abcd")
    other = fresh(indexed)
    other.recover()
    assert other.trial_ids() == {"c", "d"}
