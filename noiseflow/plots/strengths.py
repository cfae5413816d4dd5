"""Score against strength: where a family of strengths helps, and which strength it chose without leakage."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from noiseflow.plots.canvas import (
    BASELINE_COLOUR,
    INK,
    MARKERS,
    SMALL,
    blank_figure,
    label_axes,
    name_lines,
    t_half_width,
    wrapped,
)

ZERO_AT = 0.5  # of the smallest strength above 0: where a strength of 0 is drawn
NARROW = 100.0  # strengths from 1 to less than this have ticks between the powers of ten


def plot_strengths(
    strengths: pd.DataFrame,
    baselines: pd.DataFrame,
    choices: pd.DataFrame,
    colours: Mapping[str, str],
    score_label: str = "test accuracy (fraction of rows)",
) -> Figure:
    """Score over strength, a line a family with the 95 % interval of its mean, a row of panels a dataset.

    Families share a panel if their strengths have one unit. The baseline's mean is a horizontal line with its interval, the
    strength that was chosen without leakage a diamond at the honest score of that choice.

    strengths: panel, family, unit, strength, mean, std, n. baselines: panel, mean, std, n. choices: panel, family, unit,
    strength, score_mean. `panel` names dataset and architecture; `unit` says what a strength is, `stddev` for example.
    """
    rows, units = list(dict.fromkeys(strengths["panel"])), list(dict.fromkeys(strengths["unit"]))
    height = 4.2 if len(rows) == 1 else 1.9
    figure, panels = blank_figure(len(rows) * len(units), columns=len(units), height=height, share=False)
    markers = _markers(strengths)
    for at, axes in enumerate(panels):
        row, unit = rows[at // len(units)], units[at % len(units)]
        _level(axes, baselines[baselines["panel"] == row])
        mine, chosen = (frame[(frame["panel"] == row) & (frame["unit"] == unit)] for frame in (strengths, choices))
        _families(axes, mine, chosen, colours, markers)
        first = at % len(units) == 0
        label_axes(axes, x=unit if at >= len(panels) - len(units) else None)
        if first:
            label_axes(axes, title=wrapped(row, 60) if len(rows) > 1 else None)
    _share_scores(panels, len(units))
    figure.supylabel(score_label, fontsize=SMALL + 1, color=INK, parse_math=False)
    _legend(figure, markers, colours)
    return figure


def _level(axes: Axes, baseline: pd.DataFrame) -> None:
    for row in baseline.to_dict("records"):
        half = t_half_width(row["std"], row["n"])
        if np.isfinite(half):
            axes.axhspan(row["mean"] - half, row["mean"] + half, color="#e6e6e6", linewidth=0, zorder=0)
        axes.axhline(row["mean"], color=BASELINE_COLOUR, linewidth=1.4, linestyle="--", zorder=1)


def _markers(strengths: pd.DataFrame) -> dict[str, str]:
    return dict(zip(dict.fromkeys(strengths["family"]), cycle(MARKERS), strict=False))


def _families(
    axes: Axes, strengths: pd.DataFrame, choices: pd.DataFrame, colours: Mapping[str, str], markers: Mapping[str, str]
) -> None:
    """Draws the lines of the families; strengths of 0 are at the left end of the scale."""
    positive = strengths.loc[strengths["strength"] > 0, "strength"]
    floor = ZERO_AT * float(positive.min()) if len(positive) else 1.0
    axes.set_xscale("log")
    narrow = len(positive) > 0 and float(positive.max()) < NARROW * float(positive.min())
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3) if narrow else (1,), numticks=9 if narrow else 3))
    axes.xaxis.set_minor_locator(LogLocator(subs=range(1, 10), numticks=99))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    for family, rows in strengths.groupby("family", sort=False):
        line = rows.sort_values("strength")
        x = line["strength"].clip(lower=floor).to_numpy(dtype=float)
        colour, marker = colours[str(family)], markers[str(family)]
        mean = line["mean"].to_numpy(dtype=float)
        half = np.array([t_half_width(std, n) for std, n in zip(line["std"], line["n"], strict=True)])
        _band(axes, x, mean, half, colour)
        axes.plot(x, mean, color=colour, marker=marker, markersize=4.5, linewidth=1.8, zorder=3)
        _choice(axes, choices[choices["family"] == family], floor, colour)


def _band(axes: Axes, x: npt.NDArray[Any], mean: npt.NDArray[Any], half: npt.NDArray[Any], colour: str) -> None:
    axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.18, linewidth=0, zorder=2)


def _choice(axes: Axes, choice: pd.DataFrame, floor: float, colour: str) -> None:
    x = choice["strength"].clip(lower=floor)
    style: dict[str, Any] = {"facecolors": "white", "edgecolors": colour, "linewidths": 2.0}
    axes.scatter(x, choice["score_mean"], s=90, marker="D", zorder=5, clip_on=False, **style)


def _share_scores(panels: list[Axes], columns: int) -> None:
    """One scale of scores for all panels, labelled at the left, and strengths only below the last."""
    limits = [axes.get_ylim() for axes in panels]
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    room = 0.04 * (high - low)  # for the diamonds
    for at, axes in enumerate(panels):
        axes.set_ylim(low - room, high + room)
        axes.tick_params(labelleft=at % columns == 0, labelbottom=at >= len(panels) - columns)


def _legend(figure: Figure, markers: Mapping[str, str], colours: Mapping[str, str]) -> None:
    handles = [
        Line2D([], [], color=colours[name], marker=marker, linewidth=1.8, markersize=5)
        for name, marker in markers.items()
    ]
    handles += [
        Line2D([], [], color=BASELINE_COLOUR, linestyle="--", linewidth=1.4),
        Line2D([], [], color=INK, marker="D", markersize=8, markerfacecolor="white", markeredgewidth=2, linestyle=""),
    ]
    name_lines(figure, handles, [*markers, "baseline", "chosen without leakage"])
