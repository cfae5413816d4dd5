"""The plots of how networks behave: gap, boundary and calibration, and the arithmetic behind them."""

from math import sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from noiseflow import plots
from noiseflow.plots.canvas import WIDTH

PLAIN = ["baseline", "input", "after", "weights"]
HOSTILE = ["baseline", "$x^{2$ <b>|", "n" * 63, "漢字 \U0001f600"]


def gaps(names):
    rows = [[name, 1.0, 0.7 + 0.01 * seed] for name in names for seed in range(5)]
    return pd.DataFrame(rows, columns=["variant", "train_score", "test_score"])


def lattice(points=6):
    axis = np.linspace(-1, 1, points)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def shares(names):
    inside = (np.linalg.norm(lattice(), axis=1) < 0.9).astype(float)
    return pd.concat([pd.DataFrame({"variant": name, "row": range(36), "share": inside}) for name in names])


def training_rows():
    return pd.DataFrame({"X": [[0.1, 0.2], [0.9, -0.9], [-0.5, 0.4]], "y": [1.0, 0.0, 1.0]})


def bins(names):
    middle = np.arange(0.05, 1, 0.1)
    columns = {"bin": range(10), "share": 0.1, "confidence": middle, "frequency": middle, "low": 0.0, "high": 1.0}
    return pd.concat([pd.DataFrame(columns).assign(variant=name) for name in names])


def predictions(values, n_outputs=1):
    """values: (n_seeds, n_rows, n_outputs)."""
    n_seeds, n_rows = len(values), len(values[0])
    return pd.DataFrame(
        {
            "data_seed": 1,
            "seed": np.repeat(range(n_seeds), n_rows * n_outputs),
            "row": np.tile(np.repeat(range(n_rows), n_outputs), n_seeds),
            "output": np.tile(range(n_outputs), n_seeds * n_rows),
            "prediction": np.asarray(values, dtype=float).reshape(-1),
        }
    )


def truth(values, data_seed=1):
    return pd.DataFrame({"data_seed": data_seed, "row": range(len(values)), "y": values})


@pytest.mark.parametrize("names", [PLAIN, HOSTILE], ids=["plain", "hostile"])
@pytest.mark.parametrize("kind", ["gap", "boundary", "calibration"])
def test_plots_of_networks_keep_their_width_and_their_letters(names, kind):
    colours = plots.variant_colours(names)
    figure = {
        "gap": lambda: plots.plot_gap(gaps(names), names, colours),
        "boundary": lambda: plots.plot_boundary(shares(names), lattice(), training_rows()),
        "calibration": lambda: plots.plot_calibration(bins(names), colours),
    }[kind]()
    assert len(plots.to_png(figure)) < 70_000
    extent = figure.get_tightbbox()
    assert extent.x0 >= -0.05
    assert extent.x1 <= WIDTH + 0.05
    letters = figure.findobj(lambda artist: hasattr(artist, "get_fontsize"))
    assert min(text.get_fontsize() for text in letters if text.get_text()) >= 9


def test_plot_gap_joins_the_mean_scores_and_shows_each_seed():
    figure = plots.plot_gap(gaps(PLAIN), PLAIN, plots.variant_colours(PLAIN))
    left, right = figure.axes
    ends = [sorted(line.get_xdata()) for line in left.lines if len(line.get_xdata()) == 2]
    assert ends == [pytest.approx([0.72, 1.0])] * 4
    strokes = [line.get_xdata() for line in right.lines if line.get_marker() == "|"]
    assert [sorted(stroke) for stroke in strokes] == [pytest.approx([0.26, 0.27, 0.28, 0.29, 0.3])] * 4
    assert ".280 ± .016" in [text.get_text() for text in right.texts]


def test_class_one_shares_counts_the_trials_above_one_half():
    told = pd.DataFrame({"variant": ["a"] * 6, "row": [0, 1, 0, 1, 0, 1], "prediction": [0.9, 0.5, 0.6, 0.2, 0.1, 0.8]})
    assert plots.class_one_shares(told)["share"].to_list() == pytest.approx([2 / 3, 1 / 3])


def test_plot_boundary_has_a_panel_a_variant_with_the_training_rows():
    figure = plots.plot_boundary(shares(PLAIN), lattice(), training_rows())
    panels = figure.axes[:4]
    assert [axes.get_title(loc="left") for axes in panels] == PLAIN
    drawn = [
        sum(len(c.get_offsets()) for c in axes.collections if c.get_label().startswith("training")) for axes in panels
    ]
    assert drawn == [3] * 4


def test_plot_boundary_takes_variants_that_say_the_same_everywhere():
    everywhere = shares(PLAIN).assign(share=1.0)
    assert plots.to_png(plots.plot_boundary(everywhere, lattice(), training_rows()))


def test_plot_calibration_has_a_panel_a_variant_from_zero_to_one():
    figure = plots.plot_calibration(bins(PLAIN), plots.variant_colours(PLAIN))
    assert [axes.get_title(loc="left") for axes in figure.axes] == PLAIN
    assert {axes.get_ylim() for axes in figure.axes} == {(-0.03, 1.03)}


def test_reliability_counts_each_bin():
    told = plots.reliability(predictions([[0.02] * 10 + [0.97] * 30]), truth([0, 1] * 5 + [1] * 27 + [0] * 3))
    assert told["bin"].to_list() == [0, 9]
    assert told["n"].to_list() == [10, 30]
    assert told["share"].to_list() == [0.25, 0.75]
    assert told["confidence"].to_list() == pytest.approx([0.02, 0.97])
    assert told["frequency"].to_list() == pytest.approx([0.5, 0.9])
    assert told["low"].isna().all()  # of one seed there is no spread


def test_reliability_leaves_out_bins_of_few_rows():
    assert plots.reliability(predictions([[0.15] * 9 + [0.85] * 10]), truth([1] * 19))["bin"].to_list() == [8]


def test_reliability_of_certainty_is_in_the_last_bin():
    assert plots.reliability(predictions([[1.0] * 10]), truth([1] * 10))["bin"].to_list() == [9]


def test_reliability_of_equal_clusters_has_the_interval_of_their_mean():
    hits = [[1] * k + [0] * (10 - k) for k in (3, 5, 9)]
    frames = [predictions([[0.55] * 10]).assign(data_seed=seed) for seed in range(3)]
    told = plots.reliability(pd.concat(frames), pd.concat([truth(y, seed) for seed, y in enumerate(hits)]))
    means = np.array([0.3, 0.5, 0.9])
    half = stats.t.ppf(0.975, 2) * means.std(ddof=1) / sqrt(3)
    assert told["frequency"].item() == pytest.approx(17 / 30)
    assert told["low"].item() == pytest.approx(max(0, 17 / 30 - half))
    assert told["high"].item() == pytest.approx(min(1, 17 / 30 + half))


def test_reliability_of_several_classes_is_that_of_the_class_predicted():
    values = [[[0.7, 0.2, 0.1]] * 12 + [[0.1, 0.15, 0.75]] * 8]
    told = plots.reliability(predictions(values, n_outputs=3), truth([0] * 9 + [1] * 3 + [2] * 8))
    assert told["n"].to_list() == [20]
    assert told["confidence"].item() == pytest.approx((12 * 0.7 + 8 * 0.75) / 20)
    assert told["frequency"].item() == pytest.approx(17 / 20)
