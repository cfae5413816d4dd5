"""A forecast of noise on a dataset, from the most similar datasets of the atlas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from noiseflow.atlas.traits import Traits, traits_of
from noiseflow.statistics.power import seeds_needed
from noiseflow.study import Dataset
from noiseflow.study.draft import STRENGTHS

FILE = Path(str(files("noiseflow.atlas") / "atlas.parquet"))
"""A row a dataset, place and strength; `benchmarks/atlas.py` makes it.

dataset, source: which. task to plain: its traits. baseline: score of the network without noise, accuracy or R².
place, strength: of gaussian noise, in stddevs. n: pairs. gain: mean difference to the baseline; low, high: its 95 % band, with
all places and strengths counted. std: of the differences. verdict: as in a summary.
"""
NEIGHBOURS = 7
MARGIN = 0.01
LEVEL = 0.95


@dataclass(frozen=True)
class Advice:
    """What the most similar datasets say.

    Attributes:
        traits: of the dataset that was asked for.
        like: names of the most similar datasets, the nearest first.
        n_helped: on how many of them some noise is clearly better.
        n_hurt: on how many none is, and some is clearly worse.
        place, strength: where to start: the largest mean gain on them.
        strengths: the strength of the largest mean gain at each place.
        gain, low, high: mean gain to expect there, with a 95 % prediction interval for one more such dataset. Each of the
            datasets is scored with the start that the others choose, so that the choice of the best does not flatter it.
        seeds: that would find a difference of MARGIN, by the median spread; infinite where none would, as where the same
            few rows are split again.
        n_all, n_gained, gain_all: the same advice tried on each dataset of the atlas as if it were unknown: how many there
            are, on how many the start gained, and the mean gain.
    """

    traits: Traits
    like: tuple[str, ...]
    n_helped: int
    n_hurt: int
    place: str
    strength: float
    strengths: Mapping[str, float]
    gain: float
    low: float
    high: float
    seeds: float
    n_all: int
    n_gained: int
    gain_all: float

    def lines(self) -> list[str]:
        """The advice as sentences."""
        traits, unit = self.traits, ("points" if self.traits.n_classes else "of R²")
        scale = 100 if traits.n_classes else 1
        digits = 1 if traits.n_classes else 3
        gain, low, high, everywhere = (
            f"{scale * value:+.{digits}f}".replace("-", "−")
            for value in (self.gain, self.low, self.high, self.gain_all)
        )
        what = f"{traits.n_classes} classes" if traits.n_classes else "numbers"
        start = "Start with" if self.gain > 0 else "Noise is not expected to help. To try it all the same, start with"
        n, least = len(self.like), "a point" if traits.n_classes else f"{MARGIN:g} of R²"
        takes = (
            f"To find a difference of {least} takes about {self.seeds:,.0f} seeds: noiseflow run STUDY --until decided."
            if np.isfinite(self.seeds)
            else f"No number of splits of so few rows finds a difference of {least}: more rows would."
        )
        return [
            f"{traits.n_train:,} training rows of {traits.width:,} features, {what}. Of the {self.n_all} datasets of the atlas",
            f"with this task the {n} most like it are {', '.join(self.like)}.",
            f"On {self.n_helped} of these {n} some noise clearly helped, on {self.n_hurt} it only hurt.",
            "",
            f"{start} gaussian noise at {self.place}, stddev {self.strength:g}.",
            f"To expect: {gain} {unit} ({low} to {high} for one more such dataset).",
            takes,
            "",
            "This is weak evidence: the datasets are small, and were trained with one network. Tried on each of the",
            f"{self.n_all} as if it were unknown, such a start gained on {self.n_gained}; its mean was {everywhere} {unit}.",
            "Only a study with your data answers.",
        ]


def read_atlas() -> pd.DataFrame:
    """The rows that ship."""
    return pd.read_parquet(FILE)


def advise(traits: Traits, atlas: pd.DataFrame | None = None) -> Advice:
    """What the datasets most like this one say.

    Args:
        atlas: rows as in FILE, which they are unless given.

    Raises:
        ValueError: the atlas holds too few datasets of this task.
    """
    rows = read_atlas() if atlas is None else atlas
    rows = rows[rows["task"] == traits.task]
    if rows["dataset"].nunique() <= NEIGHBOURS:
        raise ValueError(f"the atlas holds too few datasets for a {traits.task}")
    near = _nearest(rows, traits)
    mine = rows[rows["dataset"].isin(near)]
    place, strength = _start(mine)
    gains = np.array([_gain(mine, name, _start(mine[mine["dataset"] != name])) for name in near])
    half = gains.std(ddof=1) * sqrt(1 + 1 / len(near)) * stats.t.ppf((1 + LEVEL) / 2, len(near) - 1)
    helped, hurt = (set(mine.loc[clear, "dataset"]) for clear in (mine["low"] > 0, mine["high"] < 0))
    tried = np.array([_left_out(rows, name) for name in rows["dataset"].unique()])
    return Advice(
        traits=traits,
        like=tuple(near),
        n_helped=len(helped),
        n_hurt=len(hurt - helped),
        place=place,
        strength=strength,
        strengths={where: _start(mine[mine["place"] == where])[1] for where in mine["place"].unique()},
        gain=float(gains.mean()),
        low=float(gains.mean() - half),
        high=float(gains.mean() + half),
        seeds=float(seeds_needed(_at(mine, place, strength)["std"].median(), MARGIN, ratio=traits.ratio)),
        n_all=len(tried),
        n_gained=int((tried > 0).sum()),
        gain_all=float(tried.mean()),
    )


def strengths_for(dataset: Dataset) -> tuple[Mapping[str, float], str]:
    """Stddevs by place that a study of a dataset may begin with, and why, in a line; STRENGTHS for unlike datasets."""
    try:
        advice = advise(traits_of(dataset))
    except ValueError:
        return STRENGTHS, ""
    why = f"They were the best on the {len(advice.like)} datasets most like this one: noiseflow advise shows which."
    return advice.strengths, why


def _nearest(rows: pd.DataFrame, traits: Traits) -> list[str]:
    """Names of the datasets most like it, the nearest first."""
    own = rows.drop_duplicates("dataset")
    distances = [traits.distance(_traits(row)) for row in own.to_dict("records")]
    return [str(own["dataset"].iloc[at]) for at in np.argsort(distances, kind="stable")[:NEIGHBOURS]]


def _traits(row: Mapping[Any, Any]) -> Traits:
    return Traits(**{field.name: row[field.name] for field in fields(Traits) if field.name in row})


def _start(rows: pd.DataFrame) -> tuple[str, float]:
    """The place and strength of the largest mean gain."""
    means = rows.groupby(["place", "strength"], as_index=False)["gain"].mean()
    best = means.loc[means["gain"].idxmax()]
    return str(best["place"]), float(best["strength"])


def _at(rows: pd.DataFrame, place: str, strength: float) -> pd.DataFrame:
    return rows[(rows["place"] == place) & (rows["strength"] == strength)]


def _gain(rows: pd.DataFrame, name: str, start: tuple[str, float]) -> float:
    return float(_at(rows[rows["dataset"] == name], *start)["gain"].iloc[0])


def _left_out(rows: pd.DataFrame, name: str) -> float:
    """What a dataset gains from the start that the others give it."""
    own, others = rows[rows["dataset"] == name], rows[rows["dataset"] != name]
    near = _nearest(others, _traits(own.iloc[0].to_dict()))
    return _gain(rows, name, _start(others[others["dataset"].isin(near)]))
