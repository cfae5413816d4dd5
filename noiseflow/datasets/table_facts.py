"""What the columns of a table are used as, and what seems to be wrong with that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from noiseflow.base.faults import some_named
from noiseflow.datasets.columns import is_counter
from noiseflow.datasets.doubts import doubts
from noiseflow.datasets.facts import ColumnRead
from noiseflow.datasets.guesses import (
    FEATURES,
    Guess,
    gives_target_away,
    guess_column,
    nearly_equal,
    numbered_names,
    panel_units,
)
from noiseflow.datasets.preparation import Prepared, prepare_table
from noiseflow.datasets.rows import BY_GROUP, BY_TIME
from noiseflow.datasets.table_checks import features_of
from noiseflow.datasets.table_rows import Table, read

if TYPE_CHECKING:
    from noiseflow.study import Dataset


def table_columns(dataset: Dataset) -> Iterator[ColumnRead]:
    """Each column of the file with its part, in the order of the file."""
    prepared, table = prepare_table(dataset), read(dataset)
    for name in prepared.frame.columns:
        column = prepared.frame[name]
        missing, levels = int(column.isna().sum()), int(column.nunique())
        if name in dataset.targets:
            yield ColumnRead(name, "target", missing, levels)
        elif name == dataset.split_by:
            part = {**dict.fromkeys(BY_GROUP, "group"), "given": "says which rows test"}.get(str(dataset.split), "time")
            yield ColumnRead(name, part, missing, levels)
        elif name in (dataset.drop or ()):
            yield ColumnRead(name, "dropped", missing, levels, why=guess_column(column).why)
        elif name in table.numeric:
            used = "number"
            used = "ordered category" if name in (dataset.ordinal or {}) else used
            yield ColumnRead(name, used, missing, 0, 1, _as_filled(missing, "median"))
        else:
            n = len(table.categories[name])
            yield ColumnRead(name, "category", missing, n, n, _as_filled(missing, "commonest"))


def _as_filled(missing: int, by: str) -> str:
    return f"gaps are filled by the training rows' {by}" if missing else ""


def table_cautions(dataset: Dataset) -> list[str]:
    """What a reader should know of the columns and rows: each kind of doubt is a sentence."""
    prepared = prepare_table(dataset)
    features = features_of(prepared.frame, dataset)
    named = {*(dataset.numeric or ()), *(dataset.categorical or ()), *(dataset.ordinal or ())}
    guesses = {str(name): guess_column(features[name]) for name in features.columns if name not in named}
    usable = [name for name, guess in guesses.items() if guess.kind in FEATURES]
    return [
        *numbered_names(prepared.frame.drop(columns=list(dataset.drop or ()))),
        *_counters(features, guesses),
        *_misread(features, guesses, read(dataset)),
        *giveaways(features[usable], prepared.frame[list(dataset.targets)], dataset.of_task),
        *doubts((prepared.frame[name] for name in (*usable, *dataset.targets) if name not in named), guesses),
        *_groups(features, guesses, dataset),
        *_alike(prepared.frame[[*features.columns, *dataset.targets]], dataset),
        *_twins(prepared, dataset),
    ]


def _counters(features: pd.DataFrame, guesses: dict[str, Guess]) -> Iterator[str]:
    found = [str(name) for name in features.columns if name in guesses and is_counter(features[name])]
    if found:
        does = "counts" if len(found) == 1 else "count"
        why = "Unless that means something, remove it: the order may give the target away."
        yield f"{some_named(found)} {does} the rows. {why}"


def _misread(features: pd.DataFrame, guesses: dict[str, Guess], table: Table) -> Iterator[str]:
    for name, guess in guesses.items():
        if guess.kind == "number" and name in table.categories:
            n = len(table.categories[name])
            yield (
                f"{name!r} is read as {n:,} categories, but {guess.why}: name it under numeric, or under categorical if "
                "categories are meant."
            )
        elif guess.kind in ("date", "time"):
            yield f"{name!r} {guess.why}, but rows are not split by it: set time: {name}, or name it under drop."
        elif guess.kind in ("identifier", "text") and not is_counter(features[name]):
            yield f"{name!r} {guess.why}: name it under drop unless it means something."


def giveaways(features: pd.DataFrame, targets: pd.DataFrame, task: str) -> Iterator[str]:
    """A sentence for each target that features alone give away."""
    for target in targets.columns:
        names = [
            n for n in features if gives_target_away(features[n], targets[target], is_class=task == "classification")
        ]
        if names:
            verb = "gives" if len(names) == 1 else "each give"
            yield (
                f"{some_named(map(str, names))} alone {verb} {str(target)!r} away: "
                "name under drop what is known only afterwards."
            )


def _groups(features: pd.DataFrame, guesses: dict[str, Guess], dataset: Dataset) -> Iterator[str]:
    if dataset.split in (*BY_GROUP, *BY_TIME, "given"):
        return
    units = panel_units(features, guesses)
    found = dict.fromkeys([*(name for name, guess in guesses.items() if guess.kind == "group"), *units])
    if found:
        are = "looks like a name" if len(found) == 1 else "look like names"
        yield (
            f"{some_named(found)} {are} that rows share. If rows of one belong together, test rows are known from training: "
            f"set group: {next(iter(found))}."
        )


def _alike(frame: pd.DataFrame, dataset: Dataset) -> Iterator[str]:
    if dataset.tidy is not None:
        return
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_object_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype):
            alike = nearly_equal(column)
            if alike:
                yield f"{str(name)!r} has values that are nearly equal ({some_named(alike[0])}): tidy: true makes them one."


def _twins(prepared: Prepared, dataset: Dataset) -> Iterator[str]:
    frame = prepared.frame.drop(columns=list(dataset.drop or ()))
    repeated = frame.duplicated(keep=False)
    if prepared.is_test is not None:
        train = frame[~prepared.is_test].drop_duplicates()
        n = len(frame[prepared.is_test].merge(train, how="inner"))
        if n:
            yield f"{n:,} of the test rows are training rows as well: set set_aside: [duplicates] to leave them out."
    elif n := int(frame.duplicated().sum()):
        share = f"{n:,} of {len(frame):,} rows are" if n > 1 else f"1 of {len(frame):,} rows is"
        if _is_telling(frame[repeated]):
            yield f"{share} equal to another one, so that test rows may train as well: set_aside: [duplicates] leaves them out."


def _is_telling(frame: pd.DataFrame) -> bool:
    """Whether equal rows are unlikely to be equal by chance, as rows of a few categories are."""
    return any(pd.api.types.is_float_dtype(frame[name].dtype) for name in frame.columns) or bool(
        np.prod([float(min(frame[name].nunique(), 100)) for name in frame.columns]) > 100 * len(frame)
    )
