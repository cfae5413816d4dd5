"""Frames in, matplotlib Figures out; without pyplot, so that threads may draw at once and no display is needed."""

from matplotlib.figure import Figure

from noiseflow.plots.boundary import class_one_shares, plot_boundary
from noiseflow.plots.calibration import plot_calibration
from noiseflow.plots.canvas import narrow_form, to_png, variant_colours
from noiseflow.plots.curves import plot_learning_curves
from noiseflow.plots.data import plot_data
from noiseflow.plots.differences import plot_differences
from noiseflow.plots.gains import plot_gains
from noiseflow.plots.gap import plot_gap
from noiseflow.plots.history import plot_history
from noiseflow.plots.ranks import plot_ranks
from noiseflow.plots.reliability import reliability
from noiseflow.plots.robustness import plot_robustness
from noiseflow.plots.scores import plot_final_scores
from noiseflow.plots.seen_rows import plot_seen_rows
from noiseflow.plots.strengths import plot_strengths

__all__ = [
    "Figure",
    "class_one_shares",
    "narrow_form",
    "plot_boundary",
    "plot_calibration",
    "plot_data",
    "plot_differences",
    "plot_final_scores",
    "plot_gains",
    "plot_gap",
    "plot_history",
    "plot_learning_curves",
    "plot_ranks",
    "plot_robustness",
    "plot_seen_rows",
    "plot_strengths",
    "reliability",
    "to_png",
    "variant_colours",
]
