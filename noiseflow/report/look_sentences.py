"""What the looks at a study mean for its answer, in sentences: how many seeds it took, and what was saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from noiseflow import wording
from noiseflow.report.evidence import Evidence
from noiseflow.report.headline import named
from noiseflow.statistics.inference import ALPHA
from noiseflow.trials.waves import rows_leave_open
from noiseflow.wording import Row

MOST_NAMED = 5
"""Numbers of seeds that a sentence names."""
LATER = 0.045
"""What all looks after one at .05 may spend together."""


def looked(evidence: Evidence) -> str:
    """A sentence that ends the answer; empty where this is the only look at a fixed number of seeds."""
    looks = evidence.findings.looks
    if looks.empty or not evidence.labelled:
        return ""
    if not evidence.until_decided:
        n_looks = looks["look"].nunique()
        return f"The study was looked at {wording.number(n_looks, 'time')}; intervals, p and verdicts allow for it."
    found = wording.listed(_verdict_texts(evidence.labelled))
    ended = any(row["verdict"] == "inconclusive" and not rows_leave_open(row) for row in evidence.labelled)
    until = ", or the budget or the largest number of seeds was reached" if ended else ""
    return f"Seeds were added until each variant was decided{until}: {found}{_saved(evidence)}."


def _verdict_texts(rows: Sequence[Row]) -> Iterator[str]:
    """`‘input’ equivalent after 45 seeds`, the ones that took fewest seeds first."""
    by_verdict: dict[tuple[int, str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: int(row["n_seeds"])):
        is_open = row["verdict"] == "inconclusive"
        why = " (more test rows would decide it, more seeds hardly)" if is_open and rows_leave_open(row) else ""
        by_verdict.setdefault((int(row["n_seeds"]), "open" if is_open else str(row["verdict"]), why), []).append(row)
    for (n_seeds, verdict, why), those in by_verdict.items():
        yield f"{named(those)} {verdict} after {wording.number(n_seeds, 'seed')}{why}"


def _saved(evidence: Evidence) -> str:
    seeds = evidence.summary["n_seeds"]
    share = 1 - seeds.sum() / (seeds.max() * len(seeds))
    return f"; {100 * share:.0f} % of the trials not needed" if share >= 0.005 else ""


def on_looks(evidence: Evidence) -> list[str]:
    """What the error over all looks is."""
    looks = evidence.findings.looks
    if looks.empty:
        return []
    levels = looks.drop_duplicates(["look", "level"])["level"]
    counts = [f"{n:,}" for n in sorted(set(looks["n_seeds"]))]
    at = (
        wording.listed(counts)
        if len(counts) <= MOST_NAMED
        else f"{', '.join(counts[: MOST_NAMED - 1])}, … {counts[-1]}"
    )
    text = f"There were looks at {at} seeds; each of them has its own level."
    if (levels < ALPHA).all():
        return [f"{text} Over all looks and comparisons together a false claim has a chance of 5 % at most."]
    spent = f"The first one, at a fixed number of seeds, spent 5 %; all later ones may spend {100 * LATER:g} % more at most."
    return [f"{text} {spent} In simulated studies a false claim at any of the looks stays near 5 %."]
