"""The first variant against each rival, tuned alike."""

from __future__ import annotations

from noiseflow.report.section import Section, TableForm
from noiseflow.report.tables import difference_heads

TABLE = TableForm(
    "answer",
    ("family", "rival"),
    lambda _: difference_heads(),
    1,
    ("Each with the strength that it chose in the same way, on the same seeds. The verdict is on the first named."),
    "rivals.parquet",
)
SECTION = Section("Against the rivals", lambda evidence: evidence.findings.rivals, TABLE, pictures=None, limits=None)
