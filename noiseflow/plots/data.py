"""The data: a scatter of its two features, by class and split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from noiseflow.plots.canvas import INK, OKABE_ITO, SMALL, blank_figure, is_narrow, label_axes

CLASS_MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")


def plot_data(data: pd.DataFrame) -> Figure | None:
    """Scatter of two-feature classification data: colour and marker a class, train filled, test hollow.

    data: dataset, data_seed, split, row, X (two features), y. Of each dataset its first data seed is drawn, others with
    two features beside it; None where no dataset has two features and at most ten classes.
    """
    shown = [(str(name), rows) for name, rows in data.groupby("dataset", sort=False) if _drawable(rows)]
    if not shown:
        return None
    figure, panels = blank_figure(len(shown), columns=min(2, len(shown)), height=4.6, share=False)
    for axes, (name, rows) in zip(panels, shown, strict=True):
        first = rows[rows["data_seed"] == rows["data_seed"].iloc[0]]
        _scatter(axes, first)
        label_axes(
            axes, x="feature 1 (dimensionless)", y="feature 2 (dimensionless)", title=name if len(shown) > 1 else ""
        )
        axes.set_aspect("equal", adjustable="box")
        beside: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
        below: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.2), "ncols": 2}
        axes.legend(**(below if is_narrow() else beside), frameon=False, fontsize=SMALL, labelcolor=INK)
    return figure


def _drawable(rows: pd.DataFrame) -> bool:
    return all(len(x) == 2 for x in rows["X"]) and 0 < rows["y"].nunique() <= len(CLASS_MARKS)


def _scatter(axes: Axes, rows: pd.DataFrame) -> None:
    for split, filled in (("train", True), ("test", False)):
        for i, label in enumerate(sorted(rows["y"].unique())):
            chosen = rows[(rows["split"] == split) & (rows["y"] == label)]
            if len(chosen):
                points = np.stack(chosen["X"].to_list())
                colour = OKABE_ITO[i % len(OKABE_ITO)]
                axes.scatter(
                    points[:, 0],
                    points[:, 1],
                    s=38,
                    marker=CLASS_MARKS[i],
                    facecolors=colour if filled else "none",
                    edgecolors=colour,
                    linewidths=1.3,
                    label=f"{split}, class {label:g} ({len(chosen)} rows)",
                )
