"""The test rows of one fixed split: how much the differences would change on other rows of the same kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from noiseflow.base.values import BASELINE
from noiseflow.scores import loss, score_of_column
from noiseflow.statistics.calibration import brier_score, brier_score_of_classes
from noiseflow.statistics.differences import PairedComparison, compare
from noiseflow.statistics.inference import Array
from noiseflow.statistics.new_rows import Measure, RowVariance, pseudo_values, row_variance
from noiseflow.statistics.pairs import CELL, GROUP, MEASURES, CellKey, cell_pairs, name_key
from noiseflow.statistics.summary import RowVariances
from noiseflow.study import Dataset, Study

MOST_SEEDS = 100
"""Most seeds that enter the estimate of how much the rows vary: more would change little."""
TEST_ROW_COLUMNS = [
    *(*CELL, "score_name", "n_rows", "n_pairs", "difference_mean", "difference_ci_low", "difference_ci_high"),
    *("seeds_ci_low", "seeds_ci_high"),
]


@dataclass(frozen=True)
class Predicted:
    """What the networks predict for the test rows.

    Attributes:
        read: trial ids to predictions on the part `test`: trial_id, row, output, prediction.
        truth: dataset to the y of its test rows, in their order, and its number of classes, 0 for a regression.
    """

    read: Callable[[list[str]], pd.DataFrame]
    truth: Mapping[str, tuple[Array, int]]
    _known: dict[tuple[CellKey, str], RowVariance] = field(default_factory=dict, repr=False)

    def variances(self, study: Study, trials: pd.DataFrame) -> RowVariances:
        """What the rows that are compared on add to the variance of each cell's differences, by cell and measure.

        Empty but in the design replicate: elsewhere each data seed has its own rows. Where fresh rows are scored, the
        variance of the test rows is multiplied by n_test / n_eval: both come from one generator, so they vary alike.
        """
        if study.design != "replicate":
            return {}
        fresh = {dataset.name: dataset.n_eval or 0 for dataset in study.datasets}
        found: dict[tuple[CellKey, str], RowVariance] = {}
        for (key, measure), rows in self._of_test_rows(study, trials).items():
            n_test = len(self.truth[key[0]][0])
            share = n_test / fresh[key[0]] if fresh[key[0]] else 1.0
            found[key, measure] = RowVariance(rows.variance * share, rows.profile)
        return found

    def _of_test_rows(self, study: Study, trials: pd.DataFrame) -> RowVariances:
        if not self._known:
            datasets = {dataset.name: dataset for dataset in study.datasets}
            whole = trials[~trials["failed"].astype(bool)]
            for (name, _), group in whole.groupby(GROUP, sort=False):
                if str(name) in self.truth:
                    self._known.update(self._of_group(datasets[str(name)], group))
        return self._known

    def _of_group(self, dataset: Dataset, group: pd.DataFrame) -> RowVariances:
        y, n_classes = self.truth[dataset.name]  # of several targets (n_rows, n_targets)
        seeds = sorted(group.loc[group["variant"] == BASELINE, "seed"])[:MOST_SEEDS]
        used = group[group["seed"].isin(seeds)]
        predictions = self.read(list(used["trial_id"]))
        outputs = _outputs(predictions, len(y))
        found: dict[tuple[CellKey, str], RowVariance] = {}
        for measure in MEASURES if n_classes else MEASURES[:1]:
            values = {
                name_key(key): _pseudo(cell, outputs, _measure(dataset, measure, n_classes), y)
                for key, cell in used.groupby(CELL, sort=False)
            }
            scale = _target_scale(dataset, used, outputs, y) if measure == "score" else 1.0
            for key, ours in values.items():
                theirs = values.get((*key[:2], BASELINE), {})
                shared = [seed for seed in ours if seed in theirs]
                if key[2] == BASELINE or len(shared) < 2:
                    continue
                rows = row_variance(scale * np.stack([ours[seed] - theirs[seed] for seed in shared]))
                if rows is not None:
                    found[key, measure] = rows
        return found

    def of_test_rows(self, study: Study, trials: pd.DataFrame) -> RowVariances:
        """What as many rows as the test has add to the variance of each cell's differences, by cell and measure."""
        return self._of_test_rows(study, trials) if study.design == "replicate" else {}


def _outputs(predictions: pd.DataFrame, n_rows: int) -> dict[str, Array]:
    """Trial id to its outputs (n_rows, n_outputs); trials without predictions on every row are left out."""
    found = {}
    for trial_id, part in predictions.sort_values(["row", "output"]).groupby("trial_id", sort=False)["prediction"]:
        table = part.to_numpy(dtype=float)
        if table.size and table.size % n_rows == 0:
            found[str(trial_id)] = table.reshape(n_rows, -1)
    return found


def _pseudo(cell: pd.DataFrame, outputs: Mapping[str, Array], measure: Measure, y: Array) -> dict[int, Array]:
    """Seed to its pseudo-values (n_units,), of the trials of a cell that have predictions."""
    known = [
        (seed, outputs[name]) for seed, name in zip(cell["seed"], cell["trial_id"], strict=True) if name in outputs
    ]
    if not known:
        return {}
    values = pseudo_values(measure, np.stack([output for _, output in known]), y)
    return {int(seed): row for (seed, _), row in zip(known, values, strict=True)}


def _measure(dataset: Dataset, measure: str, n_classes: int) -> Measure:
    """A measure of outputs and truth, larger being better."""
    if measure == "score":
        return score_of_column(dataset.score_name).measure
    if measure == "loss":
        return lambda outputs, y: -loss(outputs, y, n_classes)
    if n_classes > 2:
        return lambda outputs, y: -np.stack([brier_score_of_classes(p, t) for p, t in zip(outputs, y, strict=True)])
    return lambda outputs, y: -brier_score(*((outputs[..., -1], y) if y.ndim == 2 else _flat(outputs, y)))


def _flat(outputs: Array, y: Array) -> tuple[Array, Array]:
    """Each label of a row as a prediction."""
    return outputs.reshape(len(outputs), -1), y.reshape(len(y), -1)


def _target_scale(dataset: Dataset, trials: pd.DataFrame, outputs: Mapping[str, Array], y: Array) -> float:
    """Units of the target per unit of y, from the scores that were stored in these units."""
    score = score_of_column(dataset.score_name)
    for name, stored in zip(trials["trial_id"], trials["test_score"], strict=True):
        if score.in_target_units and name in outputs:
            ours = float(score.measure(outputs[name][np.newaxis], y)[0])
            return float(stored) / ours if ours else 1.0
    return 1.0


def on_test_rows(study: Study, trials: pd.DataFrame, predicted: Predicted | None) -> pd.DataFrame:
    """TEST_ROW_COLUMNS: the differences on the few test rows of one split, where networks are scored on fresh rows.

    difference_ci_low and difference_ci_high are for new rows, as few; seeds_ci_low and seeds_ci_high for these. No verdict.
    """
    scored = [dataset.name for dataset in study.datasets if dataset.n_eval]
    if study.design != "replicate" or not scored:
        return pd.DataFrame(columns=TEST_ROW_COLUMNS)
    tested = trials[trials["dataset"].isin(scored)].assign(eval_score=np.nan)
    rows = {} if predicted is None else predicted.of_test_rows(study, trials)
    asked = [
        PairedComparison(key, pairs, np.nan, rows=rows.get((key, "score"))) for key, pairs in cell_pairs(tested).items()
    ]
    first = tested.drop_duplicates("dataset").set_index("dataset").to_dict("index")
    found = []
    for one, columns in zip(asked, compare(asked, cross_checks=False), strict=True):
        known = {"score_name": first[one.key[0]]["score_name"], "n_rows": first[one.key[0]].get("n_test", np.nan)}
        found.append(dict(zip(CELL, one.key, strict=True)) | known | columns)
    return pd.DataFrame(found, columns=TEST_ROW_COLUMNS)
