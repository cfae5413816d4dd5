"""A study file for a table of one's own: what `noiseflow init` writes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from pydantic import ValidationError

from noiseflow import datasets
from noiseflow.base.faults import InvalidInputError
from noiseflow.datasets import SKEWED
from noiseflow.datasets.columns import is_counter, is_identity, kind_of, numbers
from noiseflow.datasets.files import read_table
from noiseflow.scores import SCORES, scores_of
from noiseflow.study import Dataset
from noiseflow.study import loading as studies
from noiseflow.study.faults import sentences

N_SEEDS = 30
_STEPS = 10_000  # of the optimizer, in all: enough for a small network to overfit a small table
_MOST_CLASSES = 20  # whole numbers of more values are taken for a regression
_TEST_FRACTION = 0.3
_MOST_COLUMNS = 60
_IDENTITY = re.compile(
    r"(^|[\W_])(id|key|code|group|subject|patient|user|customer|client|person|site|batch)s?$|[a-z]I[dD]$"
)
_WHERE = "datasets[0]"

VARIANTS = """variants:
  - name: baseline
  - name: input
    injections: [{place: input, stddev: 0.1}]
  - name: before_activation
    injections: [{place: before_activation, stddev: 0.3}]
  - name: after_activation
    injections: [{place: after_activation, stddev: 0.3}]
  # Rivals: is noise better than these?
  - name: dropout
    injections: [{place: after_activation, kind: dropout, rate: 0.3}]
  - name: l2
    controls: [{kind: l2, factor: 0.001}]
"""


@dataclass(frozen=True)
class Draft:
    """What the file made us choose: the dataset, the rows that one seed trains on, and remarks, each about some key."""

    dataset: Dataset
    n_train: int
    remarks: dict[str, list[str]]


def draft_study(
    path: str, target: str, task: str | None = None, name: str | None = None, written_to: str | None = None
) -> str:
    """The text of a commented study file for a .csv or .parquet file, which runs as it is.

    Args:
        path: of the table; stands in the text as given, or as it is seen from `written_to`.
        target: the column that is predicted.
        task: classification or regression; guessed from the target unless given.
        name: of the study; made from the file's name unless given.
        written_to: path of the study file that the text is for.

    Raises:
        InvalidInputError: the file, the target or the name is faulty; the message names every fault.
    """
    frame = read_table(path)
    if target not in frame.columns:
        names = ", ".join(map(str, frame.columns[:20]))
        raise InvalidInputError(
            [f"target must be a column of the table; received {target!r}, the columns are {names}."]
        )
    draft = _choose(frame, path, target, task or guess_task(frame[target]), is_guessed=task is None)
    shown = path if written_to is None else os.path.relpath(path, Path(written_to).parent)
    text = _text(draft, name or study_name(path), shown)
    studies.validate(yaml.safe_load(text))
    return text


def target_lines(path: str) -> list[str]:
    """A line for each column of a table: what predicting it would be.

    Raises:
        InvalidInputError: the file cannot be read.
    """
    frame = read_table(path)
    lines = []
    for name in frame.columns[:_MOST_COLUMNS]:
        column = frame[name]
        n = column.nunique()
        guess = "constant" if n < 2 else guess_task(column)
        if guess == "classification":
            guess = (
                f"classification, {n:,} classes" if n <= len(column) / 2 else "no target: nearly every value is another"
            )
        lines.append(f"{name!s:<24} {guess}")
    more = len(frame.columns) - _MOST_COLUMNS
    return lines + ([f"and {more:,} more"] if more > 0 else [])


def guess_task(column: pd.Series[Any]) -> str:
    """Regression for numbers with decimals or of many values, else classification."""
    if kind_of(column) != "number":
        return "classification"
    values = numbers(column)
    n = len(np.unique(values[~np.isnan(values)]))
    has_decimals = bool((values[np.isfinite(values)] % 1 != 0).any())
    return "regression" if n > 2 and (has_decimals or n > _MOST_CLASSES) else "classification"


def study_name(path: str) -> str:
    """The file's name in the letters that a study's name may have."""
    return re.sub(r"[^a-z0-9]+", "-", Path(path).stem.lower()).strip("-")[:63].strip("-") or "study"


def _choose(frame: pd.DataFrame, path: str, target: str, task: str, *, is_guessed: bool) -> Draft:
    """The dataset that fits the file.

    Raises:
        InvalidInputError: nothing does.
    """
    remarks: dict[str, list[str]] = {"task": _task_remarks(frame[target], task) if is_guessed else []}
    dropped = _choose_dropped(frame.drop(columns=target), remarks)
    features = frame.drop(columns=[target, *dropped])
    settings: dict[str, Any] = {"kind": "table", "path": path, "target": target, "task": task, "drop": dropped or None}
    settings |= _choose_split(features, task, remarks) | _choose_missing(features, remarks)
    found: list[str] = []
    for score, reason in _scores(frame[target], task):
        dataset = _dataset(settings | {"score": score})
        seeds = [1] if dataset.is_split_once else range(1, N_SEEDS + 1)
        found = datasets.faults(dataset, seeds, _WHERE)
        if not found:
            remarks["score"] = reason
            return Draft(dataset, len(datasets.generate(dataset, 1).y_train), remarks)
    raise InvalidInputError([text.removeprefix(f"{_WHERE}.") for text in found])


def _dataset(settings: dict[str, Any]) -> Dataset:
    try:
        return Dataset.model_validate(settings)
    except ValidationError as error:
        raise InvalidInputError(sentences(error, settings["path"])) from None


def _task_remarks(column: pd.Series[Any], task: str) -> list[str]:
    n = column.nunique()
    other = "regression" if task == "classification" else "classification"
    hint = f" Set {other} if that is wrong." if kind_of(column) == "number" else ""
    return [f"Guessed: {n} different values.{hint}"]


def _scores(column: pd.Series[Any], task: str) -> list[tuple[str, list[str]]]:
    """Scores to choose from with their reasons, the best first; the next ones are for when a class is too rare for it."""
    first, *others = scores_of(task) or SCORES  # a task that there is not is refused with the dataset
    share = column.value_counts(normalize=True)
    if not first.is_share_of_rows or share.empty or share.iloc[0] < SKEWED:
        return [(first.name, [f"{first.sentence.capitalize()}; or {', '.join(other.name for other in others)}."])]
    large = f"{100 * share.iloc[0]:.0f} % of the rows are of the class {str(share.index[0])!r}"
    reason = f"{large}; {first.name} rewards guessing it."
    asks = [score.name for score in others if score.weighs_classes_alike]
    rare = f"The rarest class is too rare to be in each test part, as {' and '.join(asks)} ask."
    chosen = next(score.name for score in others if score.suits_skewed(len(share)))
    fallback = next(score.name for score in others if not score.weighs_classes_alike)
    return [(chosen, [reason]), (fallback, [reason, rare])]


def _choose_split(features: pd.DataFrame, task: str, remarks: dict[str, list[str]]) -> dict[str, Any]:
    dates = [str(name) for name in features.columns if kind_of(features[name]) == "date"]
    remarks["split"] = _group_remarks(features)
    if not dates:
        return {"split": "stratified" if task == "classification" else "random"}
    remarks["split"] += [
        f"{dates[0]!r} holds dates: the latest rows test, and it is no feature. There is one such split, so that the",
        "conclusions hold for it only. If time plays no part, name the column under drop, and set split and design anew.",
    ]
    return {"split": "time", "split_by": dates[0]}


def _group_remarks(features: pd.DataFrame) -> list[str]:
    """Columns whose values name something that several rows belong to."""
    n = len(features)
    found = [str(name) for name in features.columns if _IDENTITY.search(str(name))]
    repeated = [name for name in found if 2 < features[name].nunique() <= n / 2 and kind_of(features[name]) != "date"]
    return [
        f"{name!r} looks like a name that rows share: if they belong together, set split: group and split_by: {_scalar(name)}."
        for name in repeated
    ]


def _choose_dropped(features: pd.DataFrame, remarks: dict[str, list[str]]) -> list[str]:
    """Columns that nothing can be learnt from: names and numbers of rows, and dates where there are several."""
    n, kinds = len(features), {name: kind_of(features[name]) for name in features.columns}
    dates = [name for name, kind in kinds.items() if kind == "date"]
    why = {
        name: "names each row differently"
        for name in kinds
        if kinds[name] == "category" and is_identity(features[name])
    }
    why |= {
        name: "seems to number the rows" for name in kinds if kinds[name] == "number" and _counts(features, name, n)
    }
    why |= dict.fromkeys(
        dates[1:] and dates, "holds dates, as others do: to test on the latest rows, name it under split_by"
    )
    remarks["drop"] = [f"{str(name)!r} {reason}." for name, reason in why.items()]
    return [str(name) for name in features.columns if name in why]


def _counts(features: pd.DataFrame, name: Any, n: int) -> bool:
    is_named = bool(_IDENTITY.search(str(name))) and features[name].nunique() == n
    return is_named or is_counter(features[name])


def _choose_missing(features: pd.DataFrame, remarks: dict[str, list[str]]) -> dict[str, Any]:
    missing = features.isna().sum()
    missing = missing[missing > 0]
    if missing.empty:
        return {}
    columns = ", ".join(f"{str(name)!r} ({n} of {len(features)})" for name, n in missing.items())
    remarks["missing"] = [f"Missing values in {columns}: the training rows' median, or commonest, stands in for them."]
    return {"missing": "impute"}


def _text(draft: Draft, name: str, path: str) -> str:
    dataset, units = draft.dataset, 64 if draft.n_train < 1_000 else 128
    batch_size, epochs = _training(draft.n_train)
    design, n_trials = ("replicate" if dataset.is_split_once else "resample"), 6 * N_SEEDS
    why = "one split, seeds vary" if dataset.is_split_once else "each seed splits the rows anew"
    lines = [
        f"# Does noise help on {Path(str(dataset.path)).name!r}? Drafted by `noiseflow init`; every value is a suggestion.",
        f"name: {_scalar(name)}",
        f"purpose: {_scalar(f'Does noise help to predict {dataset.target}?')}",
        f"design: {design}  # {why}",
        f"n_seeds: {N_SEEDS}  # 6 variants x {N_SEEDS} seeds = {n_trials} trials",
        "",
        "datasets:",
        *_dataset_lines(draft, path),
        "",
        "architectures:",
        f"  - {{kind: mlp, units: [{units}], activation: relu}}",
        "",
        f"# {draft.n_train} rows train: {epochs} epochs are {epochs * -(-draft.n_train // batch_size):,} steps.",
        f"training: {{epochs: {epochs}, batch_size: {batch_size}, record_every: {max(1, epochs // 100)}}}",
        "",
        "# Strengths are in units of the standardised features, or of the hidden layer's values.",
    ]
    return "\n".join(lines) + "\n" + VARIANTS


def _dataset_lines(draft: Draft, path: str) -> list[str]:
    """The dataset's settings, each below the remarks about it."""
    dataset = draft.dataset
    shown: dict[str, Any] = {
        "kind": "table", "path": path, "target": dataset.target, "task": dataset.task, "score": dataset.score,
        "test_fraction": _TEST_FRACTION, "split": dataset.split, "split_by": dataset.split_by,
        "drop": dataset.drop, "missing": dataset.missing,
        "standardize": True,
    }  # fmt: skip
    lines: list[str] = []
    for key, value in shown.items():
        if value is None or (key == "missing" and value == "refuse"):
            continue
        lines += [f"    # {remark}" for remark in draft.remarks.get(key, [])]
        lines.append(f"    {key}: {_value(value)}")
    lines[0] = "  - " + lines[0].strip()
    return lines


def _training(n_train: int) -> tuple[int, int]:
    """Batch size and epochs for that many rows: some 10,000 steps, but no more than 2,000 epochs and no fewer than 20."""
    batch_size = next(
        size for least, size in ((20_000, 512), (2_000, 128), (64, 32), (0, min(8, n_train))) if n_train >= least
    )
    epochs = _STEPS // -(-n_train // batch_size)
    rounded = round(epochs, 1 - len(str(epochs))) if epochs else 0
    return batch_size, max(20, min(2_000, rounded))


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_scalar, value))}]"
    return str(value) if isinstance(value, float) else _scalar(value)


def _scalar(value: Any) -> str:
    """The value as YAML: plain where that reads the same, else between quotes."""
    if isinstance(value, str) and not (re.fullmatch(r"[A-Za-z][\w./ -]*", value) and yaml.safe_load(value) == value):
        return yaml.safe_dump(value, default_style='"', allow_unicode=True, width=10_000).strip()
    return str(value).lower() if isinstance(value, bool) else str(value)
