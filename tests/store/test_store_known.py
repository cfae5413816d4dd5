"""A process publishes by what an earlier one has noted, and looks at the files where that does not hold."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from noiseflow.store import Store, publishing
from noiseflow.store.disk import Disk
from noiseflow.store.known import NOTHING, read_known, write_known
from tests.store.test_store import batch

NOTE = "_index/trials.known"


def fresh(store):
    return Store(Path(store.location).parent, "study")


def ids_read(store):
    return sorted(pd.read_parquet(Path(store.location, "trials"))["trial_id"])


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Four batches, all noted."""
    monkeypatch.setattr(publishing, "STALE", 4)
    store = Store(tmp_path / "results", "study")
    for ids in ("ab", "cd", "ef", "gh"):
        store.publish(batch(ids), {})
    fresh(store).recover()
    return store


def test_first_publish_lists_nothing_and_reads_only_the_last_file(store, monkeypatch):
    read, get = [], Disk.get
    monkeypatch.setattr(Disk, "listed", None)
    monkeypatch.setattr(Disk, "get", lambda self, path: read.append(path) or get(self, path))
    assert fresh(store).publish(batch("ij"), {}) == 2
    assert {path for path in read if path.startswith(("trials/", "_index/"))} == {
        NOTE,
        "trials/00000004.parquet",
        "trials/00000005.parquet",
    }


@pytest.mark.parametrize("published_since", [[], ["ij", "k"]], ids=["all noted", "some not noted"])
def test_first_publish_drops_what_is_there(store, published_since):
    other = fresh(store)
    for ids in published_since:
        other.publish(batch(ids), {})
    there = "abcdefgh" + "".join(published_since)
    assert fresh(store).publish(batch("a" + there[-1] + "z"), {}) == 1
    assert ids_read(store) == sorted(there + "z")


def test_later_publish_drops_what_only_the_note_has(store):
    opened = fresh(store)
    assert opened.publish(batch("ij"), {}) == 2
    assert opened.publish(batch("aik"), {}) == 1
    assert ids_read(store) == list("abcdefghijk")


def test_what_is_noted_and_gone_is_published(store):
    for table in ("trials", "curves", "predictions"):
        Path(store.location, table, "00000002.parquet").unlink()
    assert fresh(store).publish(batch("cdz"), {}) == 3
    assert ids_read(store) == list("abcdefghz")


def test_note_is_not_believed_where_its_last_file_is_another(store):
    note = Path(store.location, NOTE).read_bytes()
    shutil.rmtree(store.location)
    for ids in ("st", "uv", "wx", "yz"):
        store.publish(batch(ids), {})
    Path(store.location, "_index").mkdir(exist_ok=True)
    Path(store.location, NOTE).write_bytes(note)
    assert fresh(store).publish(batch("as"), {}) == 1
    assert ids_read(store) == list("astuvwxyz")


@pytest.mark.parametrize("damage", [lambda note: b"", lambda note: note[:-3], lambda note: note.replace(b"4", b"3", 1)])
def test_note_that_is_damaged_costs_time_only(store, damage):
    path = Path(store.location, NOTE)
    path.write_bytes(damage(path.read_bytes()))
    assert read_known(Disk(store.location), "trials") is None
    assert fresh(store).publish(batch("ai"), {}) == 1
    assert ids_read(store) == list("abcdefghi")


def test_publishers_note_what_they_published_and_what_others_did(store, monkeypatch):
    monkeypatch.setattr(publishing, "STALE", 2)
    one, another = fresh(store), fresh(store)
    for opened, ids in ((one, "i"), (another, "j"), (one, "k"), (another, "l")):
        opened.publish(batch(ids), {})
    known = read_known(Disk(store.location), "trials")
    assert known.number == 8
    assert len(known.digests) == 12
    assert all(known.may_have([one]) for one in "abcdefghijkl")
    assert not known.may_have("mnopqrstuvwxyz")


def test_digests_come_back_as_they_were_written(tmp_path):
    disk = Disk(str(tmp_path))
    write_known(disk, "trials", NOTHING.extended(7, "tag\n\\", ["ä\x1fb", "c"]))
    known = read_known(disk, "trials")
    assert (known.number, known.tag, len(known.digests)) == (7, "tag\n\\", 2)
    assert known.may_have(["x", "c"])
    assert not known.may_have(["x"])
    assert not NOTHING.may_have(["x"])
