"""Files of older formats are read as they are; those of a newer one are refused, and nothing is moved."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from noiseflow.base.faults import InvalidInputError
from noiseflow.store import SCHEMAS, Store
from noiseflow.store import files as store_files
from noiseflow.store.files import encode
from noiseflow.store.schemas import ADDED
from tests.store.test_store import batch
from tests.store.test_store_damage import BATCH_TABLES, DAMAGES, MARKS, dataset, flip, fresh, listing, place


@pytest.fixture
def store(tmp_path):
    """Two batches: a and b, c and d."""
    store = Store(tmp_path / "results", "study")
    store.publish(batch("ab"), MARKS)
    store.publish(batch("cd"), MARKS)
    return store


@pytest.mark.parametrize("table", [*BATCH_TABLES, "replays", "datasets"])
def test_results_of_a_newer_version_are_refused_and_nothing_is_moved(store, monkeypatch, table):
    flip(place(store, "trials", 2), 40)
    with monkeypatch.context() as patch:
        patch.setattr(store_files, "FORMAT", store_files.FORMAT + 1)
        if table == "datasets":
            store.write_dataset("key", dataset(), MARKS)
        else:
            rows = pa.Table.from_pandas(batch("ab")[table.replace("replays", "trials")], SCHEMAS[table])
            path = place(store, table)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(encode(rows, f"{table}/00000001.parquet", MARKS))
    before = listing(store)
    with pytest.raises(
        InvalidInputError, match=rf"{table}/.*\.parquet must be of format 5 or older; received format 6.*Upgrade"
    ):
        fresh(store).recover()
    assert listing(store) == before


@pytest.mark.parametrize("version", range(2, max(ADDED)))
@pytest.mark.parametrize("table", ["trials", "datasets"])
def test_rows_of_an_older_format_are_read_and_columns_that_came_later_are_null(tmp_path, monkeypatch, version, table):
    later = {name for added, columns in ADDED.items() if version < added for name in columns.get(table, ())}
    schema = pa.schema([field for field in SCHEMAS[table] if field.name not in later])
    name, frame = ("key", dataset()) if table == "datasets" else ("00000001", batch("ab")["trials"])
    rows = pa.Table.from_pandas(frame[schema.names], schema, preserve_index=False)
    with monkeypatch.context() as patch:
        patch.setattr(store_files, "FORMAT", version)
        content = encode(rows, f"{table}/{name}.parquet", MARKS)
    folder = tmp_path / "results" / "study" / table
    folder.mkdir(parents=True)
    (folder / f"{name}.parquet").write_bytes(content)
    store = Store(tmp_path / "results", "study")
    read = store.read_dataset("key") if table == "datasets" else store.read("trials")
    assert list(read.columns) == SCHEMAS[table].names
    assert len(read) == len(frame)
    assert read[sorted(later)].isna().all(axis=None)


def write_as_version_1(store, table, number, frame, without=()):
    """As noiseflow did before files had a format: checksums of pages, everything in the schema's metadata."""
    names = [name for name in SCHEMAS[table].names if name not in without]
    schema = pa.schema([SCHEMAS[table].field(name) for name in names])
    rows = pa.Table.from_pandas(frame[names], schema, preserve_index=False)
    path = place(store, table, number)
    path.parent.mkdir(exist_ok=True, parents=True)
    rows = rows.replace_schema_metadata({**MARKS, "batch": f"b{number}"})
    pq.write_table(rows, path, compression="zstd", write_page_checksum=True)


LACKING = ("family", "epochs_trained", "n_test")
LATER = ("proven",)


@pytest.fixture
def old(tmp_path):
    """A folder as version 1 left it: a batch of its first days, before three columns came, and a later one."""
    store = Store(tmp_path / "results", "study")
    for number, ids, without in ((1, "ab", (*LACKING, *LATER)), (2, "cd", LATER)):
        for table, frame in batch(ids).items():
            write_as_version_1(store, table, number, frame, without if table == "trials" else ())
    return store


def test_version_1_is_read_as_it_is(old):
    before = listing(old)
    other = fresh(old)
    other.recover()
    assert listing(old) == before
    trials = other.read("trials")
    assert trials["trial_id"].tolist() == list("abcd")
    assert list(trials.columns) == SCHEMAS["trials"].names
    assert trials.loc[:1, list(LACKING)].isna().all(axis=None)
    assert trials["proven"].isna().all()
    assert other.software("trials", {("a",)}) == {"keras": {"3"}}
    assert other.publish(batch("de"), MARKS) == 1
    assert sorted(fresh(old).read("curves")["trial_id"]) == list("aabbccddee")


@pytest.mark.parametrize("damage", [d for d in DAMAGES if d not in ("bit in the footer", "another batch's")])
@pytest.mark.parametrize("table", BATCH_TABLES)
def test_version_1_that_is_damaged_is_moved(old, table, damage):
    DAMAGES[damage](place(old, table), old)
    other = fresh(old)
    other.recover()
    assert other.trial_ids() == {"c", "d"}
    assert len(list(Path(old.location, "quarantine", table).iterdir())) == 1
