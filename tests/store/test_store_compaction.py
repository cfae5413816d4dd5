"""A copy in few files has each trial once, with its curves and predictions, whoever is killed or publishes meanwhile."""

import threading
from pathlib import Path

import pandas as pd
import pytest
import typer

from noiseflow.cli import app
from noiseflow.store import Store, compaction, footer
from noiseflow.store.compaction import Compacted, compact
from noiseflow.store.disk import Disk
from tests.store.test_store import batch
from tests.store.test_store_damage import dataset, flip, listing, place, put_batch
from tests.store.test_store_formats import write_as_version_1

TABLES = {"trials": 1, "curves": 2, "predictions": 2}


@pytest.fixture
def source(tmp_path):
    """Ten batches of two trials, by two versions of Keras; a dataset, a study, and a replay."""
    store = Store(tmp_path / "results", "study")
    study_hash = store.write_study('{"name": "study"}')
    for k in range(10):
        store.publish(batch([f"{k}-a", f"{k}-b"]), footer(study_hash, {"keras": "3" if k < 5 else "4"}))
    store.write_dataset("key", dataset(), footer(study_hash, {}))
    store.write_look({"number": 1, "margin": 0.01, "comparisons": {}})
    store.publish_replays(batch(["0-a"])["trials"].assign(campaign="2026-01-01"), footer(study_hash, {"keras": "5"}))
    return store


@pytest.fixture
def into(tmp_path):
    return Store(tmp_path / "compacted", "study")


def assert_whole(store, ids):
    for table, each in TABLES.items():
        found = pd.read_parquet(Path(store.location, table))["trial_id"].value_counts()
        assert found.to_dict() == dict.fromkeys(ids, each)


def test_compact_makes_few_files_of_the_same_rows_and_leaves_the_source_alone(source, into):
    before = listing(source)
    assert compact(source, into) == Compacted(copied=21)
    assert listing(source) == before
    for table in TABLES:
        assert len(list(Path(into.location, table).iterdir())) == 2  # a file holds rows of one software
        pd.testing.assert_frame_equal(
            pd.read_parquet(Path(into.location, table)), pd.read_parquet(Path(source.location, table))
        )
    assert into.software("trials", {("0-a",), ("9-b",)}) == {"keras": {"3", "4"}}
    assert into.software("replays", {("0-a", "2026-01-01")}) == {"keras": {"5"}}
    pd.testing.assert_frame_equal(into.read_dataset("key"), source.read_dataset("key"))
    assert into.looks() == source.looks() == [{"number": 1, "margin": 0.01, "comparisons": {}}]
    (study,) = Path(into.location, "studies").iterdir()
    assert study.read_text() == '{"name": "study"}'


def test_compact_again_copies_what_is_new_and_a_run_goes_on_in_the_copy(source, into):
    compact(source, into)
    before = listing(into)
    assert compact(source, into) == Compacted()
    assert listing(into).items() >= before.items()
    source.publish(batch(["new"]), footer("0", {}))
    assert compact(source, into) == Compacted(copied=1)
    assert into.publish(batch(["0-a", "new", "newer"]), footer("0", {})) == 1


def test_a_file_holds_no_more_than_its_bounds(source, into, monkeypatch):
    monkeypatch.setattr(compaction, "MOST_ROWS", 4)
    compact(source, into)
    assert [len(pd.read_parquet(path)) for path in sorted(Path(into.location, "trials").iterdir())] == [
        4,
        4,
        2,
        4,
        4,
        2,
    ]


@pytest.mark.parametrize("table", ["trials", "curves", "predictions"])
def test_what_is_not_whole_is_left_out_and_said(source, into, table, caplog):
    flip(place(source, table), 40)
    place(source, "curves", 2).unlink()
    damaged = table == "trials"
    assert compact(source, into) == Compacted(copied=17, left_out=2 if damaged else 4, damaged=int(damaged))
    assert_whole(into, source.trial_ids() - {"0-a", "0-b", "1-a", "1-b"})
    assert f"{table}/00000001.parquet is damaged" in caplog.text


def test_trials_that_are_in_the_source_twice_are_in_the_copy_once(source, into):
    put_batch(source, 11, ["3-a", "x"])
    assert compact(source, into) == Compacted(copied=22)
    assert_whole(into, source.trial_ids())


def test_pruned_curves_stay_pruned(source, into):
    source.prune(keep=1)
    compact(source, into)
    into.recover()
    assert into.trial_ids() == source.trial_ids()
    assert set(into.read("curves")["trial_id"]) == {"9-a", "9-b"}


def test_results_of_the_first_format_are_copied_and_their_study_too(tmp_path, into):
    old = Store(tmp_path / "results", "study")
    for number, ids in ((1, "ab"), (2, "cd")):
        for table, frame in batch(ids).items():
            write_as_version_1(old, table, number, frame)
    place(old, "predictions").unlink()  # as they were pruned then
    assert compact(old, into) == Compacted(copied=4)
    into.recover()
    assert into.trial_ids() == set("abcd")
    assert set(into.read("predictions")["trial_id"]) == {"c", "d"}
    pd.testing.assert_frame_equal(into.read("trials"), old.read("trials"))


@pytest.mark.parametrize("survived", [0, 2, 3, 4, 5, 6, 8, 10])
def test_compaction_that_was_killed_is_carried_on_by_the_next(source, into, monkeypatch, survived):
    create, calls = Disk.create, []
    monkeypatch.setattr(compaction, "MOST_ROWS", 6)

    def dying(disk, path, content):
        calls.append(path)
        if len(calls) > survived:
            raise KeyboardInterrupt
        return create(disk, path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Disk, "create", dying)
        with pytest.raises(KeyboardInterrupt):
            compact(source, into)
    if Path(into.location, "trials").exists():
        assert pd.read_parquet(Path(into.location, "trials"))["trial_id"].is_unique
    again = Store(Path(into.location).parent, "study")
    compact(source, again)
    assert_whole(again, source.trial_ids())


def test_compactions_at_once_beside_a_publisher_neither_lose_nor_double(source, into):
    def work(k):
        if k % 4 == 0:
            Store(Path(source.location).parent, "study").publish(batch([f"new-{k}", "0-a"]), footer("0", {}))
        else:
            compact(
                Store(Path(source.location).parent, "study", read_only=True),
                Store(Path(into.location).parent, "study"),
            )

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    compact(source, into)
    assert_whole(into, source.trial_ids())
    assert len(source.trial_ids()) == 22


def command(*arguments):
    """Its exit status."""
    try:
        return app(["compact", *arguments], standalone_mode=False)
    except typer.Exit as end:
        return end.exit_code
    except SystemExit as end:
        return end.code


def test_command_copies_and_says_what_it_did(source, into, capsys):
    names = ["study", "--results", str(Path(source.location).parent), "--into", str(Path(into.location).parent)]
    assert command(*names) == 0
    assert f"21 trials copied: 10 files of {source.location} are 2 of {into.location}." in capsys.readouterr().out
    place(source, "curves", 10).unlink()
    place(source, "curves", 9).unlink()
    source.publish(batch(["x"]), footer("0", {}))
    place(source, "curves", 11).unlink()
    assert command(*names) == 1
    assert "1 trials that lack curves or predictions and 0 damaged files are left out." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("study", "into", "says"),
    [
        ("study", "copy/../results", "--into must name another place"),
        ("../study", "copy", "name must be of a-z, 0-9 and -"),
        ("other", "copy", "must hold trials of other"),
        ("study", "ftp://host/x", "received ftp://"),
    ],
)
def test_command_refuses_in_a_sentence(source, tmp_path, monkeypatch, capsys, study, into, says):
    monkeypatch.chdir(tmp_path)
    before = listing(source)
    assert command(study, "--results", "results", "--into", into) == 2
    assert says in capsys.readouterr().err
    assert not Path("copy").exists()
    assert listing(source) == before
