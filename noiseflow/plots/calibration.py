"""Calibration: whether what is predicted with a probability comes true as often."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from noiseflow.base.values import BASELINE
from noiseflow.plots.canvas import BASELINE_COLOUR, INK, MUTED, NORMAL, blank_figure, label_axes, legend_above, wrapped

BARS = "#d9d9d9"
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def plot_calibration(bins: pd.DataFrame, colours: Mapping[str, str], *, of_class_one: bool = True) -> Figure:
    """Reliability diagrams, a panel a variant: observed frequency over predicted probability, and the share of each bin.

    bins: variant, and the columns of `reliability`. of_class_one: whether the probability belongs to class 1 of two; else it
    belongs to the class predicted.
    """
    names = list(dict.fromkeys(bins["variant"]))
    columns = min(3, len(names))
    figure, panels = blank_figure(len(names), columns=columns, height=2.7 if columns > 1 else 4.4)
    reference = bins[bins["variant"] == BASELINE]
    for axes, name in zip(panels, names, strict=True):
        _diagram(axes, bins[bins["variant"] == name], colours[name], n_bins=int(max(10, bins["bin"].max() + 1)))
        if name != BASELINE:
            axes.plot(
                reference["confidence"], reference["frequency"], color=BASELINE_COLOUR, linewidth=1, linestyle=":"
            )
        label_axes(axes, title=wrapped(name, 24 if columns > 1 else 70))
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.03, 1.03)
        axes.grid(visible=False)
        axes.set_xticks(TICKS)
        axes.set_yticks(TICKS)
        axes.set_aspect("equal")
        axes.tick_params(labelbottom=True)
    label = "predicted probability of class 1" if of_class_one else "probability of the class predicted"
    figure.supxlabel(label, fontsize=NORMAL, color=INK)
    figure.supylabel("share that came true", fontsize=NORMAL, color=INK)
    _legend(figure, with_reference=len(names) > 1 and BASELINE in names)
    return figure


def _diagram(axes: Axes, bins: pd.DataFrame, colour: str, n_bins: int) -> None:
    """Bars below all, then the diagonal, the interval, and the line on top."""
    axes.bar((bins["bin"] + 0.5) / n_bins, bins["share"], width=0.92 / n_bins, color=BARS, linewidth=0, zorder=1)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, zorder=2)
    axes.fill_between(bins["confidence"], bins["low"], bins["high"], color=colour, alpha=0.22, linewidth=0, zorder=2)
    axes.plot(bins["confidence"], bins["frequency"], "o-", color=colour, linewidth=1.8, markersize=4, zorder=3)


def _legend(figure: Figure, *, with_reference: bool) -> None:
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=INK, marker="o", markersize=4, linewidth=1.8, label="came true"),
        Line2D([], [], color=MUTED, linewidth=1, label="perfect"),
        Patch(color=BARS, label="share of predictions"),
    ]
    if with_reference:
        handles.append(Line2D([], [], color=BASELINE_COLOUR, linewidth=1, linestyle=":", label="baseline"))
    legend_above(figure, handles)
