"""What is damaged is found, moved to quarantine with a warning, and its trials count as missing."""

import pickle
import threading
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from noiseflow.store import FOLLOWERS, SCHEMAS, Store, footer
from noiseflow.store import files as store_files
from noiseflow.store.disk import Disk
from noiseflow.store.files import DamagedError, encode, inspect
from noiseflow.store.guard import Guard
from noiseflow.store.publishing import Publisher
from tests.store.test_store import batch

BATCH_TABLES = ("trials", *FOLLOWERS)
MARKS = footer("0123", {"keras": "3"})


class Trap:
    """What would leave a file behind if anything unpickled it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def place(store, table, number=1):
    return Path(store.location, table, f"{number:08d}.parquet")


def fresh(store):
    """The same results, seen by another process."""
    return Store(Path(store.location).parent, "study")


def listing(store):
    folder = Path(store.location)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1
    path.write_bytes(content)


@pytest.fixture
def store(tmp_path):
    """Two batches: a and b, c and d."""
    store = Store(tmp_path / "results", "study")
    store.publish(batch("ab"), MARKS)
    store.publish(batch("cd"), MARKS)
    return store


def made(table):
    rows = pa.Table.from_pandas(batch("ab")[table], SCHEMAS[table], preserve_index=False)
    path = f"{table}/00000001.parquet"
    return encode(rows, path, MARKS), path


def test_inspect_finds_every_single_flipped_bit():
    content, path = made("curves")
    assert inspect(content, path).software == MARKS["software"]
    flipped, missed = bytearray(content), []
    for at in range(len(content)):
        for bit in range(8):
            flipped[at] ^= 1 << bit
            try:
                inspect(bytes(flipped), path)
                missed.append((at, bit))
            except DamagedError:
                pass
            flipped[at] ^= 1 << bit
    assert bytes(flipped) == content
    assert missed == []


@pytest.mark.parametrize("length", [0, 1, 4, 12, 1000, -1000, -12, -8, -4, -1])
def test_inspect_finds_a_truncated_file(length):
    content, path = made("trials")
    with pytest.raises(DamagedError):
        inspect(content[:length], path)


def test_inspect_finds_what_was_added_and_a_file_in_the_wrong_place():
    content, path = made("trials")
    with pytest.raises(DamagedError):
        inspect(content + b"\0", path)
    with pytest.raises(DamagedError, match=r"written as trials/00000001\.parquet"):
        inspect(content, "trials/00000002.parquet")


def test_sha256_in_the_footer_is_that_of_the_file_with_zeros_in_its_place(store):
    import hashlib

    content = place(store, "trials").read_bytes()
    marks = pq.read_metadata(place(store, "trials")).metadata
    digest = marks[b"sha256"]
    assert content.count(digest) == 1
    assert hashlib.sha256(content.replace(digest, b"0" * 64)).hexdigest().encode() == digest
    assert marks[b"format"] == str(store_files.FORMAT).encode()


def put_foreign(path, _):
    pd.DataFrame({"trial_id": ["a"], "score": [1.0]}).to_parquet(path)


def put_foreign_of_our_columns(path, _):
    pq.write_table(SCHEMAS[path.parent.name].empty_table(), path)


def put_pickle(path, store):
    path.write_bytes(pickle.dumps(Trap(Path(store.location, "sprung"))))


def put_the_other_batch(path, store):
    path.write_bytes(place(store, path.parent.name, 2).read_bytes())


DAMAGES = {
    "bit in the magic": lambda path, store: flip(path, 0),
    "bit in the data": lambda path, store: flip(path, 40),
    "bit in the footer": lambda path, store: flip(path, -600),
    "bit in the last byte": lambda path, store: flip(path, -1),
    "truncated": lambda path, store: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path, store: path.write_bytes(b""),
    "foreign": put_foreign,
    "foreign, our columns": put_foreign_of_our_columns,
    "pickle": put_pickle,
    "another batch's": put_the_other_batch,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("table", BATCH_TABLES)
def test_recover_moves_the_damaged_to_quarantine_and_its_trials_are_missing(store, caplog, table, damage):
    DAMAGES[damage](place(store, table), store)
    kept = {name: place(store, name).read_bytes() for name in BATCH_TABLES}
    other = fresh(store)
    other.recover()
    assert f"{table}/00000001.parquet is damaged: " in caplog.text
    for name, content in kept.items():
        (moved,) = Path(store.location, "quarantine", name).iterdir()
        assert moved.read_bytes() == content
        assert moved.name.startswith("00000001-")
    assert other.trial_ids() == {"c", "d"}
    assert sorted(set(other.read("curves")["trial_id"])) == ["c", "d"]
    assert other.publish(batch("abcd"), MARKS) == 2
    for name, expected in (("trials", "abcd"), ("curves", "aabbccdd"), ("predictions", "aabbccdd")):
        assert "".join(sorted(pd.read_parquet(place(store, name).parent)["trial_id"])) == expected
    assert not Path(store.location, "sprung").exists()


@pytest.mark.parametrize("table", BATCH_TABLES)
def test_recover_warns_once_and_is_done(store, caplog, table):
    flip(place(store, table), 40)
    fresh(store).recover()
    caplog.clear()
    fresh(store).recover()
    assert caplog.text == ""
    assert len(list(Path(store.location, "quarantine", "trials").iterdir())) == 1


def test_trial_ids_without_recover_leave_the_damaged_out(store):
    flip(place(store, "trials"), 40)
    assert fresh(store).trial_ids() == {"c", "d"}


def test_read_of_damaged_curves_leaves_their_rows_out_and_moves_nothing(store, caplog):
    flip(place(store, "curves"), 40)
    before, other = listing(store), fresh(store)
    assert sorted(set(other.read("curves", "ac")["trial_id"])) == ["c"]
    assert "curves/00000001.parquet is damaged" in caplog.text
    assert listing(store) == before
    other.recover()
    assert other.trial_ids() == {"c", "d"}


def test_number_that_was_used_is_not_used_again(store):
    for table in BATCH_TABLES:
        flip(place(store, table, 2), 40)
    other = fresh(store)
    other.recover()
    other.publish(batch("cd"), MARKS)
    assert other.read("trials", "cd")["trial_id"].tolist() == ["c", "d"]
    assert len(pd.read_parquet(place(store, "trials", 2))) == 0
    assert len(pd.read_parquet(place(store, "trials", 3))) == 2


def test_number_whose_curves_are_there_is_never_given_to_other_trials(store, monkeypatch):
    """Nobody has recovered since somebody took the trials away."""
    place(store, "trials", 2).unlink()
    given, create = [], Disk.create
    monkeypatch.setattr(Disk, "create", lambda self, path, content: given.append(path) or create(self, path, content))
    assert fresh(store).publish(batch("ef"), MARKS) == 2
    assert "trials/00000002.parquet" not in given
    assert len(pd.read_parquet(place(store, "trials", 3))) == 2


def test_curves_whose_trials_are_gone_are_moved(store, caplog):
    place(store, "trials").unlink()
    other = fresh(store)
    other.recover()
    assert "trials/00000001.parquet is gone" in caplog.text
    assert other.publish(batch("ab"), MARKS) == 2
    assert sorted(pd.read_parquet(place(store, "curves").parent)["trial_id"]) == list("aabbccdd")


def put_batch(store, number, ids):
    """As a publisher does that did not see what others had published."""
    for table in BATCH_TABLES:
        rows = pa.Table.from_pandas(batch(ids)[table], SCHEMAS[table], preserve_index=False)
        path = place(store, table, number)
        path.write_bytes(encode(rows, str(path.relative_to(store.location)), {**MARKS, "batch": f"{number}"}))


def waiting(store):
    path = place(store, "curves")
    Path(store.location, "_pending", f"{'0' * 32}-curves.parquet").write_bytes(path.read_bytes())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda store: flip(place(store, "trials"), 40),
        lambda store: flip(place(store, "predictions"), 40),
        lambda store: place(store, "curves").unlink(),
        lambda store: place(store, "trials").unlink(),
        lambda store: put_batch(store, 3, "bce"),
        lambda store: place(store, "curves", 2).write_bytes(place(store, "curves").read_bytes()),
        waiting,
    ],
    ids=["trials", "predictions", "no curves", "no trials", "doubled", "of another batch", "waiting"],
)
def test_is_whole_finds_what_recover_would_mend_and_moves_nothing(store, spoil):
    assert fresh(store).is_whole()
    spoil(store)
    before = {path: path.read_bytes() for path in Path(store.location).rglob("*") if path.is_file()}
    assert not fresh(store).is_whole()
    assert {path: path.read_bytes() for path in Path(store.location).rglob("*") if path.is_file()} == before
    fresh(store).recover()


@pytest.mark.parametrize("survived", [0, 1, 2, 3])
def test_trials_that_are_there_twice_go_from_the_later_batch_and_its_others_stay(store, monkeypatch, caplog, survived):
    put_batch(store, 3, "bce")
    put_batch(store, 4, "ad")
    before = {table: place(store, table, 3).read_bytes() for table in BATCH_TABLES}
    replace, calls = Disk.replace, []

    def dying(disk, path, content):
        calls.append(path)
        if len(calls) > survived:
            raise KeyboardInterrupt
        replace(disk, path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Disk, "replace", dying)
        with pytest.raises(KeyboardInterrupt):
            fresh(store).recover()
    other = fresh(store)
    other.recover()
    assert other.trial_ids() == set("abcde")
    for table, expected in (("trials", "abcde"), ("curves", "aabbccddee"), ("predictions", "aabbccddee")):
        assert "".join(sorted(pd.read_parquet(place(store, table).parent)["trial_id"])) == expected
        assert before[table] in [path.read_bytes() for path in Path(store.location, "quarantine", table).iterdir()]
        assert len(pd.read_parquet(place(store, table, 4))) == 0
    caplog.clear()
    fresh(store).recover()
    assert caplog.text == ""


def test_replays_that_are_there_twice_go_from_the_later_file(store):
    for number, ids in ((1, "ab"), (2, "bc")):
        rows = pa.Table.from_pandas(batch(ids)["trials"].assign(campaign="d"), SCHEMAS["replays"], preserve_index=False)
        place(store, "replays").parent.mkdir(exist_ok=True)
        place(store, "replays", number).write_bytes(encode(rows, f"replays/{number:08d}.parquet", MARKS))
    fresh(store).recover()
    assert sorted(pd.read_parquet(place(store, "replays").parent)["trial_id"]) == list("abc")


def test_file_without_a_number_is_moved_and_what_is_no_parquet_is_not_touched(store, caplog):
    folder = place(store, "trials").parent
    (folder / "mine.parquet").write_bytes(place(store, "trials").read_bytes())
    planted = Path(store.location, "planted.pkl")
    put_pickle(planted, store)
    before = planted.stat().st_atime_ns, planted.read_bytes()
    other = fresh(store)
    other.recover()
    assert other.trial_ids() == set("abcd")
    assert "trials/mine.parquet is damaged" in caplog.text
    assert not (folder / "mine.parquet").exists()
    assert planted.read_bytes() == before[1]
    assert not Path(store.location, "sprung").exists()


def dataset():
    rows = {"dataset": "d", "data_seed": 1, "split": "train", "row": [0, 1], "X": [[0.0], [1.0]], "y": [0.0, 1.0]}
    return pd.DataFrame({**rows, "targets": None})


def test_damaged_dataset_is_missing_and_written_again(store, caplog):
    store.write_dataset("key", dataset(), MARKS)
    flip(Path(store.location, "datasets", "key.parquet"), 40)
    other = fresh(store)
    other.recover()
    assert "datasets/key.parquet is damaged" in caplog.text
    assert other.dataset_keys() == set()
    other.write_dataset("key", dataset(), MARKS)
    assert other.read_dataset("key")["y"].tolist() == [0.0, 1.0]
    assert other.trial_ids() == set("abcd")


def test_damaged_replays_stand_alone(store):
    store.publish_replays(batch("a")["trials"].assign(campaign="2026-01-01"), MARKS)
    flip(place(store, "replays"), 40)
    other = fresh(store)
    other.recover()
    assert other.read("replays").empty
    assert other.trial_ids() == set("abcd")
    assert other.publish_replays(batch("a")["trials"].assign(campaign="2026-01-01"), MARKS) == 1


def die(*_):
    raise KeyboardInterrupt


def test_damaged_curves_that_still_wait_take_their_trials_along(store, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Publisher, "follow", die)
        with pytest.raises(KeyboardInterrupt):
            store.publish(batch("ef"), MARKS)
    (waiting,) = Path(store.location, "_pending").glob("*-curves.parquet")
    flip(waiting, 40)
    other = fresh(store)
    other.recover()
    assert other.trial_ids() == set("abcd")
    assert list(Path(store.location, "_pending").iterdir()) == []
    assert other.publish(batch("ef"), MARKS) == 2
    assert sorted(pd.read_parquet(place(store, "predictions").parent)["trial_id"]) == list("aabbccddeeff")


@pytest.mark.parametrize("table", BATCH_TABLES)
@pytest.mark.parametrize("survived", [0, 1, 2])
def test_quarantine_that_died_half_way_is_finished_by_the_next(store, monkeypatch, table, survived):
    flip(place(store, table), 40)
    empty, calls = Guard._empty, []

    def dying(guard, path, why, **more):
        calls.append(path)
        if len(calls) > survived:
            raise KeyboardInterrupt
        empty(guard, path, why, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Guard, "_empty", dying)
        with pytest.raises(KeyboardInterrupt):
            fresh(store).recover()
    other = fresh(store)
    other.recover()
    assert other.trial_ids() == {"c", "d"}
    other.publish(batch("ab"), MARKS)
    for name, expected in (("trials", "abcd"), ("curves", "aabbccdd"), ("predictions", "aabbccdd")):
        assert "".join(sorted(pd.read_parquet(place(store, name).parent)["trial_id"])) == expected
        assert len(list(Path(store.location, "quarantine", name).iterdir())) == 1


def test_many_at_once_may_quarantine_and_publish(store):
    flip(place(store, "curves"), 40)
    flip(place(store, "trials", 2), 40)

    def carry_on():
        other = fresh(store)
        other.recover()
        other.publish(batch("abcdef"), MARKS)

    threads = [threading.Thread(target=carry_on) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    final = fresh(store)
    final.recover()
    assert final.publish(batch("abcdef"), MARKS) == 0
    assert "".join(sorted(pd.read_parquet(place(store, "trials").parent)["trial_id"])) == "abcdef"
    assert "".join(sorted(pd.read_parquet(place(store, "curves").parent)["trial_id"])) == "aabbccddeeff"
