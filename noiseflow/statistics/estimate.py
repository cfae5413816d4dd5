"""A mean with its standard error and degrees of freedom, for differences that are not independent of each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan, sqrt

from scipy import stats

from noiseflow.statistics.inference import ALPHA, RESOLUTION, Array, is_constant


@dataclass(frozen=True)
class Estimate:
    """A mean, its standard error, and the degrees of freedom of the error; NaN where a value is missing.

    Interval and tests are Student's. An error of 0 leaves an interval of no width and tests that are certain.
    """

    mean: float = nan
    error: float = nan
    degrees_of_freedom: float = nan

    @property
    def interval(self) -> tuple[float, float]:
        """The two-sided 95 % interval of the mean."""
        if self.error == 0:
            return self.mean, self.mean
        half = self.error * float(stats.t.ppf(1 - ALPHA / 2, self.degrees_of_freedom))
        return self.mean - half, self.mean + half

    @property
    def p_value(self) -> float:
        """Two-sided p of the test that the true mean is 0."""
        if self.error == 0:
            return float(abs(self.mean) <= RESOLUTION)
        return float(2 * stats.t.sf(abs(self.mean) / self.error, self.degrees_of_freedom))

    def widened(self, correlation: float) -> Estimate:
        """The estimate with a larger error, where the means of its two halves have this correlation."""
        return replace(self, error=self.error * sqrt(1 + correlation))


def estimate_mean(values: Array, test_train_ratio: float = 0.0) -> Estimate:
    """The mean of finite values (n,), with n − 1 degrees of freedom. Its variance is std² × (1/n + test_train_ratio).

    With a ratio of 0 it is Student's, of independent values. With n_test / n_train it is the corrected resampled t, of
    values that come from splitting the same rows again and again: they depend on each other, as if the correlation of two
    splits were n_test / (n_test + n_train); approximate, for no unbiased estimate of the variance exists (Bengio and
    Grandvalet, 2004). Only the mean below 2 values; NaN of none.

    References: Nadeau and Bengio (2003), Inference for the generalization error, Machine Learning 52, section 3.
    """
    if values.size == 0:
        return Estimate()
    mean = float(values.mean())
    if values.size == 1:
        return Estimate(mean)
    spread = 0.0 if is_constant(values) else float(values.std(ddof=1))
    return Estimate(mean, spread * sqrt(1 / values.size + test_train_ratio), values.size - 1.0)
