"""Final scores: each seed a dot, over a box, with the published runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from noiseflow import wording
from noiseflow.plots.canvas import INK, MUTED, blank_figure, label_axes, name_rows, note_above, note_beside


def plot_final_scores(
    scores: pd.DataFrame,
    rows: pd.DataFrame,
    published: pd.DataFrame,
    colours: Mapping[str, str],
    *,
    ceiling: float | None = None,
    score_label: str = "test accuracy at the last epoch (fraction of rows)",
) -> Figure:
    """Each seed's final score: a row a variant with stacked dots above a box, published runs as diamonds.

    scores: variant, score. rows, in the order to be drawn: variant, mean, std, n. published, none or more a variant:
    variant, score, percentile. ceiling: the Bayes rule's score, a labelled line.
    """
    figure, (axes,) = blank_figure(1, height=1.2 + 0.85 * len(rows))  # four lines of a label fit
    finite = scores[np.isfinite(scores["score"])]
    bins = _bin_width(finite["score"].to_numpy(dtype=float))
    for at, row in enumerate(rows.to_dict("records")):
        values = finite.loc[finite["variant"] == row["variant"], "score"].to_numpy(dtype=float)
        _strip(axes, values, -at, colours[row["variant"]], bins)
        runs = published[published["variant"] == row["variant"]]
        _diamonds(axes, runs["score"], -at - 0.3)
        note_beside(axes, -at, _note(row, runs.to_dict("records")))
    if ceiling is not None:
        axes.axvline(ceiling, color=INK, linewidth=1.2, linestyle="--", zorder=1)
        note_above(axes, ceiling, f"Bayes rule: {wording.fraction(ceiling)}", INK)
    name_rows(axes, [str(name) for name in rows["variant"]])
    label_axes(axes, x=score_label)
    return figure


def _bin_width(values: npt.NDArray[np.float64]) -> float:
    """Scores closer than this overlap as dots, so they are stacked."""
    spread = float(np.ptp(values)) if values.size else 0.0
    return spread / 90 or 1.0


def _strip(axes: Axes, values: npt.NDArray[np.float64], at: float, colour: str, bins: float) -> None:
    """Dots stacked upwards where scores tie, and a box with median, quartiles and range below them."""
    if not values.size:
        axes.text(0.5, at, "no finished trial", transform=axes.get_yaxis_transform(), ha="center", color=MUTED)
        return
    values = np.sort(values)
    _, group, sizes = np.unique(np.rint(values / bins), return_inverse=True, return_counts=True)
    rank = np.arange(values.size) - np.searchsorted(group, group)
    step = min(0.07, 0.58 / max(1, int(sizes.max()) - 1))
    axes.scatter(values, at - 0.14 + rank * step, s=15, color=colour, alpha=0.85, linewidths=0, zorder=3)
    axes.boxplot(
        values,
        positions=[at - 0.3],
        widths=0.14,
        orientation="horizontal",
        whis=(0, 100),
        manage_ticks=False,
        showcaps=False,
        patch_artist=True,
        boxprops={"facecolor": "white", "edgecolor": colour, "linewidth": 1.2},
        medianprops={"color": colour, "linewidth": 2.2},
        whiskerprops={"color": colour, "linewidth": 1.2},
    )


def _diamonds(axes: Axes, scores: pd.Series[float], at: float) -> None:
    style: dict[str, Any] = {"facecolors": "none", "edgecolors": INK, "linewidths": 1.6}
    axes.scatter(scores, [at] * len(scores), s=64, marker="D", zorder=4, **style)


def _note(row: wording.Row, runs: Sequence[wording.Row]) -> list[tuple[str, str]]:
    seeds = wording.number(int(row["n"]), "seed")
    lines = [(f"{wording.mean_std(row['mean'], row['std'])} ({seeds})", "normal")] if row["n"] else []
    for run in runs[:2]:
        percentile = f", percentile {run['percentile']:.0f}" if np.isfinite(run["percentile"]) else ""
        lines.append((f"◇ published {wording.fraction(run['score'])}{percentile}", "normal"))
    return lines
