"""How much of the variance comes from the data, and how much from the initialisation."""

from __future__ import annotations

from math import isfinite

from noiseflow.report.evidence import Evidence
from noiseflow.report.section import Section, TableForm
from noiseflow.report.tables import Columns, percent

NOTE = (
    "Shares of the variance of one trial's difference to the baseline (of the score, for the baseline itself), and how many "
    "more data seeds, or initialisations, would halve the interval of the mean."
)


def _columns(_: Evidence) -> Columns:
    return {
        "Data": lambda row: percent(row["data_share"]),
        "Initialisation": lambda row: percent(row["initialisation_share"]),
        "Rest": lambda row: percent(row["residual_share"]),
        "Data seeds more": lambda row: _more(row["more_data_seeds"]),
        "Initialisations more": lambda row: _more(row["more_seeds"]),
    }


def _more(n: float | None) -> str:
    return f"{n:.0f}" if n is not None and isfinite(n) else "out of reach"


TABLE = TableForm("details", ("variant",), _columns, 0, NOTE, "components.parquet")
SECTION = Section(
    "Where the variance comes from",
    lambda evidence: evidence.best_first(evidence.findings.components),
    TABLE,
    pictures=None,
    limits=None,
)
