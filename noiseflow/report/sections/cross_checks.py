"""Second opinions on the differences; they decide nothing."""

from __future__ import annotations

import pandas as pd

from noiseflow.report.evidence import Evidence
from noiseflow.report.section import Section, TableForm
from noiseflow.report.tables import Columns, interval
from noiseflow.wording import difference_interval, fraction, p_text

NOTE = (
    "Second opinions; they decide nothing. The first interval is that of the answer: it holds all comparisons together, for "
    "new rows where the answer is for such. The others are of one comparison, not adjusted. The BCa interval (a bootstrap "
    "that allows for skewness, from 20 seeds on) and Wilcoxon's p are over seeds alone: they may show a difference where the "
    "first interval does not. p is by sign flips, or Student's where the answer is for new rows. "
    "Where the interquartile mean of the score is far from its mean, a few seeds made the mean."
)


def _finding(evidence: Evidence) -> pd.DataFrame:
    return evidence.shown[evidence.shown["wilcoxon_p"].notna()].assign(margin=evidence.study.margin)


def _columns(_: Evidence) -> Columns:
    return {
        "95 % interval": difference_interval,
        "95 % interval, BCa": lambda row: interval(
            {**row, "difference_ci_low": row["bca_low"], "difference_ci_high": row["bca_high"]}
        ),
        "p": lambda row: p_text(row["p_value"]),
        "p, Wilcoxon": lambda row: p_text(row["wilcoxon_p"]),
        "Mean": lambda row: fraction(row["score_mean"]),
        "Interquartile mean": lambda row: fraction(row["interquartile_mean"]),
    }


TABLE = TableForm("details", ("variant",), _columns, 0, NOTE, "summary.parquet")
SECTION = Section("Cross-checks", _finding, TABLE, pictures=None, limits=None)
