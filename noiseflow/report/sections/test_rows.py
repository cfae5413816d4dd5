"""The few test rows of one split, beside the fresh rows that the answer is for."""

from __future__ import annotations

from noiseflow.report.evidence import Evidence
from noiseflow.report.section import Section, TableForm
from noiseflow.report.tables import Columns, all_in_points, interval, over_seeds
from noiseflow.wording import Row, difference

NOTE = (
    "The same differences on the few test rows of the one split, on which the published runs were made. They decide nothing: "
    "the answer is for fresh rows. New seeds: the mean over all seeds, on the same rows. New rows: the mean over all seeds "
    "and all rows of the same kind, as far as so few rows show it."
)


def _columns(evidence: Evidence) -> Columns:
    unit = " (points)" if all_in_points(evidence.answer) else ""
    return {
        "Test rows": lambda row: f"{int(row['n_rows']):,}",
        f"Difference{unit}": difference,
        "95 % interval, new rows": lambda row: interval(row) if _has_both(row) else over_seeds(row),
        "95 % interval, new seeds": lambda row: over_seeds(row) if _has_both(row) else interval(row),
    }


def _has_both(row: Row) -> bool:
    return bool(row["seeds_ci_low"] == row["seeds_ci_low"])  # not NaN


def _limits(evidence: Evidence) -> list[str]:
    if evidence.study.design != "replicate" or evidence.answers_for_new_rows or evidence.summary.empty:
        return []
    text = (
        "How other test rows would change the differences is not known: the results hold no predictions on the test rows, or "
        "the rows add nothing. The intervals are for these test rows alone."
    )
    return [text]


TABLE = TableForm("details", ("variant",), _columns, 0, NOTE, "test_rows.parquet")
SECTION = Section(
    "On the test rows",
    lambda evidence: evidence.best_first(evidence.findings.test_rows),
    TABLE,
    pictures=None,
    limits=_limits,
)
