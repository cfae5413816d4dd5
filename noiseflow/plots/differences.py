"""Differences to the baseline, with intervals, margin and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, nan

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from noiseflow.base.values import BASELINE
from noiseflow.plots.canvas import INK, MUTED, blank_figure, label_axes, name_rows, note_above, note_beside, row_height
from noiseflow.wording import bare, decimals_for, signed

VERDICT_WEIGHTS = {"better": "bold", "worse": "bold"}


def plot_differences(
    summary: pd.DataFrame,
    margin: float,
    colours: Mapping[str, str],
    *,
    names: Sequence[str] | None = None,
    scale: float = 100.0,
    unit: str = "percentage points of accuracy",
) -> Figure | None:
    """Forest plot of the paired differences to the baseline, with 95 % intervals, the margin, and verdicts.

    summary: variant, difference_mean, difference_ci_low, difference_ci_high, verdict; rows without a difference keep
    their line and say so. names: labels of its rows where the variant alone does not distinguish them. Differences are
    multiplied by `scale` into `unit`. A thick line is from seeds_ci_low to seeds_ci_high, if they are there.
    None where there is nothing but baselines.
    """
    labels = list(summary["variant"]) if names is None else list(names)
    pairs = zip(labels, summary.to_dict("records"), strict=True)
    shown = [(label, row) for label, row in pairs if row["variant"] != BASELINE]
    if not shown:
        return None
    figure, (axes,) = blank_figure(1, height=1.2 + row_height([label for label, _ in shown]) * len(shown))
    axes.axvspan(-margin * scale, margin * scale, color="#ececec", linewidth=0, zorder=0)
    axes.axvline(0, color=INK, linewidth=1, zorder=1)
    for at, (_, row) in enumerate(shown):
        seeds = [scale * float(row.get(f"seeds_{name}", nan)) for name in ("ci_low", "ci_high")]
        mean, low, high = (scale * float(row[f"difference_{name}"]) for name in ("mean", "ci_low", "ci_high"))
        if scale == 100.0:  # shares: two seeds may have an interval beyond what is possible
            low, high, *seeds = np.clip([low, high, *seeds], -scale, scale).tolist()
        _interval(axes, -at, (mean, low, high), colours[row["variant"]])
        axes.plot(seeds, [-at, -at], color=colours[row["variant"]], linewidth=5, solid_capstyle="butt", zorder=2)
        decimals = decimals_for(low / scale, high / scale, margin, scale, 1 if scale == 100.0 else 3)
        numbers, verdict = _numbers(mean, low, high, decimals, in_points=scale == 100.0), str(row["verdict"])
        note_beside(axes, -at, [(numbers, "normal"), (verdict, VERDICT_WEIGHTS.get(verdict, "normal"))])
    note_above(axes, 0, f"within ± {margin * scale:g}: not worth having", MUTED)
    name_rows(axes, [label for label, _ in shown])
    label_axes(axes, x=f"difference to the baseline on the same seeds\n({unit})")
    return figure


def _interval(axes: Axes, at: float, estimate: tuple[float, float, float], colour: str) -> None:
    mean, low, high = estimate
    axes.plot([low, high], [at, at], color=colour, linewidth=2.2, solid_capstyle="butt", zorder=2)
    axes.plot([low, high], [at, at], "|", color=colour, markersize=9, markeredgewidth=2, zorder=2)
    axes.plot(mean, at, "o", color=colour, markersize=7, zorder=3)


def _numbers(mean: float, low: float, high: float, decimals: int, *, in_points: bool) -> str:
    if not isfinite(mean):
        return "no pair"
    texts = [signed(value, decimals) for value in (mean, low, high)]
    mean_text, low_text, high_text = texts if in_points else map(bare, texts)
    return mean_text + (f" [{low_text}, {high_text}]" if isfinite(low) else "")
