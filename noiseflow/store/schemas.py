"""The tables of a study: their columns, what no two of their rows share, and how their files are called."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa

_TRIALS = pa.schema(
    {
        **dict.fromkeys(("trial_id", "study", "dataset", "architecture", "variant", "family"), pa.string()),
        "strength": pa.float64(),
        **dict.fromkeys(("data_seed", "seed"), pa.int64()),
        **dict.fromkeys(("campaign", "engine", "device"), pa.string()),
        **dict.fromkeys(("epochs", "epochs_trained", "n_train", "n_test"), pa.int64()),
        **dict.fromkeys(("status", "score_name"), pa.string()),
        **dict.fromkeys(("initial_loss", "train_loss", "train_mode_loss", "train_score"), pa.float64()),
        **dict.fromkeys(("test_loss", "test_score", "eval_loss", "eval_score"), pa.float64()),
        **dict.fromkeys(
            ("brier", "ece", "ece_chance", "inner_score", "signal_to_noise", "train_seconds"), pa.float64()
        ),
        "proven": pa.bool_(),
        "robustness": pa.string(),
        "finished_at": pa.timestamp("us", tz="UTC"),
    }
)
SCHEMAS: dict[str, pa.Schema] = {
    "trials": _TRIALS,
    "replays": _TRIALS,
    "curves": pa.schema(
        {
            "trial_id": pa.string(),
            "epoch": pa.int64(),
            **dict.fromkeys(("train_loss", "train_score", "test_loss", "test_score"), pa.float64()),
        }
    ),
    "predictions": pa.schema(
        {
            **dict.fromkeys(("trial_id", "part"), pa.string()),
            **dict.fromkeys(("row", "output"), pa.int32()),
            "prediction": pa.float64(),
        }
    ),
    "datasets": pa.schema(
        {
            "dataset": pa.string(),
            "data_seed": pa.int64(),
            "split": pa.string(),
            "row": pa.int64(),
            "X": pa.list_(pa.float32()),
            "y": pa.float64(),
            "targets": pa.list_(pa.float64()),
        }
    ),
}
ADDED = {
    2: {"trials": {"family", "epochs_trained", "n_test"}},
    3: {"trials": {"proven"}},
    4: {"trials": {"robustness"}},
    5: {"trials": {"ece_chance", "inner_score"}, "datasets": {"targets"}},
}
"""Format, and the columns by table that files of earlier formats lack; they are read as null. Replays are like trials."""
IDENTITIES = {"trials": ["trial_id"], "replays": ["trial_id", "campaign"]}
"""What no two rows of a table share."""
FOLLOWERS = ("curves", "predictions")
"""Tables with files that have the number of the trials that they belong to."""
_NUMBERED = re.compile(r"(\w+)/(\d{8,})\.parquet", re.ASCII)
_HASHED = re.compile(r"datasets/.*-[0-9a-f]{12}\.parquet|_pending/[0-9a-f]{32}-\w+\.parquet", re.DOTALL)


def identity(values: Iterable[str | None]) -> str:
    """One text for what identifies a row; of a trial it is the trial_id."""
    return "\x1f".join("" if value is None else str(value) for value in values)


def identities_of(rows: pa.Table) -> tuple[str, ...]:
    """The identities of rows, from the columns that make them."""
    columns = [column.to_pylist() for column in rows.columns]
    return tuple(columns[0]) if len(columns) == 1 else tuple(map(identity, zip(*columns, strict=True)))


def table_of(path: str) -> str:
    """The table that a file belongs to; of one that waits under `_pending` the table that it waits for."""
    folder, _, name = path.partition("/")
    return name.removesuffix(".parquet").partition("-")[2] if folder == "_pending" else folder


def pending(batch: str, table: str) -> str:
    """Where the rows of a batch wait."""
    return f"_pending/{batch}-{table}.parquet"


def numbered(table: str, number: int) -> str:
    """The file of a table with this number."""
    return f"{table}/{number:08d}.parquet"


def number_of(path: str) -> int | None:
    """The number of a file; None of one that has none, which is not ours."""
    found = _NUMBERED.fullmatch(path)
    return int(found[2]) if found else None


def is_hashed(path: str) -> bool:
    """Whether the name of a file is one that only noiseflow gives: it ends or begins with a hash."""
    return _HASHED.fullmatch(path) is not None
