"""Intervals, tests and effect sizes: arrays in, numbers out; docs/method.md has the formulas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from math import nan
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy import special, stats
from statsmodels.stats.multitest import multipletests

Array = npt.NDArray[np.float64]
T = TypeVar("T", bound=np.generic)

ALPHA = 0.05
TAIL = (1 - (1 - ALPHA)) / 2  # of a two-sided interval, rounded as scipy rounds it


def least_pairs(level: float) -> int:
    """Pairs below which no flip of signs is as rare as the level."""
    return next(n for n in count(1) if 2.0 ** (1 - n) <= level)


LEAST_N = least_pairs(ALPHA)
"""Pairs below which no flip of signs is rare enough, however many comparisons there are."""
N_RESAMPLES = 99_999
RESOLUTION = 1e-6
"""Values closer than this are equal: above the rounding of float32, below one row of any test set in sight."""
PERMUTATION_SEED = 2018
"""Fixed, so that a summary computed again from the same trials is the same."""
BLOCK = 2_000_000  # signs that are drawn at a time
FLIPPED = 200_000  # signs that are multiplied at a time: they stay in the cache
MOST_ALONE, BLOCKS = 2_000, 500  # differences that are resampled one by one, and blocks where there are more
LEAST_FLIPS = 200  # rows of these at a time: fewer leave a matrix product waiting for memory


def by_size(arrays: Sequence[npt.NDArray[T]]) -> Iterator[tuple[list[int], npt.NDArray[T]]]:
    """The arrays (n,) of each size n, stacked to (k, n), with their positions among all: so k are computed at once."""
    places: dict[int, list[int]] = {}
    for at, array in enumerate(arrays):
        places.setdefault(array.size, []).append(at)
    for found in places.values():
        yield found, np.stack([arrays[at] for at in found])


def t_interval(values: Array) -> tuple[Array, Array]:
    """The two-sided 95 % t interval of the mean of values (..., n), as low and high ends (...); of differences it is paired.

    NaN below 2 values; of no width where all are equal.

    References: scipy.stats.ttest_1samp, which is ttest_rel on differences.
    """
    n = values.shape[-1]
    if n < 2:
        return _missing(values), _missing(values)
    mean = values.mean(axis=-1)
    variance = np.mean((values - mean[..., np.newaxis]) ** 2, axis=-1) * (n / (n - 1))
    error = np.where(is_constant(values), 0.0, np.sqrt(variance / n))
    low, high = (special.stdtrit(n - 1, p) * error + mean for p in (TAIL, 1 - TAIL))
    return np.asarray(low), np.asarray(high)


def sign_flip_p(differences: Array) -> Array:
    """Two-sided p (...) of the sign-flip permutation test that differences (..., n) are symmetric about 0; NaN below 2.

    Exact while 2^n does not exceed N_RESAMPLES, that is up to 16 pairs; beyond, N_RESAMPLES random flips from a fixed
    seed, which with the observed signs make one more. Equals scipy.stats.permutation_test, which walks through the flips
    in Python and takes twenty times as long. The flips are the same for all rows of differences.

    References: Ernst (2004), Permutation methods, Statistical Science 19; Phipson and Smyth (2010), Permutation p-values
    should never be zero, Stat. Appl. Genet. Mol. Biol. 9.
    """
    n = differences.shape[-1]
    if n < 2:
        return _missing(differences)
    ticks = in_ticks(differences).reshape(-1, n)
    totals = ticks.sum(axis=-1)
    as_far = np.zeros(len(ticks), np.int64)
    for flips in _flips(n):
        flipped = np.abs(totals - 2.0 * (flips @ ticks.T))  # whole numbers: exact in any order
        as_far += np.count_nonzero(flipped >= np.abs(totals), axis=0)
    exact = 2**n <= N_RESAMPLES
    p = as_far / 2**n if exact else (as_far + 1) / (N_RESAMPLES + 1)
    return np.asarray(p.reshape(differences.shape[:-1]))


def values_to_flip(differences: Array) -> Array:
    """The values (m,) that the permutation test flips the signs of.

    They are the differences (n,), or beyond MOST_ALONE of them sums over blocks of consecutive ones.

    Sums of independent symmetric differences are independent and symmetric. So they are tested as the differences are, in a
    time that does not grow with n, and together with the values of any other n.
    """
    if differences.size <= MOST_ALONE:
        return differences
    return _sums_of_blocks(in_ticks(differences)) * RESOLUTION


def values_to_resample(differences: Array) -> Array:
    """The values (m,) that the bootstrap resamples.

    They are the differences (n,), or beyond MOST_ALONE of them BLOCKS means of blocks. The mean of
    these has the variance and the skewness of the mean of all.
    """
    if differences.size <= MOST_ALONE:
        return differences
    mean = differences.mean()  # blocks differ in size by one, which must not count as spread
    return np.asarray(mean + _sums_of_blocks(differences - mean) * (BLOCKS / differences.size))


def _sums_of_blocks(values: Array) -> Array:
    return np.asarray(np.add.reduceat(values, np.arange(BLOCKS) * values.size // BLOCKS))


def _flips(n: int) -> Iterator[Array]:
    """Blocks (n_flips, n) of 1 for what is flipped, else 0: each of the 2^n once up to N_RESAMPLES of them, else random."""
    if 2**n <= N_RESAMPLES:
        flips = (np.arange(2**n)[:, np.newaxis] >> np.arange(n) & 1).astype(np.uint8)
        yield from _as_numbers(flips)
        return
    rng = np.random.default_rng(PERMUTATION_SEED)
    block = max(1, BLOCK // n)
    for begin in range(0, N_RESAMPLES, block):
        rows = min(block, N_RESAMPLES - begin)
        bits = np.frombuffer(rng.bytes((rows * n + 7) // 8), np.uint8)
        flips = np.unpackbits(bits, count=rows * n).reshape(rows, n)
        yield from _as_numbers(flips)


def _as_numbers(flips: npt.NDArray[np.uint8]) -> Iterator[Array]:
    step = max(LEAST_FLIPS, FLIPPED // flips.shape[-1])
    for begin in range(0, len(flips), step):
        yield flips[begin : begin + step].astype(np.float64)


def cohen_dz(differences: Array) -> Array:
    """Cohen's d_z (...): mean of differences (..., n) over their standard deviation; NaN where there is no spread.

    References: Cohen (1988), section 2.3.5.
    """
    if differences.shape[-1] < 2:
        return _missing(differences)
    spread = np.where(is_constant(differences), nan, differences.std(axis=-1, ddof=1))
    return np.asarray(differences.mean(axis=-1) / spread)


def probability_better(differences: Array) -> Array:
    """P(better) + 1/2 P(tie) (...): the share of differences (..., n) above 0, a tie counting half; NaN of none.

    References: Vargha and Delaney (2000), for pairs.
    """
    if differences.shape[-1] == 0:
        return _missing(differences)
    return np.asarray(np.mean((np.sign(in_ticks(differences)) + 1) / 2, axis=-1))


def holm(p_values: list[float]) -> list[float]:
    """Holm-adjusted p-values; NaN stays NaN, yet its comparison counts in the family.

    References: Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6;
    statsmodels.stats.multitest.multipletests.
    """
    raw = np.asarray(p_values, dtype=float)
    if raw.size == 0:
        return []
    adjusted = multipletests(np.nan_to_num(raw, nan=1.0), method="holm")[1]
    return [float(p) for p in np.where(np.isnan(raw), nan, adjusted)]


def percentile_of_published(scores: npt.ArrayLike, published_score: float, resolution: float = 0.0005) -> float:
    """Mid-rank percentile, in [0, 100], at which a published score falls among scores (n,); NaN of none.

    A score within `resolution` of it is a tie: published scores are rounded, by default to three decimals.

    References: scipy.stats.percentileofscore(kind="mean").
    """
    values = np.asarray(scores, dtype=float)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return nan
    tied = np.abs(values - published_score) <= resolution + 1e-12
    return float(stats.percentileofscore(np.where(tied, published_score, values), published_score, kind="mean"))


def is_constant(values: Array) -> npt.NDArray[np.bool_]:
    """Whether values (..., n), at least one, are equal up to rounding: (...)."""
    room = RESOLUTION * np.maximum(1.0, np.abs(values.mean(axis=-1)))
    return np.asarray(np.ptp(values, axis=-1) <= room)


def in_ticks(differences: Array) -> Array:
    """Differences in whole units of RESOLUTION: equal ones are equal exactly, and their sums carry no rounding."""
    return np.rint(differences / RESOLUTION)


def _missing(values: Array) -> Array:
    """NaN for each row of values (..., n)."""
    return np.full(values.shape[:-1], nan)
