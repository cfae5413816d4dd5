"""One band for all comparisons of a study: every verdict is read off it, and all are right together at the level.

Signs are flipped jointly where pairs are independent: one vector of flips a seed for all comparisons. Where they cannot be
flipped the band is Student's, with the correlation of the comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, isfinite, nan, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from noiseflow.statistics.estimate import Estimate
from noiseflow.statistics.inference import ALPHA, RESOLUTION, Array, in_ticks, is_constant, least_pairs

SEED = 2018
"""Fixed, so that a summary computed again from the same trials is the same."""
N_FLIPS, FEWER_FLIPS = 8_192, 4_096
MANY, MANY_PAIRS = 200, 1_000
"""Comparisons, and pairs, above which FEWER_FLIPS have to do."""
BLOCK = 4_000_000  # signs at a time
MOST_FREEDOM = 1e9  # degrees of freedom above which Student's distribution is the normal one
NEAR = 1e-9  # statistics closer than this are equal
LEAST_TAIL, MOST_TAIL, WIDER = 0.1, 2.0, 3.0


@dataclass(frozen=True)
class PairedDifferences:
    """The differences of one comparison, as a band is put around them.

    Attributes:
        differences: (n,), of its pairs.
        units: (n,), the seed of each pair; the signs of one seed are flipped together.
        estimate: of their mean where signs cannot be flipped, else None.
        group: estimates of one group may be correlated.
        profile: one value for each independent unit (a data seed, or a test row), if known; two estimates of a group are as
            correlated as their profiles.
        alpha: its level.
        guarded: whether a long tail of its differences moves an end of the band.
    """

    differences: Array
    units: npt.NDArray[Any]
    estimate: Estimate | None = None
    group: object = None
    profile: Array | None = field(default=None, repr=False)
    alpha: float = ALPHA
    guarded: bool = True

    @property
    def speaks(self) -> bool:
        """Whether it has an interval."""
        return self.differences.size > 1 if self.estimate is None else isfinite(self.estimate.error)


@dataclass(frozen=True)
class Band:
    """The part of the band that is one comparison's, and its p, adjusted for all; NaN where it has none.

    Attributes:
        tail: whether the end on the side of a long tail was moved out, since a few seeds decide the mean there.
    """

    low: float = nan
    high: float = nan
    p_adjusted: float = nan
    tail: bool = False


def simultaneous(comparisons: Sequence[PairedDifferences]) -> list[Band]:
    """The band of each comparison; at the level .05 all of them hold together.

    Each studentised mean is compared with the largest of all under the flips or draws: single-step max-T. Its intervals
    hold together whatever the true means are. The intervals of a step-down test do not: it drops what it has rejected. Where
    comparisons have different degrees of freedom, |t| is taken as the normal number of the same p, so that one of few pairs
    does not widen the intervals of the others. p_adjusted is at most .05 exactly where the band leaves 0 out; where alpha is
    below .05 it is .05/alpha times as large.

    The end of the band on the side of a long tail (`long_tail`) is moved out.

    References: Westfall and Young (1993), Resampling-based multiple testing, algorithm 2.5; Hothorn, Bretz and Westfall
    (2008), Simultaneous inference in general parametric models, Biometrical Journal 50; docs/method.md, "The band".
    """
    asked = [one for one in comparisons if one.speaks]
    if not asked:
        return [Band()] * len(comparisons)
    few = len(asked) <= MANY and max(one.differences.size for one in asked) <= MANY_PAIRS
    n_draws = N_FLIPS if few else FEWER_FLIPS
    drawn = _Flips.of(asked, n_draws)
    drawn.statistics[:, drawn.is_student] = student_draws(
        [c for c in asked if c.estimate is not None], len(drawn.statistics)
    )
    found = iter(_bands(asked, drawn))
    return [next(found) if one.speaks else Band() for one in comparisons]


def long_tail(differences: Array) -> tuple[float, float]:
    """How far the low and the high end of a band are moved out, in its half-widths: 1 where there is no long tail.

    A few rare, extreme differences can move the mean although a small sample holds none of them. A skewness of the sample
    of more than n/10 − 1 standard errors (.1 at least, 2 at most) is taken as a sign of such a tail: few pairs must look
    symmetric on the side that a claim bets against. The factor is WIDER up to 100 pairs; beyond, it falls to 1 as 10/√n, as
    the skewness of a mean does. Chosen by simulation (docs/method.md, "The band").
    """
    n = differences.size
    if n < 3 or is_constant(differences):
        return 1.0, 1.0
    error = sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
    skewness = float(stats.skew(differences, bias=False)) / error
    limit, wider = min(max(n / 10 - 1, LEAST_TAIL), MOST_TAIL), 1 + (WIDER - 1) * min(1.0, 10 / sqrt(n))
    return (wider if skewness < -limit else 1.0), (wider if skewness > limit else 1.0)


@dataclass
class _Flips:
    """Statistics under flipped signs: (n_draws, m); sums of flipped differences, in ticks, and of flips."""

    statistics: Array
    sums: Array
    signs: Array
    counts: Array
    squares: Array
    is_student: npt.NDArray[np.bool_]
    freedom: Array

    @classmethod
    def of(cls, asked: Sequence[PairedDifferences], n_draws: int) -> _Flips:
        flipped = [one for one in asked if one.estimate is None]
        units = np.unique(np.concatenate([one.units for one in flipped])) if flipped else np.zeros(0, np.int64)
        table, there = np.zeros((2, units.size, len(asked)))
        for k, one in enumerate(asked):
            if one.estimate is None:
                at = np.searchsorted(units, one.units)
                table[at, k] = in_ticks(one.differences)  # whole numbers: sums exact in any order
                there[at, k] = 1
        sums, signs = _flipped(table, there, n_draws)
        if len(flipped) < len(asked):  # Student's draws need more than a few flips: each of them as often
            sums, signs = (np.repeat(part, n_draws // len(part), axis=0) for part in (sums, signs))
        counts, squares = there.sum(axis=0), (table**2).sum(axis=0)
        with np.errstate(all="ignore"):
            statistics = studentised(sums, squares, counts)
        freedom = [
            n - 1 if one.estimate is None else min(one.estimate.degrees_of_freedom, MOST_FREEDOM)
            for one, n in zip(asked, counts, strict=True)
        ]
        is_student = np.array([one.estimate is not None for one in asked])
        return cls(statistics, sums, signs, counts, squares, is_student, np.array(freedom, dtype=float))

    @cached_property
    def centred(self) -> Array:
        """|t| of the differences less their mean: used for the other comparisons, whatever their true means are.

        Without centring, comparisons with large means would look correlated under flipped signs.
        """
        means = self.sums[0] / np.where(self.is_student, 1.0, self.counts)
        sums = self.sums - means * self.signs
        with np.errstate(all="ignore"):
            found = studentised(
                np.where(np.abs(sums) > NEAR, sums, 0.0), self.squares - self.counts * means**2, self.counts
            )
        return np.where(self.is_student, self.statistics, found)

    @cached_property
    def is_balanced(self) -> bool:
        """Whether all |t| have the same distribution, and are compared as they are."""
        return bool(np.ptp(self.freedom) == 0)

    def as_normal(self, sizes: Any, freedom: Any) -> Any:
        """|t| as it is compared with others: the |z| of the same p where degrees of freedom differ, else |t| itself."""
        return sizes if self.is_balanced else np.abs(special.ndtri(special.stdtr(freedom, -sizes)))

    def as_t(self, compared: float, k: int) -> float:
        """The |t| of the k-th comparison that `as_normal` gives this number for."""
        return compared if self.is_balanced else float(-special.stdtrit(self.freedom[k], special.ndtr(-compared)))

    def reach(self, k: int, mean: float, size: float) -> npt.NDArray[np.bool_]:
        """Whether |t| of the k-th comparison, in each draw, is at least this size if its true mean is this one, in ticks."""
        n, squares = self.counts[k], self.squares[k] - 2 * mean * self.sums[0, k] + self.counts[k] * mean**2
        least = size * sqrt(n * squares / (n - 1 + size**2))
        return np.asarray(np.abs(self.sums[:, k] - mean * self.signs[:, k]) >= least * (1 - NEAR))


def _flipped(table: Array, there: Array, n_draws: int) -> tuple[Array, Array]:
    """Sums of flipped rows of both (n, m): (n_draws, m) each; the first flips nothing. All 2^(n−1) if few.

    Few rows of `there` are not all 1: only these are multiplied.
    """
    n, lacking = len(table), np.flatnonzero(~there.all(axis=1))
    both = np.concatenate([table, np.ones((n, 1))], axis=1)
    exact = 2 ** max(n - 1, 0) <= n_draws
    rng, found = np.random.default_rng(SEED), []
    n_rows, step = (2 ** max(n - 1, 0) if n else n_draws) if exact else n_draws, max(1, BLOCK // max(n, 1))
    for begin in range(0, n_rows, step):
        rows = min(step, n_rows - begin)
        if exact:
            bits = (np.arange(begin, begin + rows)[:, None] >> np.arange(n) & 1).astype(np.uint8)
        else:
            bits = np.unpackbits(np.frombuffer(rng.bytes((rows * n + 7) // 8), np.uint8), count=rows * n).reshape(
                rows, n
            )
            bits[0] *= begin > 0  # what was observed is one of the flips (Phipson and Smyth, 2010)
        flips = 1.0 - 2.0 * bits
        summed = flips @ both
        found.append(np.hstack([summed[:, :-1], summed[:, -1:] - flips[:, lacking] @ (1 - there[lacking])]))
    whole, half = np.concatenate(found), table.shape[1]
    return np.asfortranarray(whole[:, :half]), np.asfortranarray(whole[:, half:])


def studentised(sums: Array, squares: Array, counts: Array) -> Array:
    """|t| of values with these sums, sums of squares and numbers; infinite where they have no spread and are not 0."""
    with np.errstate(all="ignore"):
        left = squares - sums**2 / counts
        spread = np.where(left > 1e-12 * squares, left, 0.0)
        t = np.abs(sums) * np.sqrt((counts - 1) / counts / spread)
    return np.asarray(np.where(sums == 0, 0.0, np.where(spread > 0, t, inf)))


def student_draws(asked: Sequence[PairedDifferences], n_draws: int) -> Array:
    """|t| of estimates under the null, with their degrees of freedom and, within a group, their correlation: (n_draws, m).

    Estimates of different groups are drawn as independent, which makes the largest of them larger (Šidák, 1967).
    """
    rng, drawn = np.random.default_rng(SEED), np.empty((n_draws, len(asked)))
    groups: dict[object, list[int]] = {}
    for k, one in enumerate(asked):
        shape = None if one.profile is None else one.profile.shape
        groups.setdefault((one.group, shape) if shape else k, []).append(k)
    for places in groups.values():
        normal = rng.normal(size=(n_draws, len(places)))
        profiles = [asked[k].profile for k in places]
        if len(places) > 1:
            normal = normal @ _root_of_correlation(np.stack([p for p in profiles if p is not None]))
        shared = rng.random(n_draws)
        for column, k in enumerate(places):
            freedom = asked[k].estimate.degrees_of_freedom  # type: ignore[union-attr]
            drawn[:, k] = np.abs(normal[:, column]) / np.sqrt(stats.chi2.ppf(shared, freedom) / freedom)
    return drawn


def _root_of_correlation(profiles: Array) -> Array:
    """A root of the correlation matrix of profiles (m, n); profiles without spread are independent of all others."""
    centred = profiles - profiles.mean(axis=1, keepdims=True)
    size = np.linalg.norm(centred, axis=1, keepdims=True)
    scaled = centred / np.where(size > 0, size, 1.0)
    correlation = scaled @ scaled.T
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    return np.asarray((vectors * np.sqrt(values.clip(0))) @ vectors.T)


def _bands(asked: Sequence[PairedDifferences], drawn: _Flips) -> list[Band]:
    ours = [_Observed.of(one) for one in asked]
    tails = [long_tail(one.differences) if one.guarded else (1.0, 1.0) for one in asked]
    first, second, holder = _two_largest(drawn.as_normal(drawn.centred, drawn.freedom))
    bands = []
    for k, (one, own, tail) in enumerate(zip(asked, ours, tails, strict=True)):
        statistic = own.statistic / (tail[0] if own.mean > 0 else tail[1])
        others = np.where(holder == k, second, first)
        flipped = drawn.as_normal(drawn.statistics[:, k], drawn.freedom[k])
        p = _share(np.maximum(flipped, others), float(drawn.as_normal(statistic, drawn.freedom[k])))
        if len(asked) == 1 and one.estimate is not None:
            p = float(2 * stats.t.sf(statistic, one.estimate.degrees_of_freedom))
        bands.append(
            _band(one, own, tail, min(1.0, p * (ALPHA / one.alpha)), (drawn, k, others), alone=len(asked) == 1)
        )
    return bands


@dataclass(frozen=True)
class _Observed:
    """Mean, its standard error, and the statistic that is compared with the draws."""

    mean: float
    error: float

    @classmethod
    def of(cls, one: PairedDifferences) -> _Observed:
        if one.estimate is not None:
            return cls(one.estimate.mean, one.estimate.error)
        constant = bool(is_constant(one.differences))
        values = in_ticks(one.differences) * RESOLUTION  # as they are flipped: what was observed is among the draws
        spread = 0.0 if constant else float(values.std(ddof=1))
        return cls(float((one.differences if constant else values).mean()), spread / sqrt(values.size))

    @property
    def statistic(self) -> float:
        return 0.0 if abs(self.mean) <= 0 else inf if self.error == 0 else abs(self.mean) / self.error


def _share(draws: Array, statistic: float) -> float:
    return (
        float(np.mean(draws >= statistic - NEAR * (1 + statistic)))
        if isfinite(statistic)
        else float(np.mean(draws == inf))
    )


def _two_largest(statistics: Array) -> tuple[Array, Array, npt.NDArray[np.intp]]:
    """The largest and the second largest in each row, and the column of the largest."""
    holder = statistics.argmax(axis=1)
    n, m = statistics.shape
    second = np.zeros(n) if m == 1 else np.partition(statistics, -2, axis=1)[:, -2]
    return statistics.max(axis=1), second, holder


def _band(
    one: PairedDifferences,
    ours: _Observed,
    tail: tuple[float, float],
    p: float,
    against: tuple[_Flips, int, Array],
    *,
    alone: bool,
) -> Band:
    """The band of one comparison, from the largest of the `others`."""
    drawn, k, others = against
    if ours.error == 0:
        enough = one.estimate is not None or one.differences.size >= least_pairs(one.alpha)
        return Band(ours.mean, ours.mean, p) if enough else Band(p_adjusted=p)
    if one.estimate is not None:
        exact = alone and not others.any()
        size = (
            stats.t.isf(one.alpha / 2, one.estimate.degrees_of_freedom)
            if exact
            else _critical(drawn, k, others, one.alpha)
        )
        halves = [ours.error * float(size)] * 2
    elif one.differences.size < least_pairs(ALPHA):  # flips say nothing; to be shown
        halves = [ours.error * float(stats.t.isf(one.alpha / 2, one.differences.size - 1))] * 2
    else:
        fixed = ours.error * _critical(drawn, k, others, one.alpha) if max(tail) > 1 else nan
        halves = [
            fixed if wider > 1 else ours.error * _inverted(one, ours, side, drawn, k, others)
            for side, wider in ((-1, tail[0]), (1, tail[1]))
        ]
    low, high = ours.mean - tail[0] * halves[0], ours.mean + tail[1] * halves[1]
    return Band(low if isfinite(low) else nan, high if isfinite(high) else nan, p, max(tail) > 1)


def _critical(drawn: _Flips, k: int, others: Array, alpha: float) -> float:
    """The least |t| of the k-th comparison that at most alpha of the draws reach."""
    own = drawn.as_normal(drawn.statistics[:, k], drawn.freedom[k])
    draws = np.sort(np.maximum(own, others))[::-1]
    return drawn.as_t(float(draws[min(int(np.floor(alpha * draws.size + NEAR)), draws.size - 1)]), k)


def _inverted(one: PairedDifferences, ours: _Observed, side: int, drawn: _Flips, k: int, others: Array) -> float:
    """How many standard errors from the mean the flip test begins to reject a true mean: by doubling, then halving."""

    def accepts(size: float) -> bool:
        mean = (ours.mean + side * size * ours.error) / RESOLUTION
        compared = float(drawn.as_normal(size, drawn.freedom[k])) * (1 - NEAR)
        return float(np.mean(drawn.reach(k, mean, size) | (others >= compared))) > one.alpha

    low, high = 0.0, 4.0
    while accepts(high):
        low, high = high, 2 * high
        if high > 1e4:
            return inf
    for _ in range(18):
        middle = (low + high) / 2
        low, high = (middle, high) if accepts(middle) else (low, middle)
    return high
