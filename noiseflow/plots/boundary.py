"""The decision boundary of two-feature data: where the networks of a variant say class 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from noiseflow.plots.canvas import INK, NORMAL, OKABE_ITO, SMALL, blank_figure, label_axes, wrapped

LEVELS = (0.0, 0.1, 0.5, 0.9, 1.0)  # few, so that the PNG stays small
SHARES = LinearSegmentedColormap.from_list("shares", ["#f4f8fc", "#c9dcec", "#f2c79c", "#d9844a"])
"""Colours from class 0 to class 1, ever darker, so that they can be read in grey."""


def class_one_shares(predictions: pd.DataFrame) -> pd.DataFrame:
    """variant, row, share: the part of the trials that give class 1 a probability above 1/2 there.

    predictions: variant, row, prediction, of one dataset, architecture and part; a row a trial and point.
    """
    said = predictions[["variant", "row"]].assign(share=predictions["prediction"] > 0.5)
    return said.groupby(["variant", "row"], sort=False, observed=True)["share"].mean().reset_index()


def plot_boundary(shares: pd.DataFrame, grid: NDArray[np.float64], points: pd.DataFrame) -> Figure:
    """The share of seeds that say class 1 over the plane, a panel a variant, with the line of one half and training rows.

    shares: variant, row (of the grid), share in [0, 1]. grid: (n_points, 2), a lattice, x running fastest. points: X (two
    features), y (0 or 1).
    """
    names = list(dict.fromkeys(shares["variant"]))
    columns = min(3, len(names))
    figure, panels = blank_figure(len(names), columns=columns, height=2.75 if columns > 1 else 5.5)
    n = round(len(grid) ** 0.5)
    lattice = grid.reshape(n, n, 2)
    filled: Any = None
    for axes, name in zip(panels, names, strict=True):
        mine = shares[shares["variant"] == name].sort_values("row")["share"].to_numpy(dtype=float).reshape(n, n)
        filled = axes.contourf(lattice[..., 0], lattice[..., 1], mine, LEVELS, cmap=SHARES)
        if mine.min() < 0.5 < mine.max():  # matplotlib warns of a contour that is nowhere
            axes.contour(lattice[..., 0], lattice[..., 1], mine, [0.5], colors=INK, linewidths=1.4)
        _training_rows(axes, points)
        axes.set_aspect("equal")
        axes.grid(visible=False)
        axes.locator_params(nbins=4)
        axes.tick_params(labelbottom=True)
        label_axes(axes, title=wrapped(name, 24 if columns > 1 else 70))
    figure.supxlabel("feature 1 (dimensionless)", fontsize=NORMAL, color=INK)
    figure.supylabel("feature 2 (dimensionless)", fontsize=NORMAL, color=INK)
    _explain(figure, panels, filled)
    return figure


def _training_rows(axes: Axes, points: pd.DataFrame) -> None:
    for label, marker, colour in ((0, "o", OKABE_ITO[0]), (1, "s", "#8a3d00")):
        chosen = points[points["y"] == label]
        if len(chosen):
            places = np.stack(chosen["X"].to_list())
            axes.scatter(
                places[:, 0],
                places[:, 1],
                s=22,
                marker=marker,
                color=colour,
                edgecolors="white",
                linewidths=0.8,
                label=f"training row of class {label}",
                zorder=3,
            )


def _explain(figure: Figure, panels: list[Axes], filled: Any) -> None:
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False, fontsize=SMALL)
    bar = figure.colorbar(filled, ax=panels, ticks=LEVELS, shrink=0.8, aspect=28, pad=0.02)
    bar.ax.set_yticklabels([f"{100 * level:g} %" for level in LEVELS], fontsize=SMALL, color=INK)
    bar.set_label("seeds that say class 1", fontsize=NORMAL, color=INK)
    bar.outline.set_visible(False)
