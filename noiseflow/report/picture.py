"""A picture of a report, and what a part of its evidence is called in it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

import pandas as pd

from noiseflow import wording
from noiseflow.plots import variant_colours
from noiseflow.spec import Study
from noiseflow.statistics import GROUP

SCORE_COLUMN = "score_name"


@dataclass(frozen=True)
class Picture:
    """A picture on the page: file name, PNG, what it shows in place of it, and what to see in it."""

    name: str
    png: bytes
    alt: str
    caption: str

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


@dataclass(frozen=True)
class Group:
    """A dataset and architecture, its rows of the summary, and what tells its files and captions from the others'."""

    dataset: str
    architecture: str
    rows: pd.DataFrame
    number: int | None  # None if it is the only one

    @property
    def suffix(self) -> str:
        """Ends the name of its files."""
        return f"-{self.number}" if self.number else ""

    @property
    def where(self) -> str:
        """` on circles/mlp`, where there are others."""
        return f" on {self.dataset}/{self.architecture}" if self.number else ""

    @property
    def score_name(self) -> str:
        """`test accuracy`."""
        return wording.score_name(self.rows.iloc[0].to_dict())

    @property
    def variants(self) -> list[str]:
        """Its variants, in their order."""
        return [str(name) for name in self.rows["variant"]]

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of a frame that belong to it."""
        return frame[(frame["dataset"] == self.dataset) & (frame["architecture"] == self.architecture)]


def data_address(png: bytes) -> str:
    """The PNG as a data: address."""
    return f"data:image/png;base64,{b64encode(png).decode()}"


def groups_of(summary: pd.DataFrame) -> list[Group]:
    """Each dataset and architecture of a summary."""
    groups = summary.groupby(GROUP, sort=False)
    return [
        Group(str(dataset), str(architecture), rows, number if len(groups) > 1 else None)
        for number, ((dataset, architecture), rows) in enumerate(groups, start=1)
    ]


def scale_and_unit(score_name: str) -> tuple[float, str]:
    """What differences of this score are multiplied by to be drawn, and their unit then."""
    row = {SCORE_COLUMN: score_name}
    return (100.0, "percentage points of accuracy") if wording.is_accuracy(row) else (1.0, wording.unit(row))


def colours_of(study: Study) -> dict[str, str]:
    """A colour for each variant; its strengths have its own."""
    colours = variant_colours([variant.name for variant in study.variants])
    return colours | {member.name: colours[variant.name] for variant in study.variants for member in variant.members}
