"""The interval that is valid for one look only, beside the one that always is."""

from __future__ import annotations

import pandas as pd

from noiseflow.report.evidence import Evidence
from noiseflow.report.section import Section, TableForm
from noiseflow.report.tables import Columns, interval
from noiseflow.wording import difference_interval

NOTE = (
    "The second is the t interval of a study that is looked at once. Looked at every night, it excludes the truth sooner or "
    "later far more often than one time in twenty."
)


def _finding(evidence: Evidence) -> pd.DataFrame:
    return evidence.best_first(evidence.summary[evidence.summary["fixed_ci_low"].notna()])


def _columns(_: Evidence) -> Columns:
    return {
        "95 % interval, always valid": interval,
        "95 % interval, not valid under repeated looks": lambda row: difference_interval(
            {**row, "difference_ci_low": row["fixed_ci_low"], "difference_ci_high": row["fixed_ci_high"]}
        ),
    }


TABLE = TableForm("details", ("variant",), _columns, 0, NOTE, "summary.parquet")
SECTION = Section("For one look only", _finding, TABLE, pictures=None, limits=None)
