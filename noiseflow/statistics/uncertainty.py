"""The test set's own uncertainty: what a score measured on few rows leaves open, however many seeds there are."""

from __future__ import annotations

from math import isfinite, nan, sqrt

from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from noiseflow.statistics.inference import ALPHA


def score_uncertainty(
    score_name: str, score: float, n_rows: int, *, n_positive: int | None = None
) -> tuple[float, float]:
    """The 95 % interval of a score measured on a test set of n_rows; NaN where no sound closed form exists.

    - accuracy: Wilson's interval. The mean accuracy of several models on one test set may be given as it is: the interval
      is then that of one model as good.
    - auc, where n_positive rows are of class 1: Hanley and McNeil's standard error, cut to [0, 1].
    - others: NaN. The variance of R², of a root mean squared error and of a log loss hangs on the distribution of the
      residuals, and that of a balanced accuracy on each class's own; a score alone does not tell them.

    References: Wilson (1927), Probable inference, JASA 22; Hanley and McNeil (1982), The meaning and use of the area under
    a receiver operating characteristic curve, Radiology 143, equation 2; statsmodels.stats.proportion.
    """
    if n_rows < 1 or not (isfinite(score) and 0 <= score <= 1):
        return nan, nan
    if score_name == "accuracy":
        low, high = proportion_confint(score * n_rows, n_rows, alpha=ALPHA, method="wilson")
        return float(low), float(high)
    if score_name == "auc" and n_positive is not None and 0 < n_positive < n_rows:
        half = float(stats.norm.ppf(1 - ALPHA / 2)) * auc_standard_error(score, n_positive, n_rows - n_positive)
        return max(0.0, score - half), min(1.0, score + half)
    return nan, nan


def auc_standard_error(auc: float, n_positive: int, n_negative: int) -> float:
    """Standard error of an area under the ROC curve, for scores that are near exponential in each class.

    References: Hanley and McNeil (1982), equations 1 and 2.
    """
    two_positives, two_negatives = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (n_positive - 1) * (two_positives - auc**2) + (n_negative - 1) * (two_negatives - auc**2)
    return sqrt(max(spread, 0.0) / (n_positive * n_negative))
