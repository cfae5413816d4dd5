"""What the last campaign found to have changed, in the line that a report opens with."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from noiseflow import wording
from noiseflow.report.evidence import Evidence, cell_key, cell_places

EXPLAIN = ("tensorflow", "keras", "numpy", "processor", "device")
"""What may change the last bits of a result by right. The code may not: who changes numbers raises NUMERICS_VERSION."""


def alarm(evidence: Evidence) -> str:
    """Sentences on drift, and on replays that came out different though nothing that explains it changed; else empty."""
    return " ".join([*_on_drift(evidence), *_on_replays(evidence)])


def replay_summary(evidence: Evidence) -> str:
    """How the last campaign's replays came out, and what changed since the first; empty where there are none."""
    last = latest_replays(evidence)
    if last.empty:
        return ""
    night, different = last["campaign"].iloc[0], last[~last["equal"]]
    if different.empty:
        return f"The {len(last)} trials of the first campaign that {night} trained again came out equal, bit for bit."
    largest = wording.bare(f"{different['largest_difference'].max():.2g}")
    text = (
        f"{len(different)} of the {len(last)} trials of the first campaign that {night} trained again came out different, by "
        f"{largest} at most."
    )
    changes = wording.listed(f"{name} ({change})" for name, change in evidence.changed.items())
    return (
        f"{text} Since then this changed: {changes}." if changes else f"{text} Nothing is known to have changed since."
    )


def latest_replays(evidence: Evidence) -> pd.DataFrame:
    """The replays of the last campaign that has any."""
    replays = evidence.findings.replays
    return replays if replays.empty else replays[replays["campaign"] == replays["campaign"].max()]


def _on_drift(evidence: Evidence) -> Iterator[str]:
    drift = evidence.findings.drift
    if drift.empty or not drift["flagged"].any():
        return
    flagged = drift[drift["flagged"]].sort_values("p_adjusted").drop_duplicates(["dataset", "architecture", "variant"])
    places = cell_places(evidence.summary)
    cells = []
    for row in flagged.to_dict("records"):
        place = places.get(cell_key(row), "")
        name = wording.quoted(row["variant"]) + (f" on {place}" if place else "")
        means = f"{wording.fraction(row['mean_new'])} against {wording.fraction(row['mean_old'])}"
        cells.append(f"{name} ({means}, {wording.p_value(row['p_adjusted'])})")
    night = evidence.findings.history["campaign"].max()
    yield f"Drift on {night}: the new seeds do not score as the earlier ones did for {wording.listed(cells)}."


def _on_replays(evidence: Evidence) -> Iterator[str]:
    explained = any(name in evidence.changed for name in EXPLAIN)
    if not explained and not latest_replays(evidence).get("equal", pd.Series(dtype=bool)).all():
        yield replay_summary(evidence)
