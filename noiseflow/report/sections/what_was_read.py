"""What was read of the data, and what plain models make of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite

import pandas as pd

from noiseflow.datasets.facts import BOOSTING
from noiseflow.report.evidence import Evidence
from noiseflow.report.section import Section, TableForm
from noiseflow.report.tables import Columns
from noiseflow.study import BASELINE
from noiseflow.wording import NOTHING, bare, fraction

NOTE = (
    "What the networks saw of each file. All of it can be set anew in the study file: `drop`, `numeric`, `categorical`, "
    "`ordinal`, `group`, `time`. Missing, levels and features count for a column; plain models are scored on the first "
    "splits of the study."
)
CONSTANT = "constant guess"


def _finding(evidence: Evidence) -> pd.DataFrame:
    frames = []
    for read in evidence.read:
        frame, mine = read.frame(), _baselines(evidence, read.dataset)
        rows = [
            {
                "what": f"{read.score} of the baseline ({name})",
                "read_as": fraction(value),
                "missing": 0,
                "levels": 0,
                "width": 0,
            }
            for name, value in mine.items()
            if read.scores
        ]
        at = 4 + len(read.scores)  # what is said of the whole comes before the columns
        frame.loc[4 : at - 1, "read_as"] = frame.loc[4 : at - 1, "read_as"].map(bare)
        if len(evidence.read) > 1:
            frame["what"] = f"{read.dataset}: " + frame["what"]
        parts = [frame[:at], pd.DataFrame(rows).assign(why="") if rows else frame[:0], frame[at:]]
        frames += [part for part in parts if len(part)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _baselines(evidence: Evidence, dataset: str) -> dict[str, float]:
    """The mean score of the baseline on a dataset, by the network."""
    summary = evidence.summary
    mine = summary[(summary["dataset"] == dataset) & (summary["variant"] == BASELINE)]
    return {str(row["architecture"]): float(row["score_mean"]) for row in mine.to_dict("records")}


def _columns(_: Evidence) -> Columns:
    return {
        "Read as": lambda row: str(row["read_as"]),
        "Remark": lambda row: str(row["why"]) or NOTHING,
        "Missing": lambda row: f"{row['missing']:,}" if row["missing"] else NOTHING,
        "Levels": lambda row: f"{row['levels']:,}" if row["levels"] else NOTHING,
        "Features": lambda row: f"{row['width']:,}" if row["width"] else NOTHING,
    }


def _limits(evidence: Evidence) -> list[str]:
    """A baseline that is no better than a constant guess, or far behind a plain model; NF002 has gradient boosting."""
    return [
        text
        for read in evidence.read
        for text in (*_behind(evidence, read.dataset, read.scores), *(f"{read.dataset}: {it}" for it in read.solved()))
    ]


def _behind(evidence: Evidence, dataset: str, scores: Mapping[str, float]) -> Iterator[str]:
    known = {name: value for name, value in scores.items() if isfinite(value)}
    guess, others = known.pop(CONSTANT, None), known
    for network, value in _baselines(evidence, dataset).items():
        place = f"On {dataset} the baseline ({network}) scores {fraction(value)}"
        best = max(others, key=lambda name: others[name], default="")
        if guess is not None and value <= guess:
            yield (
                f"{place}, no better than a constant guess ({fraction(guess)}): it has learnt nothing that holds for test "
                "rows."
            )
        elif best and best != BOOSTING and guess is not None and others[best] - guess > 2 * max(value - guess, 0):
            yield (
                f"{place}; {best} scores {fraction(others[best])} on the same splits: another network, or other training, "
                "may fit."
            )


TABLE = TableForm("details", ("what",), _columns, 2, NOTE, "the data")
SECTION = Section("What was read", _finding, TABLE, pictures=None, limits=_limits)
