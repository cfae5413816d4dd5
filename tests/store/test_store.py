import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from noiseflow.store import SCHEMAS, Store, footer, reading
from noiseflow.store.disk import Disk
from noiseflow.store.publishing import Publisher


def batch(ids):
    """Rows of the trials with these identities: two curve rows and two predictions each."""
    trials = pd.DataFrame({name: pd.Series(dtype=object) for name in SCHEMAS["trials"].names})
    trials["trial_id"] = ids = list(ids)
    trials = trials.assign(seed=range(len(trials)), test_score=0.5, status="completed")
    trials["finished_at"] = pd.Timestamp("2026-01-01", tz="UTC")
    twice = np.repeat(ids, 2)
    curves = pd.DataFrame({"trial_id": twice, "epoch": [1, 2] * len(trials), "train_loss": 0.1, "train_score": 0.2})
    predictions = pd.DataFrame({"trial_id": twice, "part": "test", "row": 0, "output": 0, "prediction": 0.5})
    return {
        "trials": trials,
        "curves": curves.assign(test_loss=0.3, test_score=0.4),
        "predictions": predictions,
    }


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, "study")


def files(store):
    folder = Path(store.location)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_publish_makes_what_pandas_reads(store):
    assert store.publish(batch("ab"), {}) == 2
    assert store.publish(batch("cd"), {}) == 2
    for table, rows in (("trials", 4), ("curves", 8), ("predictions", 8)):
        frame = pd.read_parquet(Path(store.location) / table)
        assert len(frame) == rows
        assert list(frame.columns) == SCHEMAS[table].names
    assert store.trial_ids() == set("abcd")
    assert [name for name in files(store) if "_pending" in name] == []


def test_publish_drops_what_is_there_already(store):
    store.publish(batch("ab"), {})
    assert store.publish(batch("bc"), {}) == 1
    assert store.publish(batch("abc"), {}) == 0
    assert sorted(store.read("trials")["trial_id"]) == ["a", "b", "c"]
    assert sorted(store.read("curves")["trial_id"]) == list("aabbcc")
    assert [name for name in files(store) if "_pending" in name] == []


def test_publish_by_many_at_once_neither_loses_nor_doubles(tmp_path):
    """Twenty publishers with overlapping batches, each with a view of its own."""
    batches = [[f"{trial}" for trial in range(first, first + 6)] for first in range(20)]
    threads = [threading.Thread(target=lambda b=b: Store(tmp_path, "s").publish(batch(b), {})) for b in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = sorted(f"{trial}" for trial in range(25))
    assert sorted(pd.read_parquet(tmp_path / "s" / "trials")["trial_id"]) == expected
    assert sorted(pd.read_parquet(tmp_path / "s" / "curves")["trial_id"].unique()) == expected
    assert len(pd.read_parquet(tmp_path / "s" / "predictions")) == 2 * len(expected)


def test_recover_completes_a_batch_whose_process_died_after_its_trials(store, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Publisher, "follow", die)
        with pytest.raises(KeyboardInterrupt):
            store.publish(batch("ab"), {})
    assert store.read("curves").empty
    other = Store(Path(store.location).parent, "study")
    other.recover()
    assert sorted(other.read("curves")["trial_id"]) == list("aabb")
    assert len(other.read("predictions")) == 4
    assert [name for name in files(store) if "_pending" in name] == []


def test_recover_leaves_alone_what_may_still_be_written(store, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Publisher, "append", die)
    with pytest.raises(KeyboardInterrupt):
        store.publish(batch("ab"), {})
    store.recover()
    assert len([name for name in files(store) if name.endswith(".parquet")]) == 2
    monkeypatch.setenv("NOISEFLOW_RETENTION_HOURS", "0")
    store.recover()
    assert files(store) == []


def test_read_gives_only_the_trials_asked_for(store):
    store.publish(batch("abc"), {})
    assert list(store.read("trials", ["c", "a", "z"])["trial_id"]) == ["a", "c"]
    assert Store(Path(store.location).parent, "empty").read("curves").empty


def test_footer_carries_study_hash_and_software(store):
    store.publish(batch("a"), footer("0123", {"keras": "3"}))
    metadata = pq.read_schema(Path(store.location, "trials", "00000001.parquet")).metadata
    assert b"study" not in metadata
    assert metadata[b"study_hash"] == b"0123"
    assert metadata[b"software"] == b'{"keras": "3"}'


def test_rows_of_many_files_are_remembered_until_one_changes(store, monkeypatch):
    monkeypatch.setattr(reading, "MANY", 2)
    for ids in ("ab", "cd", "ef"):
        store.publish(batch(ids), {})
    ids, plain = list("abcdef"), store.read("trials", "abc")
    first = store.read("trials", ids)
    assert list(plain["trial_id"]) == list("abc")
    with monkeypatch.context() as patch:
        patch.setattr(Disk, "get", None)  # no file is read again
        pd.testing.assert_frame_equal(store.read("trials", ids), first)
        pd.testing.assert_frame_equal(store.read("trials"), first)
        assert store.seeds() == [0, 1]
    store.publish(batch("g"), {})
    assert list(store.read("trials")["trial_id"]) == list("abcdefg")
    assert list(store.read("trials", ids)["trial_id"]) == ids
    pd.testing.assert_frame_equal(first, pd.read_parquet(Path(store.location) / "trials").iloc[:6])


def test_what_is_published_meanwhile_is_not_seen_by_who_reads_as_it_is(tmp_path):
    store, other = Store(tmp_path, "study"), Store(tmp_path, "study")
    study_hash = store.write_study('{"name": "study"}')
    store.publish(batch("a"), footer(study_hash, {}))
    with store.as_it_is():
        assert store.trial_ids() == {"a"}
        other.publish(batch("b"), footer(study_hash, {}))
        assert set(store.read("trials")["trial_id"]) == {"a"}
    assert set(store.read("trials")["trial_id"]) == {"a", "b"}
