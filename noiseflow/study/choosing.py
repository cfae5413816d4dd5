"""What `noiseflow init` chooses for any file, each choice with a remark: the task, the score, settings without a fault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from noiseflow import datasets
from noiseflow.base.faults import InvalidInputError
from noiseflow.datasets import SKEWED
from noiseflow.datasets.columns import column_kind, numbers
from noiseflow.scores import SCORES, scores_of
from noiseflow.study import Dataset
from noiseflow.study.faults import lacking_faults, sentences

N_SEEDS = 30
TEST_FRACTIONS = (0.3, 0.5)
"""Shares of the rows that test, the next one where rows are too few for the first."""
_MOST_CLASSES = 20  # whole numbers of more values are taken for a regression
_WHERE = "datasets[0]"
Remarks = dict[str, list[str]]


@dataclass(frozen=True)
class Draft:
    """The parts of a study that `init` drafts from a file.

    Attributes:
        dataset: with all that was guessed.
        n_train: rows that one seed trains on.
        remarks: sentences, each about a key of the dataset.
        network: as YAML.
    """

    dataset: Dataset
    n_train: int
    remarks: Remarks = field(default_factory=dict)
    network: str = ""


def see_file(path: str) -> None:
    """Sees that a file that was typed is there; other faults of it are found when it is read.

    Raises:
        InvalidInputError: there is no file of this name.
    """
    if faults := lacking_faults(path):
        raise InvalidInputError(faults)


def dataset_of(settings: dict[str, Any]) -> Dataset:
    try:
        return Dataset.model_validate(settings)
    except ValidationError as error:
        raise InvalidInputError(sentences(error, settings["path"])) from None


def guess_task(column: pd.Series[Any]) -> str:
    """Regression for numbers with decimals, of many values, or of values that only one row has; else classification."""
    if column_kind(column) != "number":
        return "classification"
    values = pd.Series(numbers(column)).dropna()
    counts = values.value_counts()
    has_decimals = bool((values[np.isfinite(values)] % 1 != 0).any())
    is_spread = has_decimals or len(counts) > _MOST_CLASSES or bool((counts < 2).any())
    return "regression" if len(counts) > 2 and is_spread else "classification"


def task_remarks(column: pd.Series[Any], task: str) -> list[str]:
    n = column.nunique()
    other = "regression" if task == "classification" else "classification"
    hint = f" Set {other} if that is wrong." if column_kind(column) == "number" else ""
    return [f"Guessed: {n} different values.{hint}"]


def first_sound(
    choices: Iterator[tuple[dict[str, Any], Remarks]], target: pd.Series[Any], remarks: Remarks, *, several: bool
) -> Draft:
    """The first of these choices that has no fault.

    Raises:
        InvalidInputError: each has faults; the message names the faults of the last one at the first share.
    """
    found: dict[float, list[str]] = {}
    for fraction, (settings, own) in product(TEST_FRACTIONS, list(choices)):
        for score, reason in _scores(target, settings["task"], several=several):
            dataset = dataset_of(settings | {"score": score, "test_fraction": fraction})
            seeds = [1] if dataset.is_split_once else range(1, N_SEEDS + 1)
            found[fraction] = datasets.faults(dataset, seeds, _WHERE)
            if not found[fraction]:
                n_train = len(datasets.generate(dataset, 1).y_train)
                network = f"{{kind: mlp, units: [{64 if n_train < 1_000 else 128}], activation: relu}}"
                few = ["Of so few rows, or different targets, a smaller share may test nothing."]
                said = {"test_fraction": few} if fraction > TEST_FRACTIONS[0] else {}
                return Draft(dataset, n_train, remarks | own | said | {"score": reason}, network)
    raise InvalidInputError([text.removeprefix(f"{_WHERE}.") for text in found[TEST_FRACTIONS[0]]])


def _scores(column: pd.Series[Any], task: str, *, several: bool) -> list[tuple[str, list[str]]]:
    """Scores to choose from with their reasons, the best first; the next ones are for when a class is too rare for it."""
    fitting = scores_of(task) or SCORES  # a task that there is not is refused with the dataset
    first, *others = [score for score in fitting if score.takes_several or not several]
    share = column.value_counts(normalize=True)
    if not first.is_share_of_rows or share.empty or share.iloc[0] < SKEWED:
        mean = ", the mean of the targets" * several
        more = f"; or {', '.join(other.name for other in others)}" if others else ""
        return [(first.name, [f"{first.sentence.capitalize()}{mean}{more}."])]
    what = "labels are" if several else "rows are of the class"
    large = f"{100 * share.iloc[0]:.0f} % of the {what} {str(share.index[0])!r}"
    reason = f"{large}; {first.name} rewards guessing it."
    asks = [score.name for score in others if score.weighs_classes_alike]
    rare = f"The rarest class is too rare to be in each test part, as {' and '.join(asks)} ask."
    chosen = next(score.name for score in others if score.suits_skewed(len(share)))
    fallback = next(score.name for score in others if not score.weighs_classes_alike)
    return [(chosen, [reason]), (fallback, [reason, rare])]
