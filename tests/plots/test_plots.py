"""Each picture draws what its frame says, whatever the names are, and without pyplot."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from math import nan

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from noiseflow import plots
from noiseflow.plots.canvas import BASELINE_COLOUR, WIDTH

NAMES = ["baseline", "input", "after", "weights"]
HOSTILE = ["baseline", "$x^{2$ <b>|", "n" * 63, "漢字 \U0001f600"]


def bands(names):
    epochs = np.arange(1, 100, 10)
    parts = []
    for name in names:
        for quantity, top in (("train_score", 1.0), ("test_score", 0.8)):
            mean = top - 0.3 * np.exp(-epochs / 20)
            parts.append(
                pd.DataFrame({"epoch": epochs, "mean": mean, "low": mean - 0.02, "high": mean + 0.02}).assign(
                    variant=name, quantity=quantity
                )
            )
    return pd.concat(parts, ignore_index=True)


def differences(names):
    return pd.DataFrame(
        {
            "variant": names,
            "verdict": [None, "better", "equivalent", "inconclusive"],
            "difference_mean": [nan, 0.03, 0.001, nan],
            "difference_ci_low": [nan, 0.02, -0.002, nan],
            "difference_ci_high": [nan, 0.04, 0.004, nan],
        }
    )


def final_scores(names):
    scores = pd.DataFrame({"variant": np.repeat(names[:3], 5), "score": [0.7, 0.7, 0.7, 0.75, 0.8] * 3})
    rows = pd.DataFrame({"variant": names, "mean": [0.73] * 3 + [nan], "std": [0.04] * 3 + [nan], "n": [5, 5, 5, 0]})
    published = pd.DataFrame({"variant": [names[1]], "score": [0.814], "percentile": [100.0]})
    return scores, rows, published


def circles(n_features=2):
    X = np.random.default_rng(0).normal(size=(20, n_features)).tolist()
    split = ["train"] * 8 + ["test"] * 12
    return pd.DataFrame(
        {"dataset": "d", "data_seed": 1, "split": split, "row": range(20), "X": X, "y": [0.0, 1.0] * 10}
    )


@pytest.fixture(scope="module", params=[NAMES, HOSTILE], ids=["plain", "hostile"])
def figures(request):
    """Every figure, drawn, with its PNG: kind -> (figure, PNG)."""
    names, colours = request.param, plots.variant_colours(request.param)
    drawn = {
        "data": plots.plot_data(circles()),
        "curves": plots.plot_learning_curves(bands(names), colours),
        "scores": plots.plot_final_scores(*final_scores(names), colours),
        "differences": plots.plot_differences(differences(names), 0.01, colours),
    }
    return {kind: (figure, plots.to_png(figure)) for kind, figure in drawn.items()}


def texts(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def size(png):
    with Image.open(BytesIO(png)) as image:
        return image.size


def test_variant_colours_are_stable_and_keep_the_baseline_neutral():
    colours = plots.variant_colours(NAMES)
    assert colours["baseline"] == BASELINE_COLOUR
    assert len(set(colours.values())) == len(NAMES)
    assert plots.variant_colours(["input", "baseline"])["input"] == colours["input"]


def test_variant_colours_suffice_for_any_number_of_variants():
    assert set(plots.variant_colours([f"v{i}" for i in range(50)])) == {"baseline", *(f"v{i}" for i in range(50))}


def test_plot_data_shows_each_class_and_split():
    figure = plots.plot_data(circles())
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == [
        "train, class 0 (4 rows)",
        "train, class 1 (4 rows)",
        "test, class 0 (6 rows)",
        "test, class 1 (6 rows)",
    ]


def test_plot_data_draws_nothing_but_two_features():
    assert plots.plot_data(circles(n_features=3)) is None


def test_plot_learning_curves_has_a_panel_a_variant_on_one_scale(figures):
    panels = figures["curves"][0].axes
    assert len(panels) == len(NAMES)
    assert len({axes.get_ylim() for axes in panels}) == 1


def test_plot_final_scores_shows_every_seed_even_where_scores_tie():
    figure = plots.plot_final_scores(*final_scores(NAMES), plots.variant_colours(NAMES), ceiling=0.843)
    strips = [c.get_offsets() for c in figure.axes[0].collections if len(c.get_offsets()) == 5]
    assert len(strips) == 3
    assert all(len(np.unique(np.round(strip, 9), axis=0)) == 5 for strip in strips)


def test_plot_final_scores_names_mean_published_run_and_ceiling():
    figure = plots.plot_final_scores(*final_scores(NAMES), plots.variant_colours(NAMES), ceiling=0.843)
    said = texts(figure)
    assert ".730 ± .040 (5 seeds)" in said
    assert "◇ published .814, percentile 100" in said
    assert "Bayes rule: .843" in said
    assert "no finished trial" in said


def test_plot_differences_writes_each_verdict_beside_its_interval():
    said = texts(plots.plot_differences(differences(NAMES), 0.01, plots.variant_colours(NAMES)))
    assert "+3.0 [+2.0, +4.0]" in said
    assert "no pair" in said
    assert {"better", "equivalent", "inconclusive"} <= set(said)


def test_plot_differences_of_a_baseline_alone_is_nothing():
    assert plots.plot_differences(differences(NAMES).head(1), 0.01, plots.variant_colours(NAMES)) is None


@pytest.mark.parametrize("kind", ["scores", "differences"])
def test_plots_keep_their_width_whatever_the_names(figures, kind):
    figure, png = figures[kind]
    extent = figure.get_tightbbox()
    assert size(png)[0] == 1600
    assert extent.x0 >= -0.05
    assert extent.x1 <= WIDTH + 0.05
    assert figure.axes[0].get_position().width > 0.35


def test_plots_use_no_letters_below_nine_points(figures):
    letters = [
        text
        for figure, _ in figures.values()
        for text in figure.findobj(lambda artist: hasattr(artist, "get_fontsize"))
        if text.get_text()
    ]
    assert min(text.get_fontsize() for text in letters) >= 9


def test_to_png_gives_the_same_bytes_from_many_threads_at_once():
    def draw(_):
        return plots.to_png(plots.plot_differences(differences(NAMES), 0.01, plots.variant_colours(NAMES)))

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(draw, range(4)))) == 1


def test_axes_show_whole_epochs_and_no_power_of_ten_over_the_labels():
    rows = [
        ("baseline", epoch, part, 2e6 + 1e6 * epoch, 1e6, 9e6)
        for part in ("train_score", "test_score")
        for epoch in (1, 2)
    ]
    drawn = pd.DataFrame(rows, columns=["variant", "epoch", "quantity", "mean", "low", "high"])
    figure = plots.plot_learning_curves(drawn, {"baseline": "#4d4d4d"})
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert all(float(tick) % 1 == 0 for tick in axes.get_xticks())
    assert axes.yaxis.get_offset_text().get_text() == ""
