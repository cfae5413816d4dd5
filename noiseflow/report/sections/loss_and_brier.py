"""Loss and Brier score of a classification: probabilities may change where no class does."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from noiseflow.base.values import BASELINE
from noiseflow.report.evidence import Evidence
from noiseflow.report.section import Section, TableForm
from noiseflow.report.tables import Columns, verdict
from noiseflow.statistics.summary import MEASURE_MARGIN
from noiseflow.wording import NOTHING, Row, bare, decimals_for, signed

NOTE = (
    "Differences to the baseline, of the log loss (nats) and of the Brier score; below 0 is better. Their intervals "
    f"hold together with those of the score. Within ± {bare(f'{MEASURE_MARGIN:g}')} a difference is not worth having, in "
    "either. Both are of the rows that the score is compared on."
)


def _finding(evidence: Evidence) -> pd.DataFrame:
    rows = evidence.summary[evidence.summary["variant"] != BASELINE]
    if "loss_verdict" not in rows:
        return rows.head(0)
    return evidence.best_first(rows[rows["loss_verdict"].notna() | rows["brier_verdict"].notna()])


def _columns(_: Evidence) -> Columns:
    columns: dict[str, Callable[[Row], str]] = {"Verdict (score)": verdict}
    for measure, label, name in (("loss", "Loss", "loss"), ("brier", "Brier", "Brier")):
        columns[f"Verdict ({name})"] = lambda row, of=measure: _verdict(row, of)  # type: ignore[misc]
        columns[f"{label}, difference (95 % interval)"] = lambda row, of=measure: _difference(row, of)  # type: ignore[misc]
    return columns


def _verdict(row: Row, measure: str) -> str:
    return verdict({"verdict": row[f"{measure}_verdict"], "long_tail": row.get(f"{measure}_long_tail")})


def _difference(row: Row, measure: str) -> str:
    ends = [row[f"{measure}_{end}"] for end in ("difference_mean", "ci_low", "ci_high")]
    decimals = decimals_for(ends[1], ends[2], MEASURE_MARGIN, 1.0, 3)
    mean, low, high = (bare(signed(end, decimals)) for end in ends)
    return mean if NOTHING in (low, high) else f"{mean} ({low} to {high})"


TABLE = TableForm("answer", ("variant",), _columns, 0, NOTE, "summary.parquet")
SECTION = Section("Loss and Brier score", _finding, TABLE, pictures=None, limits=None)
