"""NF001: a family's best strength is at the edge of its grid."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from noiseflow import wording
from noiseflow.report.cautions.caution import Caution
from noiseflow.report.evidence import Evidence, cell_key, cell_places


def _find(evidence: Evidence) -> Iterator[str]:
    strengths = {v.name: v.strengths for v in evidence.study.variants if len(v.strengths) > 1}
    choices = evidence.findings.choices.rename(columns={"family": "variant"})
    places = {} if choices.empty else cell_places(choices)
    for row in choices.to_dict("records"):
        grid, chosen = strengths.get(str(row["variant"])), row["strength"]
        if grid and isfinite(chosen) and chosen in (min(grid), max(grid)):
            where = "smallest" if chosen == min(grid) else "largest"
            on = f" on {place}" if (place := places[cell_key(row)]) else ""
            yield f"{wording.quoted(row['variant'])}{on} chose {chosen:g}, its {where} strength; a better one may lie beyond."


CAUTION = Caution(
    code="NF001",
    title="the best strength is at the edge of its grid",
    find=_find,
    advice="Add strengths on that side and run again: what is trained is kept.",
    why="The family chose the smallest or the largest of its strengths. The report shows the difference of "
    "the strength chosen, so it may be too small: a stronger or a weaker noise was not tried.",
)
