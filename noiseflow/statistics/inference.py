"""Intervals, tests and effect sizes: arrays in, numbers out; docs/method.md has the formulas."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from math import isnan, nan

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

Array = npt.NDArray[np.float64]

ALPHA = 0.05
N_RESAMPLES = 99_999
RESOLUTION = 1e-6
"""Values closer than this are equal: above the rounding of float32, below one row of any test set in sight."""
PERMUTATION_SEED = 2018
"""Fixed, so that a summary computed again from the same trials is the same."""
BLOCK = 2_000_000  # signs that are flipped at a time


def t_interval(values: Array) -> tuple[float, float]:
    """The two-sided 95 % t interval of the mean of values (n,); of differences it is the paired t interval.

    NaN below 2 values; of no width where all are equal.

    References: scipy.stats.ttest_1samp, which is ttest_rel on differences.
    """
    if values.size < 2:
        return nan, nan
    if is_constant(values):
        return float(values.mean()), float(values.mean())
    interval = stats.ttest_1samp(values, 0.0).confidence_interval(1 - ALPHA)
    return float(interval.low), float(interval.high)


def sign_flip_p(differences: Array) -> float:
    """Two-sided p of the sign-flip permutation test that differences (n,) are symmetric about 0; NaN below 2.

    Exact while 2^n does not exceed N_RESAMPLES, that is up to 16 pairs; beyond, N_RESAMPLES random flips from a fixed
    seed, which with the observed signs make one more. Equals scipy.stats.permutation_test, which walks through the flips
    in Python and takes twenty times as long.

    References: Ernst (2004), Permutation methods, Statistical Science 19; Phipson and Smyth (2010), Permutation p-values
    should never be zero, Stat. Appl. Genet. Mol. Biol. 9.
    """
    ticks = in_ticks(differences)
    if ticks.size < 2:
        return nan
    total = ticks.sum()
    as_far = sum(np.count_nonzero(np.abs(total - 2 * (flips @ ticks)) >= abs(total)) for flips in _flips(ticks.size))
    if 2**ticks.size <= N_RESAMPLES:
        return float(as_far / 2**ticks.size)
    return float((as_far + 1) / (N_RESAMPLES + 1))


def _flips(n: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Blocks (n_flips, n) of which signs to flip: each of the 2^n once where they are no more than N_RESAMPLES, else random."""
    if 2**n <= N_RESAMPLES:
        yield (np.arange(2**n)[:, np.newaxis] >> np.arange(n) & 1).astype(np.uint8)
        return
    rng = np.random.default_rng(PERMUTATION_SEED)
    block = max(1, BLOCK // n)
    for begin in range(0, N_RESAMPLES, block):
        rows = min(block, N_RESAMPLES - begin)
        bits = np.frombuffer(rng.bytes((rows * n + 7) // 8), np.uint8)
        yield np.unpackbits(bits, count=rows * n).reshape(rows, n)


def equivalence_p(differences: Array, margin: float) -> float:
    """The p of the two one-sided t tests that the mean of differences (n,) lies within ± margin; NaN below 2.

    NaN for a margin of NaN too: equivalence was not asked for.

    References: Schuirmann (1987); statsmodels.stats.weightstats.ttost_paired.
    """
    if differences.size < 2 or isnan(margin):
        return nan
    if is_constant(differences):
        return 0.0 if abs(float(differences.mean())) < margin else 1.0
    return float(ttost_paired(differences, np.zeros_like(differences), -margin, margin)[0])


def cohen_dz(differences: Array) -> float:
    """Cohen's d_z: mean of differences (n,) over their standard deviation; NaN where there is no spread.

    References: Cohen (1988), section 2.3.5.
    """
    if differences.size < 2 or is_constant(differences):
        return nan
    return float(differences.mean() / differences.std(ddof=1))


def probability_better(differences: Array) -> float:
    """P(better) + 1/2 P(tie): the share of differences (n,) above 0, a tie counting half; NaN of none.

    References: Vargha and Delaney (2000), for pairs.
    """
    if differences.size == 0:
        return nan
    return float(np.mean((np.sign(in_ticks(differences)) + 1) / 2))


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


def least_n(comparisons: int) -> int:
    """The least number of pairs at which a two-sided sign-flip test can reach a Holm-adjusted p below .05.

    Its smallest p is 2 / 2^n, and Holm multiplies the smallest of the family by the number of comparisons.
    """
    return next(n for n in count(1) if max(comparisons, 1) * 2.0 ** (1 - n) < ALPHA)


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


def is_constant(values: Array) -> bool:
    """Whether values (n,), at least one, are equal but for rounding."""
    return bool(np.ptp(values) <= RESOLUTION * max(1.0, abs(float(values.mean()))))


def in_ticks(differences: Array) -> Array:
    """Differences in whole units of RESOLUTION: equal ones are equal exactly, and their sums carry no rounding."""
    return np.rint(differences / RESOLUTION)
