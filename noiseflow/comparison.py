"""`compare`: the summary table for fits of `fit_seeds`, without a study around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite

import numpy as np
import pandas as pd

from noiseflow import wording
from noiseflow.base.values import BASELINE
from noiseflow.engine.result import SeedsFit
from noiseflow.scores import SCORES, score_of_column
from noiseflow.statistics.inference import Array
from noiseflow.statistics.summary import SUMMARY_COLUMNS, summarize

KERAS_NAMES = {name: score.column for score in SCORES for name in score.keras_names}
"""Keras' names of the metrics that are scores, and what the summary calls each; the first that the fits have is taken."""
LOSS = "-loss"
LEFT_OUT = ("dataset", "architecture", "variant", "strength")


class Comparison(pd.DataFrame):
    """A summary that shows itself as the command does: verdict, seeds, score, difference in points, interval, p."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def short(self) -> pd.DataFrame:
        """The columns that are shown, as texts; `pandas.DataFrame(table)` has all of them as numbers."""
        score = score_of_column(str(self["score_name"].iloc[0]))
        rows = [
            {
                "verdict": row["verdict"] if isinstance(row["verdict"], str) else "",
                "seeds": row["n_seeds"],
                "score": f"{row['test_score_mean']:.3f} ± {row['test_score_std']:.3f}",
                f"difference ({'points' if score.in_points else score.unit})": wording.difference(row),
                "95 % interval": wording.difference_interval(row)
                if isfinite(row["difference_ci_low"])
                else wording.NOTHING,
                wording.ADJUSTED: wording.p_text(row["p_adjusted"]),
            }
            for row in self.to_dict("records")
        ]
        return pd.DataFrame(rows, index=self.index)

    def __repr__(self) -> str:
        return self.short().to_string() if {*SHOWN} <= {*self.columns} else super().__repr__()

    def _repr_html_(self) -> str:
        shown = self.short() if {*SHOWN} <= {*self.columns} else pd.DataFrame(self)
        return str(shown.to_html(border=0))


SHOWN = ("score_name", "verdict", "n_seeds", "test_score_mean", "test_score_std", "difference_mean", "p_adjusted")


def compare(fits: Mapping[str, SeedsFit], *, margin: float | None = None) -> Comparison:
    """The summary of fits with the same seeds: a row a variant, in the order given, indexed by `variant`.

    The score is of the validation data, in inference mode after the last epoch: an accuracy or R² among the models'
    metrics (KERAS_NAMES), a fraction; where there is none, the negative loss, `-loss`. Columns are as in a study's summary
    (docs/method.md): test_score_... are of the validation data; train_score_mean is there where the fits have an
    evaluation named "train". Differences are variant minus baseline over pairs of equal seeds, empty for the baseline.
    Their intervals and verdicts are for these rows of the validation data and new seeds alone: on other rows the difference
    may be another, the more so the fewer rows there are. A study says how far it holds for new rows.

    Args:
        fits: variant to its fit, at least two; the one named "baseline", or else the first, is the baseline.
        margin: differences of the score within it are not worth having; .01 unless given. A loss has its own units:
            there it must be given.

    Raises:
        ValueError: fits cannot be compared: fewer than two, other seeds, no validation data, other metrics; or the margin
            is not above 0, or missing. One message names every fault.
    """
    if not isinstance(fits, Mapping):
        raise TypeError('fits must be named: compare({"baseline": one, "noise": other}).')
    metric = next((name for name in KERAS_NAMES if all(f"val_{name}" in fit.history for fit in fits.values())), "loss")
    faults = list(_faults(fits, metric, margin))
    if faults:
        raise ValueError("\n".join(faults))
    baseline = BASELINE if BASELINE in fits else next(iter(fits))
    called = {name: BASELINE if name == baseline else name for name in fits}  # summarize knows it by this name
    trials = pd.concat([_trials(called[name], fit, metric) for name, fit in fits.items()], ignore_index=True)
    summary = summarize(trials, _margin(metric) if margin is None else margin)
    kept = [name for name in SUMMARY_COLUMNS if name not in LEFT_OUT]
    if summary["train_score_mean"].isna().all():
        kept.remove("train_score_mean")
    return Comparison(summary[kept].set_axis(pd.Index(list(fits), name="variant"), axis="index"))


def _faults(fits: Mapping[str, SeedsFit], metric: str, margin: float | None) -> Iterator[str]:
    if len(fits) < 2:
        yield f"fits must hold a baseline and a variant at least; received {list(fits)}. Add a fit."
    seeds = [fit.seeds for fit in fits.values()][:1]
    for name, fit in fits.items():
        if set(fit.seeds) != set(seeds[0]):
            yield (
                f"fits[{name!r}] must have the seeds of the first, {_shortly(seeds[0])}; received "
                f"{_shortly(fit.seeds)}. Give fit_seeds the same seeds= for both."
            )
        if "val_loss" not in fit.history:
            yield (
                f"fits[{name!r}] must have val_loss in its history; received {list(fit.history)}. "
                "Give fit_seeds validation_data=."
            )
    if metric == "loss" and margin is None and all("val_loss" in fit.history for fit in fits.values()):
        yield (
            f"margin must be given, in units of the loss, where the fits share none of the scores {list(KERAS_NAMES)}. "
            'Compile the models with metrics=["accuracy"] or metrics=[keras.metrics.R2Score()], or give margin=.'
        )
    if margin is not None and not margin > 0:
        yield f"margin must be above 0; received {margin}. Give the least difference that is worth having."


def _margin(metric: str) -> float:
    """The margin of the score. A loss has none: then the caller had to give one."""
    return score_of_column(KERAS_NAMES[metric]).margin or 0.0


def _shortly(seeds: Sequence[int]) -> str:
    shown = ", ".join(map(str, sorted(seeds)[:4]))
    return f"{len(seeds)} seeds ({shown}{', …' if len(seeds) > 4 else ''})"


def _trials(variant: str, fit: SeedsFit, metric: str) -> pd.DataFrame:
    """What `summarize` takes of the trials of one variant: a row a seed."""
    return pd.DataFrame(
        {
            "dataset": "",
            "architecture": "",
            "variant": variant,
            "strength": np.nan,
            "data_seed": 0,
            "seed": fit.seeds,
            "status": np.where(fit.diverged, "diverged", "completed"),
            "score_name": KERAS_NAMES.get(metric, LOSS),
            "train_score": _last(fit, f"train_{metric}", metric),
            "test_score": _last(fit, f"val_{metric}", metric),
        }
    )


def _last(fit: SeedsFit, quantity: str, metric: str) -> Array:
    """A quantity after the last epoch, larger being better: (n_seeds,); NaN where it was not measured."""
    if quantity not in fit.history:
        return np.full(len(fit.seeds), np.nan)
    values = np.asarray(fit.history[quantity][:, -1], np.float64)
    return -values if metric == "loss" else values
