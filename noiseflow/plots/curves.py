"""Learning curves: how train and test score part over the epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from noiseflow.base.values import BASELINE
from noiseflow.plots.canvas import BASELINE_COLOUR, INK, NORMAL, blank_figure, label_axes, legend_above, wrapped


def plot_learning_curves(bands: pd.DataFrame, colours: Mapping[str, str], score_label: str = "accuracy") -> Figure:
    """Small multiples, a panel a variant: train and test score over epochs, mean line and band over seeds.

    bands: variant, epoch, quantity (train_score, test_score), mean, low, high, of one dataset and architecture.
    """
    names = list(dict.fromkeys(bands["variant"]))
    columns = min(3, len(names))
    figure, panels = blank_figure(len(names), columns=columns, height=2.5 if columns > 1 else 4.0)
    reference = bands[(bands["variant"] == BASELINE) & (bands["quantity"] == "test_score")]
    for axes, name in zip(panels, names, strict=True):
        mine = bands[bands["variant"] == name]
        _band(axes, mine[mine["quantity"] == "train_score"], colours[name], "--")
        _band(axes, mine[mine["quantity"] == "test_score"], colours[name], "-")
        if name != BASELINE:
            axes.plot(reference["epoch"], reference["mean"], color=BASELINE_COLOUR, linewidth=1, linestyle=":")
        label_axes(axes, title=wrapped(name, 24 if columns > 1 else 70))
        axes.tick_params(labelbottom=True)
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    for axes in panels[::columns]:
        label_axes(axes, y=score_label)
    figure.supxlabel("epoch", fontsize=NORMAL, color=INK)
    _legend(figure, with_reference=len(names) > 1)
    return figure


def _band(axes: Axes, band: pd.DataFrame, colour: str, style: str) -> None:
    axes.fill_between(band["epoch"], band["low"], band["high"], color=colour, alpha=0.22, linewidth=0)
    axes.plot(band["epoch"], band["mean"], color=colour, linewidth=1.8, linestyle=style)


def _legend(figure: Figure, *, with_reference: bool) -> None:
    kinds: list[tuple[Any, float, str]] = [("-", 1.8, "test"), ("--", 1.8, "train")]
    if with_reference:
        kinds.append((":", 1.0, "baseline's test"))
    handles = [
        Line2D([], [], linestyle=style, linewidth=width, color=INK, label=label) for style, width, label in kinds
    ]
    legend_above(figure, handles)
