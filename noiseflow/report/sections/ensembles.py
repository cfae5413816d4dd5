"""Or just average? One network with noise beside the mean of several plain ones, from the stored predictions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from noiseflow.report.evidence import Evidence
from noiseflow.report.section import Section, TableForm
from noiseflow.report.selection import Group, groups_of
from noiseflow.report.tables import Columns
from noiseflow.scores import Score
from noiseflow.scores.score import predicted
from noiseflow.statistics.ensembles import bias_and_variance, disagreement, ensemble_scores, grouped_means, sizes_of
from noiseflow.statistics.inference import t_interval
from noiseflow.study import BASELINE
from noiseflow.wording import NOTHING, Row, change, difference, difference_interval, fraction, quoted, score_of

Array = NDArray[np.float64]
MOST_GROUPS, MOST_VARIANTS = 4, 6
NOTE = (
    "From the stored predictions on the test rows, without training: the outputs of so many networks are averaged, and each "
    "network is in one average only. Difference: from single baseline networks of the same seeds, with a 95 % interval over "
    "the averages, for this row of the table alone. An average of k networks costs k trainings and k predictions. "
    "Disagreement: the share of rows on which two seeds name different classes. Bias² and variance: of the outputs over "
    "seeds, for one row; averaging removes variance."
)


def _rows(evidence: Evidence) -> Iterator[dict[str, Any]]:
    if evidence.study.design == "resample":  # no two seeds have the same test rows
        return
    for group in groups_of(evidence.shown, MOST_GROUPS):
        names = group.variants(MOST_VARIANTS)
        predictions = evidence.predicted(group.dataset, group.architecture, "test")
        if predictions.empty or BASELINE not in names:
            continue
        first = predictions["data_seed"].min()
        mine = predictions[predictions["data_seed"] == first]
        data = evidence.data
        tested = data[(data["dataset"] == group.dataset) & (data["data_seed"] == first) & (data["split"] == "test")]
        outputs = {name: _outputs(mine[mine["variant"] == name]) for name in names}
        yield from _of_group(evidence, group, outputs, _true(tested))


def _of_group(evidence: Evidence, group: Group, outputs: dict[str, Array], y: Array) -> Iterator[dict[str, Any]]:
    outputs = {name: values for name, values in outputs.items() if len(values) and values.shape[1] == len(y)}
    if BASELINE not in outputs:
        return
    finished = evidence.finished(group.dataset, group.architecture)
    measure = partial(_score_of, group.score, y, _scale(group.score, finished, outputs[BASELINE], y))
    single = measure(outputs[BASELINE])
    for name, values in outputs.items():
        bias, variance = bias_and_variance(values, _truth(values, y, group.score))
        named = predicted(values) if y.ndim == 1 else (values > 0.5).reshape(len(values), -1)
        differ = disagreement(named.astype(float)) if group.score.task == "classification" else np.nan
        for size in sizes_of([len(v) for v in outputs.values()]):
            scores = ensemble_scores(values, measure, size)
            n = min(len(scores), len(single) // size)
            gains = scores[:n] - grouped_means(single, size)[:n]
            low, high = t_interval(gains)
            yield {
                "dataset": group.dataset,
                "architecture": group.architecture,
                "variant": name,
                "size": size,
                "score_name": group.rows["score_name"].iloc[0],
                "score_mean": scores.mean(),
                "n_ensembles": len(scores),
                "difference_mean": gains.mean(),
                "difference_ci_low": float(low),
                "difference_ci_high": float(high),
                "disagreement": differ,
                "bias": bias,
                "variance": variance,
            }


def _score_of(score: Score, y: Array, scale: float, outputs: Array) -> Array:
    return np.asarray(score.measure(outputs, y if y.ndim == 1 else y[None], scale))


def _true(rows: pd.DataFrame) -> Array:
    """The targets of rows: (n_rows,), or (n_rows, n_targets)."""
    return np.asarray(rows["y"] if rows["targets"].isna().any() else np.stack(list(rows["targets"])), np.float64)


def _scale(score: Score, finished: pd.DataFrame, outputs: Array, y: Array) -> float:
    """Units of the target per unit of y, where the score is in such: from a score that is stored."""
    if not score.in_target_units:
        return 1.0
    stored = finished.loc[finished["variant"] == BASELINE, "test_score"].mean()
    return float(stored / score.measure(outputs, y, 1.0).mean())


def _outputs(predictions: pd.DataFrame) -> Array:
    """(n_seeds, n_rows, n_outputs), seeds in ascending order."""
    if predictions.empty:
        return np.empty((0, 0, 0))
    ordered = predictions.sort_values(["seed", "row", "output"], kind="stable")
    shape = [ordered[name].nunique() for name in ("seed", "row", "output")]
    values = ordered["prediction"].to_numpy(dtype=float)
    return values.reshape(shape) if len(values) == np.prod(shape) else np.empty((0, 0, 0))


def _truth(outputs: Array, y: Array, score: Score) -> Array:
    width = outputs.shape[2]
    if y.ndim > 1:
        return y
    if score.task != "classification" or width == 1:
        return y[:, None]
    return np.asarray(y[:, None] == np.arange(width), float)


def _finding(evidence: Evidence) -> pd.DataFrame:
    return pd.DataFrame(_rows(evidence))


def _columns(_: Evidence) -> Columns:
    return {
        "Networks": lambda row: f"{row['size']}",
        "Test score": lambda row: fraction(row["score_mean"]),
        "Difference (95 % interval)": _difference,
        "Disagreement": lambda row: fraction(row["disagreement"]),
        "Bias² + variance": lambda row: f"{fraction(row['bias'])} + {fraction(row['variance'])}",
    }


def _difference(row: Row) -> str:
    """The row's difference with its interval; a dash for single baseline networks, which would be compared with themselves."""
    is_itself = row["variant"] == BASELINE and row["size"] == 1
    return NOTHING if is_itself else f"{difference(row)} ({difference_interval(row)})"


def _note(evidence: Evidence) -> str:
    return " ".join([NOTE, *_sentences(_finding(evidence))])


def _sentences(frame: pd.DataFrame) -> Iterator[str]:
    """The best single network with noise beside the largest plain ensemble, for each dataset and architecture."""
    if frame.empty:
        return
    for (dataset, architecture), rows in frame.groupby(["dataset", "architecture"], sort=False):
        noisy = rows[(rows["variant"] != BASELINE) & (rows["size"] == 1)]
        plain = rows[(rows["variant"] == BASELINE) & (rows["size"] > 1)]
        if noisy.empty or plain.empty:
            continue
        best = max(noisy.to_dict("records"), key=lambda row: float(row["difference_mean"]))
        largest = max(plain.to_dict("records"), key=lambda row: int(row["size"]))
        yield (
            f"On {dataset}/{architecture} one network of {quoted(str(best['variant']))} gains {_gain(best)}, the average of "
            f"{largest['size']} plain ones {_gain(largest)}, on the test rows."
        )


def _gain(row: Row) -> str:
    score = score_of(row)
    return f"{change(score, row['difference_mean'], score.decimals)} {'points' if score.in_points else score.unit}"


TABLE = TableForm("details", ("variant",), _columns, 0, _note, "predictions/")
SECTION = Section("Or just average?", _finding, TABLE, pictures=None, limits=None)
