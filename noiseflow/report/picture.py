"""A picture of the report, and which pictures fit on the page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from math import isfinite
from typing import Any

import pandas as pd

from noiseflow.plots import Figure, narrow_form, to_png, variant_colours
from noiseflow.scores import score_of_column
from noiseflow.study import Study
from noiseflow.wording import listed

MOST_POINTS = 250  # of a line that can be hovered
ROOM = 650_000  # bytes of PNG: as base64, beside the text, within what an artifact may hold


Renderer = Callable[[Callable[[Figure], bytes], Figure], bytes]
"""Calls a function of a figure, such as `to_png`, somewhere: here or in another process."""


def render_here(function: Callable[[Figure], bytes], figure: Figure) -> bytes:
    """Calls the function in this process."""
    return function(figure)


@dataclass(frozen=True)
class Picture:
    """A picture on the page.

    Attributes:
        name: of its file.
        draw: gives the figure, in the form in force; None where there is nothing to draw.
        alt: what it shows, in place of it.
        caption: what to see in it.
        live: lines to hover and zoom in place of it, as `live_lines` gives them.
        rank: its place within its section, from 0; where room is short, lower ranks of all sections come first.
        png: the file.
        narrow: the same for a phone.
    """

    name: str
    draw: Callable[[], Figure | None] = field(repr=False, compare=False)
    alt: str
    caption: str
    live: Mapping[str, Any] | None = None
    rank: int = 0
    png: bytes = b""
    narrow: bytes = b""

    @property
    def narrow_address(self) -> str:
        """The narrow form as a data: address."""
        return data_address(self.narrow)

    @property
    def address(self) -> str:
        """The picture as a data: address."""
        return data_address(self.png)

    @property
    def width(self) -> int:
        """Width on the page in pixels: the PNG has two for each."""
        return int.from_bytes(self.png[16:20]) // 2

    @property
    def height(self) -> int:
        """Height on the page in pixels."""
        return int.from_bytes(self.png[20:24]) // 2


def fitting(
    sections: Iterable[Iterator[Picture | str]], room: int = ROOM, renderer: Renderer = render_here
) -> list[Picture]:
    """The pictures that fit into so many bytes, in the order of their sections.

    Room is given in turns: the first picture of each section, then the second of each. If a picture does not fit, or
    a section's last picture would not fit a second time, the section has no more. The last caption names what did not fit, and
    holds the sentences that sections give in place of pictures. Those that fit are drawn in their narrow form too.

    Args:
        renderer: calls the function that makes the PNG of a narrow form, in a thread of this process or in another process.
    """
    with ThreadPoolExecutor(1) as thread:
        pictures = _with_narrow_forms(sections, room, lambda figure: thread.submit(renderer, to_png, figure))
        return [picture if slim is None else replace(picture, narrow=slim.result()) for picture, slim in pictures]


def _with_narrow_forms(
    sections: Iterable[Iterator[Picture | str]], room: int, begin: Callable[[Figure], Future[bytes]]
) -> list[tuple[Picture, Future[bytes] | None]]:
    """The pictures, each with its narrow form that is on its way."""
    sources = dict(enumerate(sections))
    kept: dict[int, list[Picture]] = {at: [] for at in sources}
    slims: dict[str, Future[bytes]] = {}
    left_out, sentences = [], []
    for rank in count():
        for at, source in list(sources.items()):
            part = next(source, None)
            if isinstance(part, str):
                sentences.append(part)
                continue
            is_large = bool(kept[at]) and len(kept[at][-1].png) > room  # as large as the one before, likely
            figure = part.draw() if part and not is_large else None
            png = to_png(figure) if figure else b""
            if part is None or is_large or len(png) > room:
                del sources[at]
                left_out += [part.name.removesuffix(".png")] if part else []
            elif png:
                with narrow_form():
                    slim = part.draw()
                kept[at].append(replace(part, rank=rank, png=png))
                if slim:
                    slims[part.name] = begin(slim)
                room -= len(png)
        if not sources:
            break
    if left_out:
        sentences.insert(0, f"For lack of room there is no picture of {listed(left_out)}.")
    pictures = [picture for drawn in kept.values() for picture in drawn]
    if sentences and pictures:
        pictures[-1] = replace(pictures[-1], caption=" ".join([pictures[-1].caption, *sentences]))
    return [(picture, slims.get(picture.name)) for picture in pictures]


def live_lines(
    x_label: str, y_label: str, lines: Iterable[tuple[str, str, bool, pd.DataFrame]], *, logarithmic: bool = False
) -> dict[str, Any]:
    """What the page's script draws lines from.

    Args:
        lines: name, colour, whether dashed, and rows of x, mean, low and high; at most MOST_POINTS of each are kept.
        logarithmic: whether the x axis is.
    """
    drawn = []
    for name, colour, dashed, rows in lines:
        kept = rows.sort_values("x").iloc[:: max(1, -(-len(rows) // MOST_POINTS))]
        values = {key: [_plain(value) for value in kept[key]] for key in ("x", "mean", "low", "high")}
        drawn.append({"name": name, "colour": colour, "dashed": dashed, **values})
    return {"x": x_label, "y": y_label, "log": logarithmic, "lines": drawn}


def _plain(value: float) -> float | None:
    return float(f"{value:.5g}") if isfinite(value) else None


def data_address(png: bytes) -> str:
    """The PNG as a data: address."""
    return f"data:image/png;base64,{b64encode(png).decode()}"


def numbered(name: str, at: int, of: int) -> str:
    """`name.png`, or `name-2.png` where there are several."""
    return f"{name}.png" if of == 1 else f"{name}-{at}.png"


def scale_and_unit(score_name: str, compared: str) -> tuple[float, str]:
    """What differences of this score are multiplied by to be drawn, and their unit then, with what is compared."""
    score = score_of_column(score_name)
    unit = score.unit.replace(score.label, compared)
    return score.scale, unit if compared in unit else f"{unit}, {compared}"


def colours_of(study: Study) -> dict[str, str]:
    """A colour for each variant; its strengths have its own."""
    colours = variant_colours([variant.name for variant in study.variants])
    return colours | {member.name: colours[variant.name] for variant in study.variants for member in variant.members}
