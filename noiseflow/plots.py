"""Frames in, matplotlib Figures out; without pyplot, so that threads may draw at once and no display is needed."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from PIL import Image

from noiseflow.spec import BASELINE

WIDTH = 8.0  # inches; at 100 pixels an inch the column of the Prefect UI
DENSITY = 200  # pixels an inch of the PNG: twice the column, for dense screens
SMALL, NORMAL = 9.5, 10.5  # points
INK, MUTED, GRID = "#222222", "#5f5f5f", "#dddddd"
BASELINE_COLOUR = "#4d4d4d"
OKABE_ITO = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
LABEL_WIDTH = 24  # characters
CLASS_MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
VERDICT_WEIGHTS = {"better": "bold", "worse": "bold"}


def variant_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each variant, stable for a study: dark grey for the baseline, Okabe and Ito's for the others.

    References: Okabe and Ito (2008), Color Universal Design.
    """
    others = [name for name in names if name != BASELINE]
    return {BASELINE: BASELINE_COLOUR} | dict(zip(others, cycle(OKABE_ITO), strict=False))


def plot_data(data: pd.DataFrame) -> Figure | None:
    """Scatter of two-feature classification data: colour and marker a class, train filled, test hollow.

    data: dataset, data_seed, split, row, X (two features), y. Of each dataset its first data seed is drawn, others with
    two features beside it; None where no dataset has two features and at most ten classes.
    """
    shown = [(str(name), rows) for name, rows in data.groupby("dataset", sort=False) if _drawable_data(rows)]
    if not shown:
        return None
    figure, panels = _figure(len(shown), columns=min(2, len(shown)), height=4.6, share=False)
    for axes, (name, rows) in zip(panels, shown, strict=True):
        first = rows[rows["data_seed"] == rows["data_seed"].iloc[0]]
        _scatter(axes, first)
        _label(axes, x="feature 1 (dimensionless)", y="feature 2 (dimensionless)", title=name if len(shown) > 1 else "")
        axes.set_aspect("equal", adjustable="box")
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=SMALL, labelcolor=INK)
    return figure


def plot_learning_curves(bands: pd.DataFrame, colours: Mapping[str, str], score_label: str = "accuracy") -> Figure:
    """Small multiples, a panel a variant: train and test score over epochs, mean line and band over seeds.

    bands: variant, epoch, quantity (train_score, test_score), mean, low, high, of one dataset and architecture.
    """
    names = list(dict.fromkeys(bands["variant"]))
    columns = min(3, len(names))
    figure, panels = _figure(len(names), columns=columns, height=2.5 if columns > 1 else 4.0)
    reference = bands[(bands["variant"] == BASELINE) & (bands["quantity"] == "test_score")]
    for axes, name in zip(panels, names, strict=True):
        mine = bands[bands["variant"] == name]
        _band(axes, mine[mine["quantity"] == "train_score"], colours[name], "--")
        _band(axes, mine[mine["quantity"] == "test_score"], colours[name], "-")
        if name != BASELINE:
            axes.plot(reference["epoch"], reference["mean"], color=BASELINE_COLOUR, linewidth=1, linestyle=":")
        _label(axes, title=_wrapped(name, 24 if columns > 1 else 70))
        axes.tick_params(labelbottom=True)
    for axes in panels[::columns]:
        _label(axes, y=score_label)
    figure.supxlabel("epoch", fontsize=NORMAL, color=INK)
    _curve_legend(figure, with_reference=len(names) > 1)
    return figure


def plot_final_scores(
    scores: pd.DataFrame,
    rows: pd.DataFrame,
    published: pd.DataFrame,
    colours: Mapping[str, str],
    *,
    ceiling: float | None = None,
    score_label: str = "test accuracy at the last epoch (fraction of rows)",
) -> Figure:
    """Each seed's final score: a row a variant with stacked dots above a box, published runs as diamonds.

    scores: variant, score. rows, in the order to be drawn: variant, mean, std, n. published, none or more a variant:
    variant, score, percentile. ceiling: the Bayes rule's score, a labelled line.
    """
    figure, (axes,) = _figure(1, height=1.2 + 0.85 * len(rows))  # four lines of a label fit
    finite = scores[np.isfinite(scores["score"])]
    bins = _bin_width(finite["score"].to_numpy(dtype=float))
    for at, row in enumerate(rows.to_dict("records")):
        values = finite.loc[finite["variant"] == row["variant"], "score"].to_numpy(dtype=float)
        _strip(axes, values, -at, colours[str(row["variant"])], bins)
        runs = published[published["variant"] == row["variant"]].to_dict("records")
        _published_marks(axes, runs, -at)
        _margin_note(axes, -at, _score_note(row, runs))
    if ceiling is not None:
        axes.axvline(ceiling, color=INK, linewidth=1.2, linestyle="--", zorder=1)
        text = f"Bayes rule on these rows: {_fraction(ceiling)}"
        axes.text(ceiling, 1.01, text, transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=SMALL)
    _rows(axes, [str(name) for name in rows["variant"]])
    _label(axes, x=score_label)
    return figure


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
    their line and say so. names: labels of its rows where the variant alone does not tell them apart. Differences are
    multiplied by `scale` into `unit`. None where there is nothing but baselines.
    """
    labels = list(summary["variant"]) if names is None else list(names)
    pairs = zip(labels, summary.to_dict("records"), strict=True)
    shown = [(label, row) for label, row in pairs if row["variant"] != BASELINE]
    if not shown:
        return None
    figure, (axes,) = _figure(1, height=1.2 + _row_height([label for label, _ in shown]) * len(shown))
    axes.axvspan(-margin * scale, margin * scale, color="#ececec", linewidth=0, zorder=0)
    axes.axvline(0, color=INK, linewidth=1, zorder=1)
    for at, (_, row) in enumerate(shown):
        mean, low, high = (scale * float(row[f"difference_{name}"]) for name in ("mean", "ci_low", "ci_high"))
        colour = colours[str(row["variant"])]
        axes.plot([low, high], [-at, -at], color=colour, linewidth=2.2, solid_capstyle="butt", zorder=2)
        axes.plot([low, high], [-at, -at], "|", color=colour, markersize=9, markeredgewidth=2, zorder=2)
        axes.plot(mean, -at, "o", color=colour, markersize=7, zorder=3)
        verdict = str(row["verdict"])
        numbers = _interval(mean, low, high, decimals=1 if scale == 100.0 else 3)
        _margin_note(axes, -at, [(numbers, "normal"), (verdict, VERDICT_WEIGHTS.get(verdict, "normal"))])
    text = f"within ± {margin * scale:g}: not worth having"
    axes.text(
        0, 1.01, text, transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=SMALL, color=MUTED
    )
    _rows(axes, [label for label, _ in shown])
    _label(axes, x=f"difference to the baseline on the same seeds ({unit})")
    return figure


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG of a palette of 128 colours, 1,600 pixels wide; the same figure gives the same bytes."""
    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DENSITY, facecolor="white")
    with Image.open(drawn) as image:
        colours = image.convert("RGB").quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    colours.save(packed, format="png", optimize=True)
    return packed.getvalue()


def _figure(n_panels: int, columns: int = 1, height: float = 3.0, *, share: bool = True) -> tuple[Figure, list[Axes]]:
    """A figure of the column's width with `n_panels` plain axes, `height` inches a row of panels."""
    n_rows = -(-n_panels // columns)
    figure = Figure(figsize=(WIDTH, height * n_rows), layout="constrained")
    grid = figure.subplots(n_rows, columns, sharex=share, sharey=share, squeeze=False)
    panels = cast("list[Axes]", list(grid.flat))
    for axes in panels[n_panels:]:
        axes.remove()
    for axes in panels[:n_panels]:
        axes.grid(color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(MUTED)
        axes.tick_params(labelsize=SMALL, labelcolor=INK, color=MUTED)
    return figure, panels[:n_panels]


def _label(axes: Axes, x: str | None = None, y: str | None = None, title: str | None = None) -> None:
    if x is not None:
        axes.set_xlabel(_text(x), fontsize=NORMAL, color=INK, parse_math=False)
    if y is not None:
        axes.set_ylabel(_text(y), fontsize=NORMAL, color=INK, parse_math=False)
    if title is not None:
        axes.set_title(_text(title), fontsize=NORMAL, color=INK, loc="left", parse_math=False)


def _text(text: str) -> str:
    """The text with a box for each character that the font lacks: a foreign name must not stop a report."""
    font = get_font(findfont("DejaVu Sans"))
    return "".join(c if c == "\n" or font.get_char_index(ord(c)) else "\N{WHITE SQUARE}" for c in text)


def _wrapped(name: str, width: int) -> str:
    return "\n".join(textwrap.wrap(name, width, max_lines=4, placeholder=" …", break_on_hyphens=False)) or name


def _row_height(labels: Sequence[str]) -> float:
    lines = max(_wrapped(label, LABEL_WIDTH).count("\n") + 1 for label in labels)
    return max(0.5, 0.1 + 0.17 * lines)


def _rows(axes: Axes, names: Sequence[str]) -> None:
    """Makes the y axis a list of names, the first on top."""
    labels = [_text(_wrapped(name, LABEL_WIDTH)) for name in names]
    axes.set_yticks([-at for at in range(len(names))], labels, parse_math=False)
    axes.tick_params(axis="y", length=0, labelsize=SMALL if any("\n" in label for label in labels) else NORMAL)
    axes.set_ylim(-len(names) + 0.5, 0.5)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def _margin_note(axes: Axes, at: float, lines: Sequence[tuple[str, str]]) -> None:
    """Writes (text, weight) lines at the right of a row."""
    for i, (text, weight) in enumerate(lines):
        axes.annotate(
            _text(text),
            (1.0, at),
            xycoords=axes.get_yaxis_transform(),
            xytext=(8, 6.5 * (len(lines) - 1) - 13 * i),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            weight=weight,
            color=INK,
            parse_math=False,
            annotation_clip=False,
        )


def _drawable_data(rows: pd.DataFrame) -> bool:
    return all(len(x) == 2 for x in rows["X"]) and rows["y"].nunique() <= len(CLASS_MARKS)


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


def _band(axes: Axes, band: pd.DataFrame, colour: str, style: str) -> None:
    axes.fill_between(band["epoch"], band["low"], band["high"], color=colour, alpha=0.22, linewidth=0)
    axes.plot(band["epoch"], band["mean"], color=colour, linewidth=1.8, linestyle=style)


def _curve_legend(figure: Figure, *, with_reference: bool) -> None:
    handles: list[Any] = []
    kinds = [("-", 1.8, "test"), ("--", 1.8, "train")]
    if with_reference:
        kinds.append((":", 1.0, "baseline's test"))
    for style, width, label in kinds:
        handles += Axes.plot(figure.axes[0], [], [], linestyle=style, linewidth=width, color=INK, label=label)
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), frameon=False, fontsize=SMALL)


def _bin_width(values: npt.NDArray[np.float64]) -> float:
    """Scores closer than this overlap as dots, so they are stacked."""
    spread = float(np.ptp(values)) if values.size else 0.0
    return spread / 90 or 1.0


def _strip(axes: Axes, values: npt.NDArray[np.float64], at: float, colour: str, bins: float) -> None:
    """Dots stacked upwards where scores tie, and a box with median, quartiles and range below them."""
    if not values.size:
        axes.text(0.5, at, "no finished trial", transform=axes.get_yaxis_transform(), ha="center", color=MUTED)
        return
    values = np.sort(values)
    _, group, sizes = np.unique(np.rint(values / bins), return_inverse=True, return_counts=True)
    rank = np.arange(values.size) - np.searchsorted(group, group)
    step = min(0.07, 0.58 / max(1, int(sizes.max()) - 1))
    axes.scatter(values, at - 0.14 + rank * step, s=15, color=colour, alpha=0.85, linewidths=0, zorder=3)
    axes.boxplot(
        values,
        positions=[at - 0.3],
        widths=0.14,
        orientation="horizontal",
        whis=(0, 100),
        manage_ticks=False,
        showcaps=False,
        patch_artist=True,
        boxprops={"facecolor": "white", "edgecolor": colour, "linewidth": 1.2},
        medianprops={"color": colour, "linewidth": 2.2},
        whiskerprops={"color": colour, "linewidth": 1.2},
    )


def _published_marks(axes: Axes, runs: Sequence[Mapping[Any, Any]], at: float) -> None:
    for run in runs:
        axes.scatter(
            run["score"], at - 0.3, s=64, marker="D", facecolors="none", edgecolors=INK, linewidths=1.6, zorder=4
        )


def _score_note(row: Mapping[Any, Any], runs: Sequence[Mapping[Any, Any]]) -> list[tuple[str, str]]:
    n = int(row["n"])
    spread = f" ± {_fraction(row['std'])}" if np.isfinite(row["std"]) else ""
    lines = [(f"{_fraction(row['mean'])}{spread} ({n} {'seed' if n == 1 else 'seeds'})", "normal")] if n else []
    for run in runs[:2]:
        percentile = f", percentile {run['percentile']:.0f}" if np.isfinite(run["percentile"]) else ""
        lines.append((f"◇ published {_fraction(run['score'])}{percentile}", "normal"))
    return lines


def _fraction(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"


def _interval(mean: float, low: float, high: float, decimals: int) -> str:
    if not np.isfinite(mean):
        return "no pair"
    bounds = f" [{low:+.{decimals}f}, {high:+.{decimals}f}]" if np.isfinite(low) else ""
    return f"{mean:+.{decimals}f}{bounds}".replace("-", "\N{MINUS SIGN}")
