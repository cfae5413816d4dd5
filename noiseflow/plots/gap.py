"""The gap between train and test score: how much a network learnt by heart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from noiseflow import wording
from noiseflow.plots.canvas import INK, blank_figure, label_axes, legend_above, name_rows, note_beside, row_height


def plot_gap(
    scores: pd.DataFrame, names: Sequence[str], colours: Mapping[str, str], score_label: str = "accuracy"
) -> Figure:
    """Train and test score at the last epoch joined by a line, a row a variant; beside it the gap of each seed.

    scores: variant, train_score, test_score: a row a trial. names: the variants, in the order to be drawn.
    """
    height = 1.4 + 0.85 * row_height(names) * len(names)
    figure, (left, right) = blank_figure(2, columns=2, height=height, share=False)
    for at, name in enumerate(names):
        mine = scores.loc[scores["variant"] == name, ["train_score", "test_score"]].to_numpy(dtype=float)
        mine = mine[np.isfinite(mine).all(axis=1)]
        if len(mine):
            _dumbbell(left, mine.mean(axis=0), -at, colours[name])
            _strip(right, mine[:, 0] - mine[:, 1], -at, colours[name])
            gap = mine[:, 0] - mine[:, 1]
            spread = float(gap.std(ddof=1)) if len(gap) > 1 else float("nan")
            note_beside(right, -at, [(wording.mean_std(float(gap.mean()), spread), "normal")])
    name_rows(left, list(names))
    name_rows(right, [""] * len(names))
    layout: Any = figure.get_layout_engine()
    layout.set(wspace=0.06)
    right.axvline(0, color=INK, linewidth=1, zorder=1)
    label_axes(left, x=f"mean {score_label}")
    label_axes(right, x="train minus test, each seed")
    _legend(figure)
    return figure


def _dumbbell(axes: Axes, means: npt.NDArray[np.float64], at: float, colour: str) -> None:
    train, test = means
    axes.plot([train, test], [at, at], color=colour, linewidth=2.4, zorder=2)
    axes.plot(train, at, "o", color=colour, markerfacecolor="white", markersize=8, markeredgewidth=2, zorder=3)
    axes.plot(test, at, "o", color=colour, markersize=8, zorder=3)


def _strip(axes: Axes, gaps: npt.NDArray[np.float64], at: float, colour: str) -> None:
    """A short stroke a seed, and a dot at their mean."""
    axes.plot(gaps, np.full(len(gaps), at), "|", color=colour, alpha=0.5, markersize=11, markeredgewidth=1.2, zorder=2)
    axes.plot(gaps.mean(), at, "o", color=colour, markeredgecolor="white", markersize=8, zorder=3)


def _legend(figure: Figure) -> None:
    style = {"color": INK, "marker": "o", "linestyle": "", "markersize": 7}
    handles = [
        Line2D([], [], **style, markerfacecolor="white", markeredgewidth=2, label="train"),  # type: ignore[arg-type]
        Line2D([], [], **style, label="test"),  # type: ignore[arg-type]
        Line2D([], [], color=INK, marker="|", linestyle="", markersize=10, label="gap of a seed, and their mean ± std"),
    ]
    legend_above(figure, handles)
