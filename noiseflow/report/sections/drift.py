"""Whether the new seeds of a campaign score as the old ones did."""

from __future__ import annotations

from noiseflow.report.evidence import Evidence
from noiseflow.report.section import Section, TableForm
from noiseflow.report.tables import Columns
from noiseflow.wording import fraction, p_text

NOTE = (
    "Mann–Whitney: the last campaign against all before it. Kolmogorov–Smirnov: the last seven, or half of all while there "
    "are fewer than fourteen, against those before. p is adjusted for all cells, both tests and a year of nights: without "
    "drift some cell is flagged in one year of twenty."
)


def _columns(_: Evidence) -> Columns:
    return {
        "Found": lambda row: "drift" if row["flagged"] else "none",
        "Test": lambda row: str(row["test"]),
        "New": lambda row: f"{row['n_new']:,}",
        "Old": lambda row: f"{row['n_old']:,}",
        "Mean, new": lambda row: fraction(row["mean_new"]),
        "Mean, old": lambda row: fraction(row["mean_old"]),
        "p, of a year": lambda row: p_text(row["p_adjusted"]),
    }


TABLE = TableForm("details", ("variant",), _columns, 2, NOTE, "drift.parquet")
SECTION = Section(
    "Do the new seeds score as the old ones?",
    lambda evidence: evidence.best_first(evidence.findings.drift),
    TABLE,
    pictures=None,
    limits=None,
)
