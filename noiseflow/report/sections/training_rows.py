"""Whether the difference that noise makes shrinks as training rows grow."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import nan

from noiseflow.plots import plot_gains
from noiseflow.report.evidence import Evidence
from noiseflow.report.findings import trend_sizes
from noiseflow.report.picture import Picture, colours_of, scale_and_unit
from noiseflow.report.section import Section, TableForm
from noiseflow.report.selection import MOST_GROUPS, MOST_PANELS
from noiseflow.report.tables import Columns
from noiseflow.statistics.crossfit import honest_scores
from noiseflow.statistics.trend import gains_by_rows
from noiseflow.wording import Row, change, decimals_for, p_text, score_of

NOTE = (
    "Slope: change of the difference to the baseline for each doubling of the training rows (points of accuracy), over seeds. "
    "Zur et al. (2009) found that it falls: that is shown where the whole interval is below 0 and p below .05."
)


def _columns(_: Evidence) -> Columns:
    return {
        "Falls with rows": lambda row: "yes" if row["seen"] else "not shown",
        "Slope": lambda row: _slope(row, "mean"),
        "95 % interval": lambda row: f"{_slope(row, 'ci_low')} to {_slope(row, 'ci_high')}",
        "p (Holm)": lambda row: p_text(row["p_adjusted"]),
    }


def _slope(row: Row, name: str) -> str:
    score = score_of(row)
    decimals = decimals_for(row["slope_ci_low"], row["slope_ci_high"], nan, score.scale, score.decimals + 1)
    return change(score, row[f"slope_{name}"], decimals)


def _pictures(evidence: Evidence) -> Iterator[Picture]:
    trend = evidence.findings.trend
    if trend.empty:
        return
    steepest = trend.assign(size=trend["slope_mean"].abs()).sort_values("size", ascending=False, kind="stable")
    families, architectures = (
        steepest[name].drop_duplicates().head(most)
        for name, most in (("family", MOST_PANELS), ("architecture", MOST_GROUPS))
    )
    gains = gains_by_rows(honest_scores(evidence.trials), trend_sizes(evidence.study))
    gains = gains[gains["family"].isin(families) & gains["architecture"].isin(architectures)]
    scale, unit = scale_and_unit(str(trend["score_name"].iloc[0]), evidence.compared(evidence.labelled))
    draw = partial(plot_gains, gains, evidence.study.margin, colours_of(evidence.study), scale=scale, unit=unit)
    caption = (
        "Difference to the baseline on the same seeds against the number of training rows, with 95 % intervals. See whether "
        "it shrinks as rows grow; in the grey band a difference is not worth having."
    )
    if len(gains[["family", "architecture"]].drop_duplicates()) < len(trend):
        caption += (
            f" Drawn are the {len(families)} variants and {len(architectures)} architectures with the steepest slopes."
        )
    yield Picture("gains.png", draw, "Difference to the baseline against training rows, a line a family", caption)


TABLE = TableForm("answer", ("family",), _columns, 1, NOTE, "trend.parquet")
SECTION = Section(
    "Does the difference shrink as rows grow?",
    lambda evidence: evidence.findings.trend,
    TABLE,
    pictures=_pictures,
    limits=None,
)
