"""The score of trained networks against the strength of noise at test time."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from noiseflow.plots.canvas import MARKERS, blank_figure, label_axes, name_lines, wrapped


def plot_robustness(rows: pd.DataFrame, colours: Mapping[str, str], score_label: str = "test accuracy") -> Figure:
    """A panel for each noise, a line a variant with the band of its 95 % interval.

    rows: variant, noise, test_strength, score_mean, ci_low, ci_high.
    """
    noises = list(dict.fromkeys(rows["noise"]))
    names = [name for name in colours if name in set(rows["variant"])]
    figure, panels = blank_figure(len(noises), columns=min(2, len(noises)), height=3.4, share=False)
    for axes, noise in zip(panels, noises, strict=True):
        for at, name in enumerate(names):
            mine = rows[(rows["noise"] == noise) & (rows["variant"] == name)].sort_values("test_strength")
            x, mean, low, high = (
                mine[c].to_numpy(dtype=float) for c in ("test_strength", "score_mean", "ci_low", "ci_high")
            )
            axes.fill_between(x, low, high, color=colours[name], alpha=0.18, linewidth=0)
            axes.plot(x, mean, color=colours[name], marker=MARKERS[at % len(MARKERS)], markersize=5, linewidth=1.4)
        label_axes(axes, x="strength at test time", y=f"mean {score_label}", title=wrapped(str(noise), 40))
    handles = [
        Line2D([], [], color=colours[name], marker=MARKERS[at % len(MARKERS)], markersize=5)
        for at, name in enumerate(names)
    ]
    name_lines(figure, handles, names)
    return figure
