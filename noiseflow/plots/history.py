"""What the campaigns of a study found, night after night, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from noiseflow.plots.canvas import INK, MUTED, NORMAL, blank_figure, label_axes, legend_above, wrapped

MOST_PANELS = 6
FEW, MANY = 6, 60  # up to so many campaigns have a tick each; more than so many have one band of intervals
RUN = 15  # campaigns of a running median
BOUNDS = ("difference_mean", "difference_ci_low", "difference_ci_high")
POOLED = ("pooled_mean", "pooled_low", "pooled_high")


def plot_history(
    history: pd.DataFrame,
    margin: float,
    colours: Mapping[str, str],
    *,
    scale: float = 100.0,
    unit: str = "percentage points of accuracy",
) -> Figure:
    """Difference to the baseline over campaigns, a panel a variant: each night's estimate, and all so far with its band.

    history: panel (the title), variant, campaign (ISO date), BOUNDS (that night's), POOLED (of all nights so far), drifted
    (bool). At most 6 panels are drawn, the first ones. Values are multiplied by `scale` into `unit`.
    """
    names = list(dict.fromkeys(history["panel"]))[:MOST_PANELS]
    columns = min(2, len(names))
    figure, panels = blank_figure(len(names), columns=columns, height=2.6 if columns > 1 else 4.0)
    drawn = history[history["panel"].isin(names)]
    drawn = drawn.assign(at=_days(drawn["campaign"]))
    drawn[[*BOUNDS, *POOLED]] = scale * drawn[[*BOUNDS, *POOLED]].astype(float)
    low, high = _limits(drawn, margin * scale)
    for axes, name in zip(panels, names, strict=True):
        mine = drawn[drawn["panel"] == name].sort_values("at")
        axes.axhspan(-margin * scale, margin * scale, color="#ececec", linewidth=0, zorder=0)
        axes.axhline(0, color=INK, linewidth=1, zorder=1)
        _nights(axes, mine, low)
        _pooled(axes, mine, colours[str(mine["variant"].iloc[0])])
        label_axes(axes, title=wrapped(name, 36 if columns > 1 else 70))
    panels[0].set_ylim(low, high)
    _date(panels, drawn["at"].to_numpy(dtype=float))
    for axes in panels[-columns:]:
        axes.tick_params(labelbottom=True)
    first, last = (pd.to_datetime(drawn["campaign"]).agg(end).date().isoformat() for end in ("min", "max"))
    figure.supxlabel(f"campaign, {first} to {last}", fontsize=NORMAL, color=INK)
    figure.supylabel(f"difference to the baseline\n({unit})", fontsize=NORMAL, color=INK, multialignment="center")
    _legend(figure, drifted=bool(drawn["drifted"].any()))
    return figure


def _days(campaigns: pd.Series[Any]) -> pd.Series[Any]:
    """Days since 1970, matplotlib's number for a date."""
    return (pd.to_datetime(campaigns) - pd.Timestamp(0)).dt.days.astype(float)


def _limits(history: pd.DataFrame, margin: float) -> tuple[float, float]:
    """Room for every night's estimate, the pooled band of the later half, and the middle of the nights' intervals.

    The first nights' bands may be as wide as the score itself, which would flatten all that follows.
    """
    later = history[history["at"] >= history["at"].median()]
    lows = [-1.5 * margin, history["difference_mean"].min(), later["pooled_low"].min()]
    highs = [1.5 * margin, history["difference_mean"].max(), later["pooled_high"].max()]
    lows.append(history["difference_ci_low"].quantile(0.1))
    highs.append(history["difference_ci_high"].quantile(0.9))
    low, high = np.nanmin(lows), np.nanmax(highs)
    room = 0.08 * (high - low)
    return float(low - room), float(high + room)


def _nights(axes: Axes, nights: pd.DataFrame, floor: float) -> None:
    """Each night's estimate as a dot, smaller the more there are, on its interval; drifted nights crossed at the bottom.

    Of many nights the intervals are one band, the running median of their bounds: a line each would hide the dots.
    """
    size = float(np.clip(120 / len(nights), 2.0, 6.0))
    x, (mean, low, high) = nights["at"], (nights[name] for name in BOUNDS)
    if len(nights) > MANY:
        low, high = (bound.rolling(RUN, center=True, min_periods=1).median() for bound in (low, high))
        axes.fill_between(x, low, high, color="#dadada", linewidth=0, zorder=1.5)
    else:
        axes.vlines(x, low, high, color="#bdbdbd", linewidth=size / 3, zorder=1.5)
    axes.plot(x, mean, "o", color=MUTED, markersize=size, markeredgewidth=0, zorder=3)
    drifted = nights[nights["drifted"].astype(bool)]
    if len(drifted):  # an unclipped line without points upsets the layout
        style: dict[str, Any] = {"color": INK, "linewidth": 0, "clip_on": False, "zorder": 5}
        axes.plot(drifted["at"], [floor] * len(drifted), marker="X", markersize=8, markeredgecolor="white", **style)


def _pooled(axes: Axes, nights: pd.DataFrame, colour: str) -> None:
    mean, low, high = (nights[name] for name in POOLED)
    axes.fill_between(nights["at"], low, high, color=colour, alpha=0.28, linewidth=0, zorder=2)
    for bound in (low, high):
        axes.plot(nights["at"], bound, color=colour, linewidth=0.9, zorder=3.5)
    axes.plot(nights["at"], mean, color=colour, linewidth=2.2, zorder=4)
    if len(nights) == 1:  # lines and bands of one point do not show
        axes.errorbar(nights["at"], mean, [mean - low, high - mean], fmt="s", color=colour, capsize=6, zorder=2)


def _date(panels: list[Axes], days: Any) -> None:
    """Ticks at the campaigns themselves where there are few; whole days always."""
    unique = np.unique(days)
    room = max(0.5, 0.02 * float(np.ptp(unique)))
    for axes in panels:
        axes.xaxis_date()
        axes.set_xlim(unique[0] - room, unique[-1] + room)
        if len(unique) <= FEW:
            shown = [pd.Timestamp(day, unit="D") for day in unique]
            axes.set_xticks(unique, [f"{day.day} {day:%b}" for day in shown])
        else:
            locator = cast("Any", AutoDateLocator)(minticks=3, maxticks=6)
            axes.xaxis.set_major_locator(locator)
            axes.xaxis.set_major_formatter(cast("Any", ConciseDateFormatter)(locator, show_offset=False))


def _legend(figure: Figure, *, drifted: bool) -> None:
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=MUTED, marker="o", markersize=5, markeredgewidth=0, linewidth=1.4, label="one night"),
        Line2D([], [], color=INK, linewidth=2.2, label="all nights so far"),
        Patch(color=INK, alpha=0.28, label="its interval"),
    ]
    if drifted:
        handles.append(Line2D([], [], color=INK, marker="X", markersize=8, linewidth=0, label="drift"))
    legend_above(figure, handles)
