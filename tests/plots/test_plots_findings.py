"""The plots of what was found: strengths, gains, ranks and history draw what their frames say, whatever the names are."""

from math import nan

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sketch_study import make_history

from noiseflow import plots
from noiseflow.plots.canvas import WIDTH, t_half_width

PLAIN = ["baseline", "input", "after", "weights"]
HOSTILE = ["baseline", "$x^{2$ <b>|", "n" * 63, "漢字 \U0001f600"]
FAMILIES = pytest.mark.parametrize("names", [PLAIN, HOSTILE], ids=["plain", "hostile"])


def strengths(names, panels=("circles",)):
    rows = [
        [panel, name, unit, strength, 0.8 - 0.2 * strength, 0.02, 10]
        for panel in panels
        for name, unit in zip(names[1:], ("stddev", "stddev", "rate"), strict=True)
        for strength in (0.0, 0.01, 0.1, 1.0)
    ]
    cells = pd.DataFrame(rows, columns=["panel", "family", "unit", "strength", "mean", "std", "n"])
    baselines = pd.DataFrame({"panel": list(panels), "mean": 0.75, "std": 0.02, "n": 10})
    choices = cells[cells["strength"] == 0.1].assign(score_mean=0.77)
    return cells, baselines, choices


def gains(names, top=0.02, architectures=("mlp",)):
    rows = [
        [kind, name, n, top * at, top * at - 0.01, top * at + 0.01]
        for kind in architectures
        for at, name in enumerate(names[1:])
        for n in (30, 60, 120)
    ]
    columns = ["architecture", "family", "n_train", "gain_mean", "gain_ci_low", "gain_ci_high"]
    return pd.DataFrame(rows, columns=columns)


def ranks(names):
    return pd.DataFrame({"family": names, "mean_rank": [3.5, 1.2, 2.5, 2.8], "p_adjusted": [nan, 0.004, 0.3, 0.6]})


def history(names, n_nights):
    return make_history(names[1:], n_nights).assign(panel=lambda frame: frame["variant"])


def texts(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def lines(axes, n_points):
    return [line for line in axes.lines if len(line.get_xdata()) == n_points]


@FAMILIES
@pytest.mark.parametrize("kind", ["strengths", "gains", "ranks", "history"])
def test_plots_of_findings_keep_their_width_and_their_letters(names, kind):
    colours = plots.variant_colours(names)
    figure = {
        "strengths": lambda: plots.plot_strengths(*strengths(names, ("a", "b" * 63)), colours),
        "gains": lambda: plots.plot_gains(gains(names, architectures=("mlp", "c" * 63)), 0.01, colours),
        "ranks": lambda: plots.plot_ranks(ranks(names), 6, colours),
        "history": lambda: plots.plot_history(history(names, 3), 0.01, colours),
    }[kind]()
    png = plots.to_png(figure)
    extent = figure.get_tightbbox()
    assert len(png) < 60_000
    assert extent.x0 >= -0.05
    assert extent.x1 <= WIDTH + 0.05
    letters = figure.findobj(lambda artist: hasattr(artist, "get_fontsize"))
    assert min(text.get_fontsize() for text in letters if text.get_text()) >= 9


def test_t_half_width_is_students():
    values = np.array([0.1, 0.4, 0.2, 0.9])
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    assert t_half_width(values.std(ddof=1), 4) == pytest.approx((high - low) / 2)
    assert np.isnan(t_half_width(nan, 1))


def test_plot_strengths_has_a_row_a_dataset_and_a_column_a_unit():
    figure = plots.plot_strengths(*strengths(PLAIN, ("few", "many")), plots.variant_colours(PLAIN))
    assert len(figure.axes) == 4
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "", "stddev", "rate"]
    assert {axes.get_xscale() for axes in figure.axes} == {"log"}
    assert len({axes.get_ylim() for axes in figure.axes}) == 1


def test_plot_strengths_draws_every_strength_that_of_zero_included():
    figure = plots.plot_strengths(*strengths(PLAIN), plots.variant_colours(PLAIN))
    (line, _) = lines(figure.axes[0], 4)
    assert list(line.get_xdata()) == [0.005, 0.01, 0.1, 1.0]
    assert np.allclose(line.get_ydata(), [0.8, 0.798, 0.78, 0.6])


def test_plot_strengths_marks_the_choice_at_its_honest_score_and_the_level_without_noise():
    figure = plots.plot_strengths(*strengths(PLAIN), plots.variant_colours(PLAIN))
    diamonds = [c.get_offsets() for c in figure.axes[1].collections if len(c.get_offsets()) == 1]
    assert [0.1, 0.77] in [list(map(float, point[0])) for point in diamonds]
    assert any(set(line.get_ydata()) == {0.75} for line in figure.axes[1].lines)


def test_plot_gains_shows_points_and_their_rows_in_the_order_of_the_study():
    mixed = gains(PLAIN).sort_values("family", ascending=False)
    figure = plots.plot_gains(mixed, 0.01, plots.variant_colours(PLAIN))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == PLAIN[1:]
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["30", "60", "120"]
    assert [line.get_ydata()[0] for line in lines(figure.axes[0], 3)] == pytest.approx([0, 2, 4])


def test_plot_gains_shows_small_gains_close_up_beside_large_ones():
    figure = plots.plot_gains(gains(PLAIN, top=0.2), 0.01, plots.variant_colours(PLAIN))
    assert len(figure.axes) == 2
    assert figure.axes[1].get_ylim() == pytest.approx((-3, 3))


def test_plot_ranks_has_the_best_on_top_and_says_what_differs():
    figure = plots.plot_ranks(ranks(PLAIN), 6, plots.variant_colours(PLAIN))
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["input", "after", "weights", "baseline"]
    said = texts(figure)
    assert {"1.20", "p = .004, differs", "p = .300, no clear difference", "p = .600, no clear difference"} <= set(said)
    faces = {float(line.get_xdata()[0]): line.get_markerfacecolor() for line in lines(figure.axes[0], 1)}
    assert [faces[rank] == "white" for rank in (1.2, 2.5, 2.8, 3.5)] == [False, True, True, False]


@pytest.mark.parametrize("n_nights", [1, 3, 30, 365])
def test_plot_history_shows_every_night_and_stays_small(n_nights):
    figure = plots.plot_history(history(PLAIN, n_nights), 0.01, plots.variant_colours(PLAIN))
    assert len(plots.to_png(figure)) < 60_000
    assert len(figure.axes) == 3
    for axes in figure.axes:
        dots = next(line for line in axes.lines if line.get_marker() == "o")
        assert len(dots.get_xdata()) == n_nights
        low, high = axes.get_ylim()
        assert low < min(dots.get_ydata()) <= max(dots.get_ydata()) < high


def test_plot_history_marks_drift_on_its_night_only():
    figure = plots.plot_history(history(PLAIN, 3), 0.01, plots.variant_colours(PLAIN))
    crosses = [[line.get_xdata() for line in axes.lines if line.get_marker() == "X"] for axes in figure.axes]
    third_night = (pd.Timestamp("2026-01-07") - pd.Timestamp("1970-01-01")).days
    assert [len(found) for found in crosses] == [0, 0, 1]
    assert list(crosses[2][0]) == [third_night]


def test_plot_history_draws_six_panels_at_most():
    many = [f"v{i}" for i in range(9)]
    figure = plots.plot_history(history(["baseline", *many], 3), 0.01, plots.variant_colours(["baseline", *many]))
    assert len(figure.axes) == 6


def test_plot_history_keeps_a_scale_for_narrow_bands_where_the_first_was_wide():
    frame = history(PLAIN, 30)
    frame.loc[frame["campaign"] == "2026-01-05", ["pooled_low", "pooled_high"]] = [-1.0, 1.0]
    low, high = plots.plot_history(frame, 0.01, plots.variant_colours(PLAIN)).axes[0].get_ylim()
    assert -10 < low < high < 10
