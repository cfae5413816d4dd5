"""The looks at a study that grew, or that went on until its variants were decided."""

from __future__ import annotations

import pandas as pd

from noiseflow.report.evidence import Evidence
from noiseflow.report.look_sentences import on_looks
from noiseflow.report.section import Section, TableForm
from noiseflow.report.tables import Columns
from noiseflow.wording import NOTHING

NOTE = (
    "Whoever looks, adds seeds and looks again has several chances of a false claim. So each look has its own level: its "
    "verdicts are read off intervals of which some leaves the truth out with that chance. A variant without new trials "
    "keeps its verdict."
)


def _finding(evidence: Evidence) -> pd.DataFrame:
    return evidence.findings.looks


def _columns(_: Evidence) -> Columns:
    return {
        "Verdict": lambda row: row["verdict"] if isinstance(row["verdict"], str) else NOTHING,
        "Look": lambda row: str(row["look"]),
        "Seeds": lambda row: f"{row['n_seeds']:,}",
        "Level": lambda row: f"{100 * row['level']:.2g} %",
    }


TABLE = TableForm("details", ("variant",), _columns, 1, NOTE, "looks.parquet")
SECTION = Section("Looks", _finding, TABLE, pictures=None, limits=on_looks)
