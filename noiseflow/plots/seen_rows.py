"""A few rows as a network sees them: images or sequences, a line of panels a variant."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from noiseflow.plots.canvas import OKABE_ITO, blank_figure, label_axes, wrapped

MOST_CHANNELS = 4


def plot_seen_rows(rows: Mapping[str, NDArray[np.float64]]) -> Figure:
    """A line of panels for each name, the first one the clean rows.

    rows: name to (n_rows, steps, features) or (n_rows, height, width, channels); all scaled as the first ones are.
    """
    clean = next(iter(rows.values()))
    n_rows, margin = len(clean), 0.25 * float(np.ptp(clean))
    low, high = float(clean.min()) - margin, float(clean.max()) + margin
    figure, panels = blank_figure(len(rows) * n_rows, columns=n_rows, height=1.6, share=False)
    for at, axes in enumerate(panels):
        name, row = list(rows)[at // n_rows], at % n_rows
        _draw(axes, rows[name][row], low, high)
        if not row:
            label_axes(axes, title=wrapped(name, 40))
    return figure


def _draw(axes: Axes, row: NDArray[np.float64], low: float, high: float) -> None:
    if row.ndim == 3:
        image = np.clip((row - low) / (high - low), 0, 1)
        axes.imshow(image if image.shape[2] == 3 else image.mean(axis=2), cmap="gray", vmin=0, vmax=1)
        axes.set_axis_off()
        return
    for channel in range(min(row.shape[1], MOST_CHANNELS)):
        axes.plot(row[:, channel], color=OKABE_ITO[channel % len(OKABE_ITO)], linewidth=1.3)
    axes.set_ylim(low, high)
