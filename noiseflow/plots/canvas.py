"""What all plots share: size, letters and colours, rows with notes beside them, and the PNG."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import cycle
from typing import Any, cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.lines import Line2D
from PIL import Image
from scipy import special

from noiseflow.base.values import BASELINE

WIDTH = 8.0  # inches; at 100 pixels an inch the column of the Prefect UI
NARROW_WIDTH, NARROW_LABEL = 3.9, 46  # inches, and characters of a line, for a phone
DENSITY = 200  # pixels an inch of the PNG: twice the column, for dense screens
N_COLOURS, NEARLY_WHITE = 128, 248  # of a PNG; levels from which on a colour is white
SAMPLED = 3  # every third pixel of every third line chooses the palette: a tenth of the time
PACKED = 7  # of 9, which takes five times as long for a tenth less
SMALL, NORMAL = 9.5, 10.5  # points
INK, MUTED, GRID = "#222222", "#5f5f5f", "#dddddd"
BASELINE_COLOUR = "#4d4d4d"
OKABE_ITO = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "v", "P", "X")  # beside the colours, for a print in grey
LABEL_WIDTH = 24  # characters
LEGEND_WIDTH, HANDLE_WIDTH = 100, 7  # characters of a legend's line; that a line's sample and its gaps take

_narrow: ContextVar[bool] = ContextVar("narrow", default=False)


@contextmanager
def narrow_form() -> Iterator[None]:
    """Within it, pictures are drawn for a phone: one panel beneath the other, notes below the names of their rows."""
    token = _narrow.set(True)
    try:
        yield
    finally:
        _narrow.reset(token)


def variant_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each variant, stable for a study: dark grey for the baseline, Okabe and Ito's for the others.

    References: Okabe and Ito (2008), Color Universal Design.
    """
    others = [name for name in names if name != BASELINE]
    return {BASELINE: BASELINE_COLOUR} | dict(zip(others, cycle(OKABE_ITO), strict=False))


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG of a palette of 128 colours, 1,600 pixels wide; the same figure gives the same bytes."""
    canvas: Any = FigureCanvasAgg(figure)  # its methods are untyped
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    packed = io.BytesIO()
    image.quantize(palette=_palette(image), dither=Image.Dither.NONE).save(packed, format="png", compress_level=PACKED)
    return packed.getvalue()


def _palette(image: Image.Image) -> Image.Image:
    """An image with the palette: white, and the means of the other colours; Pillow takes what is near for one another."""
    sample = image.resize((image.width // SAMPLED, image.height // SAMPLED), Image.Resampling.NEAREST)
    found = sample.quantize(N_COLOURS - 1, method=Image.Quantize.MEDIANCUT).getpalette() or []
    means = np.array(found).reshape(-1, 3)
    palette = Image.new("P", (1, 1))
    palette.putpalette([255, 255, 255, *means[means.min(axis=1) < NEARLY_WHITE].ravel().tolist()])
    return palette


def blank_figure(
    n_panels: int, columns: int = 1, height: float = 3.0, *, share: bool = True
) -> tuple[Figure, list[Axes]]:
    """A figure of the column's width with `n_panels` plain axes, `height` inches a row of panels."""
    if is_narrow():
        width, height, columns = NARROW_WIDTH, height * (1.0 if columns == 1 else 0.85), 1
    else:
        width = WIDTH
    n_rows = -(-n_panels // columns)
    figure = Figure(figsize=(width, height * n_rows), dpi=DENSITY, layout="constrained")
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
        axes.ticklabel_format(style="plain", useOffset=False)  # no 1e6 over the labels
    return figure, panels[:n_panels]


def label_axes(axes: Axes, x: str | None = None, y: str | None = None, title: str | None = None) -> None:
    """Writes the labels and the title that are given."""
    if is_narrow():
        x, y, title = (None if text is None else wrapped(text, NARROW_LABEL - 14) for text in (x, y, title))
    if x is not None:
        axes.set_xlabel(_text(x), fontsize=NORMAL, color=INK, parse_math=False)
    if y is not None:
        axes.set_ylabel(_text(y), fontsize=NORMAL, color=INK, parse_math=False)
    if title is not None:
        axes.set_title(_text(title), fontsize=NORMAL, color=INK, loc="left", parse_math=False)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Makes the y axis a list of names, the first on top."""
    notes: dict[float, list[str]] = getattr(axes, "notes", {})
    labels = ["\n".join([_text(wrapped(name, LABEL_WIDTH)), *notes.get(-at, [])]) for at, name in enumerate(names)]
    axes.set_yticks([-at for at in range(len(names))], labels, parse_math=False)
    axes.tick_params(axis="y", length=0, labelsize=SMALL if any("\n" in label for label in labels) else NORMAL)
    axes.set_ylim(-len(names) + 0.5, 0.5)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def row_height(labels: Sequence[str]) -> float:
    """Inches that a row needs for the longest of its labels."""
    lines = max(wrapped(label, LABEL_WIDTH).count("\n") + 1 for label in labels) + 2 * is_narrow()
    return max(0.5, 0.1 + 0.17 * lines)


def note_beside(axes: Axes, at: float, lines: Sequence[tuple[str, str]]) -> None:
    """Writes (text, weight) lines at the right of a row; in the narrow form below its name, which `name_rows` writes."""
    if is_narrow():
        axes.notes = {**getattr(axes, "notes", {}), at: [_text(text) for text, _ in lines]}  # type: ignore[attr-defined]
        return
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


def note_above(axes: Axes, at: float, text: str, colour: str) -> None:
    """Writes text over the top edge, centred at x = `at`."""
    axes.text(
        at, 1.01, text, transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=SMALL, color=colour
    )


def legend_above(figure: Figure, handles: Sequence[Artist]) -> None:
    """A legend above the panels, in one line; in the narrow form of as many columns as there is room for."""
    columns = _columns([str(handle.get_label()) for handle in handles]) if is_narrow() else len(handles)
    figure.legend(handles=handles, loc="outside upper right", ncols=columns, frameon=False, fontsize=SMALL)


def is_narrow() -> bool:
    """Whether pictures are drawn for a phone."""
    return _narrow.get()


def _columns(labels: Sequence[str]) -> int:
    longest = max(len(line) for label in labels for line in label.split("\n"))
    width = NARROW_LABEL if is_narrow() else LEGEND_WIDTH
    return max(1, min(len(labels), width // (longest + HANDLE_WIDTH)))


def name_lines(figure: Figure, handles: Sequence[Line2D], names: Sequence[str]) -> None:
    """A legend above the panels, of as many columns as the names leave room for."""
    labels = [_text(wrapped(name, LABEL_WIDTH)) for name in names]
    legend = figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=_columns(labels),
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def t_half_width(std: float, n: float, level: float = 0.95) -> float:
    """Half the width of Student's interval of a mean of n values with this standard deviation; NaN below two."""
    return float(std / np.sqrt(n) * special.stdtrit(n - 1, (1 + level) / 2)) if n > 1 else float("nan")


def wrapped(name: str, width: int) -> str:
    """The name on at most four lines of `width` characters."""
    return "\n".join(textwrap.wrap(name, width, max_lines=4, placeholder=" …", break_on_hyphens=False)) or name


def _text(text: str) -> str:
    """The text with a box for each character that the font lacks: a foreign name must not stop a report."""
    font = get_font(findfont("DejaVu Sans"))
    return "".join(c if c == "\n" or font.get_char_index(ord(c)) else "\N{WHITE SQUARE}" for c in text)
