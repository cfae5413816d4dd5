"""Mean ranks over datasets, and which differ from the baseline's."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import pandas as pd
from matplotlib.figure import Figure

from noiseflow import wording
from noiseflow.base.values import BASELINE
from noiseflow.plots.canvas import BASELINE_COLOUR, blank_figure, label_axes, name_rows, note_beside, row_height

ALPHA = 0.05


def plot_ranks(ranks: pd.DataFrame, n_datasets: int, colours: Mapping[str, str]) -> Figure:
    """Mean ranks over datasets, best on top, each joined to the baseline's; filled where it differs from the baseline's.

    ranks: family, mean_rank (1 the best), p_adjusted (of the difference to the baseline, missing for it).
    """
    rows = ranks.sort_values("mean_rank", kind="stable").to_dict("records")
    figure, (axes,) = blank_figure(1, height=1.2 + row_height([str(row["family"]) for row in rows]) * len(rows))
    level = next(float(row["mean_rank"]) for row in rows if row["family"] == BASELINE)
    axes.axvline(level, color=BASELINE_COLOUR, linewidth=1.2, linestyle="--", zorder=1)
    for at, row in enumerate(rows):
        rank, p, colour = float(row["mean_rank"]), float(row["p_adjusted"]), colours[row["family"]]
        differs = isfinite(p) and p < ALPHA
        solid = differs or row["family"] == BASELINE
        axes.plot([level, rank], [-at, -at], color=colour, linewidth=2.2, zorder=2)
        face = colour if solid else "white"
        axes.plot(rank, -at, "o", color=colour, markerfacecolor=face, markersize=9, markeredgewidth=2, zorder=3)
        note_beside(axes, -at, _note(rank, p, differs=differs))
    axes.set_xlim(0.9, len(rows) + 0.1)
    name_rows(axes, [str(row["family"]) for row in rows])
    label_axes(axes, x=f"mean rank over {n_datasets} datasets (1 is the best)")
    return figure


def _note(rank: float, p: float, *, differs: bool) -> list[tuple[str, str]]:
    if not isfinite(p):
        return [(f"{rank:.2f}", "normal")]
    text = f"{wording.p_value(p)}, {'differs' if differs else 'no clear difference'}"
    return [(f"{rank:.2f}", "normal"), (text, "bold" if differs else "normal")]
