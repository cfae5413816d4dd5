"""The difference to the baseline against the number of training rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from noiseflow.plots.canvas import INK, MARKERS, blank_figure, label_axes, name_lines, wrapped

FAR, CLOSE = 6.0, 3.0  # margins
DODGE = 0.035  # of a doubling, between families


def plot_gains(
    gains: pd.DataFrame,
    margin: float,
    colours: Mapping[str, str],
    *,
    scale: float = 100.0,
    unit: str = "percentage points of accuracy",
) -> Figure:
    """Difference to the baseline at each number of training rows (log2 scale), a line a family with 95 % intervals.

    gains: architecture, family, n_train, gain_mean, gain_ci_low, gain_ci_high. A row an architecture; where gains go
    beyond six margins a second panel shows those within three. Gains and margin are multiplied by `scale` into `unit`.
    """
    kinds = list(dict.fromkeys(gains["architecture"]))
    bounds = gains[["gain_mean", "gain_ci_low", "gain_ci_high"]].abs().max().max()
    n_views = 2 if bounds > FAR * margin else 1
    figure, panels = blank_figure(len(kinds) * n_views, columns=n_views, height=3.6, share=False)
    for at, axes in enumerate(panels):
        kind, close = kinds[at // n_views], at % n_views == 1
        axes.axhspan(-margin * scale, margin * scale, color="#ececec", linewidth=0, zorder=0)
        axes.axhline(0, color=INK, linewidth=1, zorder=1)
        _families(axes, gains[gains["architecture"] == kind], colours, scale)
        name = [wrapped(str(kind), 30)] if len(kinds) > 1 else []
        label_axes(axes, x="training rows (log scale)", title=", ".join([*name, *(["close up"] if close else [])]))
        if close:
            axes.set_ylim(-CLOSE * margin * scale, CLOSE * margin * scale)
        else:
            label_axes(axes, y=f"difference to the baseline\n({unit})")
    families = _families_of(gains, colours)
    handles = [_handle(colours[name], at) for at, name in enumerate(families)]
    name_lines(figure, handles, families)
    return figure


def _families_of(gains: pd.DataFrame, colours: Mapping[str, str]) -> list[str]:
    """The families in the order of the colours, which is the study's."""
    return [name for name in colours if name in set(gains["family"])]


def _families(axes: Axes, gains: pd.DataFrame, colours: Mapping[str, str], scale: float) -> None:
    families = _families_of(gains, colours)
    for at, family in enumerate(families):
        mine = gains[gains["family"] == family].sort_values("n_train")
        x = mine["n_train"].to_numpy(dtype=float) * 2 ** (DODGE * (at - (len(families) - 1) / 2))
        mean, low, high = (scale * mine[f"gain_{name}"].to_numpy(dtype=float) for name in ("mean", "ci_low", "ci_high"))
        axes.vlines(x, low, high, color=colours[family], linewidth=1.8, zorder=2)
        axes.plot(
            x, mean, color=colours[family], marker=MARKERS[at % len(MARKERS)], markersize=6, linewidth=1.4, zorder=3
        )
    axes.set_xscale("log", base=2)
    ticks: Any = np.unique(gains["n_train"].to_numpy(dtype=float))
    axes.set_xticks(ticks, [f"{rows:,.0f}" for rows in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def _handle(colour: str, at: int) -> Line2D:
    return Line2D([], [], color=colour, marker=MARKERS[at % len(MARKERS)], markersize=6, linewidth=1.4)
