"""What was read of a dataset, as `init`, `plan` and the report show it; and what plain models score on the same splits."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from noiseflow.datasets.data import Array, Data
from noiseflow.datasets.rows import GIVEN_BY, split_kind
from noiseflow.scores import clipped, score_named

if TYPE_CHECKING:
    from noiseflow.study import Dataset, Study

CONSTANT = "constant guess"
LINEAR = {True: "logistic regression", False: "ridge regression"}
BOOSTING = "gradient boosting"
MOST_SPLITS = 3
"""Splits on which plain models are scored; of more data seeds the first ones, of many rows the first one."""
MOST_NUMBERS = 2_000_000
"""Numbers that a plain model is trained on; of more rows the first ones."""
MOST_DATASETS = 10
MOST_TREES = 1_000
_SOLVED = 0.9995
"""Score of a plain model beyond which a table looks too easy to be true."""
_LEAST_TESTED = 100
_DROP = " Name under drop what is known only afterwards."
HOW = {
    "stratified": "at random, each class in its share",
    "random": "at random",
    "group": "by {by}: rows that share a value stay together",
    "time": "by {by}: the latest rows test",
    "given": "as given{by}",
    "k_fold": "in {k} folds",
    "stratified_k_fold": "in {k} folds, each class in its share",
    "group_k_fold": "by {by} in {k} folds: rows that share a value stay together",
    "stratified_group_k_fold": "by {by} in {k} folds, each class near its share: rows that share a value stay together",
    "time_series": "by {by}: {k} windows, each tested on what follows",
}


@dataclass(frozen=True)
class ColumnRead:
    """A column of a table.

    Attributes:
        used_as: number, category, target, dropped and so on.
        missing: how many rows have no value.
        levels: how many different values it has.
        width: how many features it becomes.
        why: the reason, or a remark; the end of a sentence.
    """

    name: str
    used_as: str
    missing: int = 0
    levels: int = 0
    width: int = 0
    why: str = ""


@dataclass(frozen=True)
class WhatWasRead:
    """What was read of a dataset.

    Attributes:
        dataset: its name.
        rows: how many there are, train and test.
        target: its classes with their counts, or its range.
        split: how rows are split.
        shape: of a row that the network sees.
        columns: of a table.
        scores: what plain models score on the same splits, larger being better, by their names.
        score: what the numbers are.
        n_scored: on how many splits.
        n_test: test rows of a split.
        remarks: what seems to be wrong with how it is read, as sentences.
    """

    dataset: str
    rows: str
    target: str
    split: str
    shape: tuple[int, ...]
    columns: tuple[ColumnRead, ...]
    score: str
    scores: Mapping[str, float] = field(default_factory=dict)
    n_scored: int = 1
    n_test: int = 0
    remarks: tuple[str, ...] = ()

    def solved(self) -> Iterator[str]:
        """A sentence where a plain model makes hardly a mistake: either the task is easy, or features give the target away."""
        models = {name: value for name, value in self.scores.items() if name != CONSTANT and value > _SOLVED}
        if models and self.n_test >= _LEAST_TESTED and not score_named(self.score).is_loss:
            best = max(models, key=lambda name: models[name])
            yield (
                f"{best.capitalize()} makes hardly a mistake on {self.n_test:,} test rows ({self.score} {models[best]:.4g}): "
                f"noise has little to gain, or features give the target away.{_DROP if self.columns else ''}"
            )

    def frame(self) -> pd.DataFrame:
        """A row for each thing that was read: what, read_as, missing, levels, width, why; of the whole before its columns."""
        features = " × ".join(map(str, self.shape))
        whole = {
            "rows": self.rows,
            "split": self.split,
            "target": self.target,
            "the network sees": f"{features} numbers a row",
        }
        whole |= {
            f"{self.score} of a {name}" if name == CONSTANT else f"{self.score} of {name}": _number_text(value)
            for name, value in self.scores.items()
        }
        nothing = {"missing": 0, "levels": 0, "width": 0, "why": ""}
        rows = [{"what": what, "read_as": text, **nothing} for what, text in whole.items()]
        for row in rows[len(rows) - len(self.scores) :]:
            row["why"] = f"mean of the first {self.n_scored} splits" if self.n_scored > 1 else "on the first split"
        rows += [
            {
                "what": c.name,
                "read_as": c.used_as,
                "missing": c.missing,
                "levels": c.levels,
                "width": c.width,
                "why": c.why,
            }
            for c in self.columns
        ]
        return pd.DataFrame(rows)

    def lines(self, most: int = 60) -> list[str]:
        """The facts as lines of text; of more columns than `most` the others are counted."""
        rows = self.frame().to_dict("records")
        width = min(40, max(len(row["what"]) for row in rows[:most]))
        lines = [f"  {_cut(row['what'], 40):<{width}}  {_row_text(row)}" for row in rows[:most]]
        return [
            f"What was read of {self.dataset}",
            *lines,
            *([f"  and {len(rows) - most:,} more"] if len(rows) > most else []),
            *(f"  note: {text}" for text in (*self.remarks, *self.solved())),
        ]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _row_text(row: Mapping[Any, Any]) -> str:
    parts = [str(row["read_as"])]
    parts += [f"{row['levels']:,} levels"] if row["levels"] else []
    parts += [f"{row['missing']:,} missing"] if row["missing"] else []
    parts += [f"{row['width']:,} features"] if isinstance(row["width"], int) and row["width"] > 1 else []
    return ", ".join(parts) + (f" ({row['why']})" if row["why"] else "")


def _number_text(value: float) -> str:
    return "cannot be measured" if np.isnan(value) else f"{value:.3g}" if abs(value) >= 1 else f"{value:.3f}"


def what_was_read(
    dataset: Dataset, data_seeds: Sequence[int], *, scored: bool = True, remarked: bool = True
) -> WhatWasRead:
    """What was read of a dataset without a fault.

    Args:
        data_seeds: the study's; the split of the first one is described.
        scored: whether plain models are trained on the first splits.
        remarked: whether the remarks are looked for, which takes seconds of a large table.
    """
    from noiseflow.datasets import dataset_kind, generate
    from noiseflow.datasets import warnings as remarks_on

    kind, data = dataset_kind(dataset.kind), generate(dataset, data_seeds[0])
    n_train, n_test = len(data.y_train), len(data.y_test)
    aside = "".join(f", {n:,} set aside ({reason.replace('_', ' ')})" for reason, n in kind.aside(dataset).items())
    is_boosted = data.X_train.ndim == 2
    is_large = data.X_train.size > MOST_NUMBERS  # where splits differ little, and take long
    others = [] if dataset.is_split_once or is_large else data_seeds[1:MOST_SPLITS]
    return WhatWasRead(
        dataset=dataset.name,
        rows=f"{n_train:,} train and {n_test:,} test{aside}",
        target=_target(dataset, data, kind.labels(dataset)),
        split=_split(dataset, split_kind(data.y_train, dataset) if kind.is_finite(dataset) else dataset.split_kind),
        shape=data.X_train.shape[1:],
        columns=tuple(kind.columns(dataset)),
        score=dataset.scored_by.name,
        scores=plain_scores(dataset, [data, *(generate(dataset, seed) for seed in others)], boosted=is_boosted)
        if scored
        else {},
        n_scored=1 + len(others),
        n_test=n_test,
        remarks=tuple(remarks_on(dataset, data)) if remarked else (),
    )


def read_of_study(study: Study, seeds: Sequence[int] | None = None, *, remarked: bool = True) -> list[WhatWasRead]:
    """What was read of the datasets of a study that are files of the user's, the first ones of many.

    Args:
        seeds: those that are trained; the study's own unless given.
        remarked: as for `what_was_read`.
    """
    from noiseflow.datasets import dataset_kind

    own = [dataset for dataset in study.datasets if dataset_kind(dataset.kind).is_users_file]
    return [
        what_was_read(dataset, study.data_seeds(dataset, seeds), remarked=remarked) for dataset in own[:MOST_DATASETS]
    ]


def _split(dataset: Dataset, kind: str) -> str:
    in_a_file = next((name for name, kinds in GIVEN_BY.items() if kind in kinds), "")  # an array's name in an .npz
    by = repr(dataset.split_by or in_a_file) if dataset.split_by or in_a_file else ""
    if kind == "given":
        by = f" in {by or 'a file'}" if by or dataset.test_path else ""
    return HOW[kind].format(by=by, k=dataset.n_splits or 5)


def _targets(dataset: Dataset, data: Data, y: Array, labels: Sequence[str]) -> str:
    spreads = y.mean(axis=0) if data.n_classes else (y * data.target_scale).std(axis=0)
    names = dataset.targets or [f"column {k + 1}" for k in range(data.n_targets)]
    written = [f"{100 * s:.0f} %" if data.n_classes else f"{s:.4g}" for s in spreads]
    shown = ", ".join(f"{name} {text}" for name, text in zip(names[:12], written, strict=False))
    what = f"labels, share of {labels[1]!r}:" if data.n_classes else "targets of numbers, stddev:"
    return f"{data.n_targets} {what} {shown}" + (f" and {data.n_targets - 12} more" if data.n_targets > 12 else "")


def _target(dataset: Dataset, data: Data, labels: Sequence[str]) -> str:
    y = np.concatenate([data.y_train, data.y_test])
    if data.n_targets > 1:
        return _targets(dataset, data, y, labels)
    name = f"{dataset.targets[0]!r}, " if dataset.targets else ""
    if not data.n_classes:
        values = y * data.target_scale
        spread = f"a stddev of {values.std():.4g}" if dataset.standardize else f"{y.min():g} to {y.max():g}"
        return f"{name}numbers, {spread}"
    counts = np.bincount(y.astype(int), minlength=data.n_classes)
    shown = ", ".join(f"{labels[i] if labels else i}: {counts[i]:,}" for i in range(min(data.n_classes, 12)))
    more = f" and {data.n_classes - 12} more" if data.n_classes > 12 else ""
    return f"{name}{data.n_classes} classes, {shown}{more}"


# -- plain models ----------------------------------------------------------------------------------------------------------


def plain_scores(dataset: Dataset, parts: Sequence[Data], *, boosted: bool) -> dict[str, float]:
    """The mean score of a constant guess and of scikit-learn's models over these splits, by name."""
    found: dict[str, list[float]] = {}
    for data in parts:
        for name, outputs in _outputs(data, boosted=boosted):
            y = data.y_test if data.n_targets == 1 else data.y_test[None]
            score = dataset.scored_by.measure(outputs[None], y, data.target_scale)
            found.setdefault(name, []).append(float(score[0]))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _outputs(data: Data, *, boosted: bool, most_trees: int = MOST_TREES) -> Iterator[tuple[str, Array]]:
    """What each plain model gives for the test rows: (n_rows, n_outputs), probabilities or values."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from threadpoolctl import threadpool_limits

    if data.n_targets > 1:
        own = [
            replace(data, y_train=data.y_train[:, k], y_test=data.y_test[:, k], target_scale=1.0)
            for k in range(data.n_targets)
        ]
        most_trees //= data.n_targets
        for several in zip(*(_outputs(one, boosted=boosted, most_trees=most_trees) for one in own), strict=True):
            yield several[0][0], np.concatenate([outputs for _, outputs in several], axis=1)
        return
    X_train, X_test = (X.reshape(len(X), -1) for X in (data.X_train, data.X_test))
    most = max(100, MOST_NUMBERS // X_train.shape[1])
    X_train, y_train, n_classes = X_train[:most], data.y_train[:most], data.n_classes
    if not n_classes:
        yield CONSTANT, np.full((len(X_test), 1), y_train.mean())
        trees = max(1, min(100, most_trees))
        boosting: Any = HistGradientBoostingRegressor(random_state=0, max_iter=trees)
        models = {LINEAR[False]: Ridge(), BOOSTING: boosting}
    else:
        shares = np.bincount(y_train.astype(int), minlength=n_classes) / len(y_train)
        yield CONSTANT, _of_classes(np.broadcast_to(shares, (len(X_test), n_classes)))
        trees = max(1, min(100, most_trees // n_classes))
        boosting = HistGradientBoostingClassifier(random_state=0, max_iter=trees)
        models = {LINEAR[True]: LogisticRegression(max_iter=300), BOOSTING: boosting}
    for name, model in models.items():
        if name == BOOSTING and not boosted:
            continue
        with (
            warnings.catch_warnings(),
            threadpool_limits(1),
        ):  # threads that wait for each other slow a busy machine down
            warnings.simplefilter("ignore")  # that it has not converged
            if n_classes and np.ptp(y_train) == 0:  # a label that none of these rows has
                yield name, _of_classes(np.broadcast_to(shares, (len(X_test), n_classes)))
                continue
            model.fit(X_train, y_train)
        if not n_classes:
            yield name, np.asarray(model.predict(X_test)).reshape(-1, 1)
            continue
        outputs = np.zeros((len(X_test), n_classes))
        outputs[:, model.classes_.astype(int)] = model.predict_proba(X_test)
        yield name, _of_classes(clipped(outputs))


def _of_classes(shares: Array) -> Array:
    """Shares in the form of a network's outputs: of two classes the probability of the second."""
    return shares[:, 1:] if shares.shape[1] == 2 else shares
