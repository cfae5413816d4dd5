"""Trials that a campaign trained again and that came out different."""

from __future__ import annotations

import pandas as pd

from noiseflow.report.alarm import latest_replays, replay_summary
from noiseflow.report.evidence import Evidence
from noiseflow.report.section import Section, TableForm
from noiseflow.report.tables import Columns
from noiseflow.wording import bare, fraction

REPLAYS_SHOWN = 20


def _finding(evidence: Evidence) -> pd.DataFrame:
    replays = latest_replays(evidence)
    return replays if replays.empty else replays[~replays["equal"]].head(REPLAYS_SHOWN)


def _columns(_: Evidence) -> Columns:
    return {
        "Columns that differ": lambda row: str(row["differing"]),
        "Seed": lambda row: str(row["seed"]),
        "Largest difference": lambda row: bare(f"{row['largest_difference']:.2g}"),
        "Score before": lambda row: fraction(row["score_before"]),
        "Score now": lambda row: fraction(row["score_after"]),
    }


TABLE = TableForm(
    "details",
    ("variant",),
    _columns,
    1,
    "Trials of the first campaign that the last one trained again.",
    "replays_compared.parquet",
)
SECTION = Section(
    "Replayed trials that came out different",
    _finding,
    TABLE,
    pictures=None,
    limits=lambda evidence: [text for text in [replay_summary(evidence)] if text],
)
