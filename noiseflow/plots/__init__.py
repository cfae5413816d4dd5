"""Frames in, matplotlib Figures out; without pyplot, so that threads may draw at once and no display is needed."""

from noiseflow.plots.canvas import to_png, variant_colours
from noiseflow.plots.curves import plot_learning_curves
from noiseflow.plots.data import plot_data
from noiseflow.plots.differences import plot_differences
from noiseflow.plots.scores import plot_final_scores

__all__ = ["plot_data", "plot_differences", "plot_final_scores", "plot_learning_curves", "to_png", "variant_colours"]
