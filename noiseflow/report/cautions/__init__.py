"""Numbered cautions: what makes an answer weaker than it looks. A study file mutes one by its number (`muted: [NF003]`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf, isfinite, nan

from noiseflow import wording
from noiseflow.base.values import BASELINE
from noiseflow.datasets.facts import BOOSTING
from noiseflow.report.evidence import Evidence, cell_key, cell_places, small_test_sets
from noiseflow.statistics.summary import MEASURE_MARGIN

FEW_ROWS = 200
"""Test rows below which one row is more than half a point."""
MOST_DIVERGED = 0.05


@dataclass(frozen=True)
class Caution:
    """A caution; docs/cautions.md has a section for each.

    Attributes:
        code: `NF001`.
        title: in a few words.
        find: sentences on the evidence; none where all is well.
    """

    code: str
    title: str
    find: Callable[[Evidence], Iterator[str]]


def _edge(evidence: Evidence) -> Iterator[str]:
    strengths = {v.name: v.strengths for v in evidence.study.variants if len(v.strengths) > 1}
    choices = evidence.findings.choices.rename(columns={"family": "variant"})
    places = {} if choices.empty else cell_places(choices)
    for row in choices.to_dict("records"):
        grid, chosen = strengths.get(str(row["variant"])), row["strength"]
        if grid and isfinite(chosen) and chosen in (min(grid), max(grid)):
            where = "smallest" if chosen == min(grid) else "largest"
            on = f" on {place}" if (place := places[cell_key(row)]) else ""
            yield f"{wording.quoted(row['variant'])}{on} chose {chosen:g}, its {where} strength; a better one may lie beyond."


def _plain(evidence: Evidence) -> Iterator[str]:
    """Baselines below a constant guess, or below gradient boosting by more than the margin where its score is known."""
    boosted = {read.dataset: read.scores.get(BOOSTING, nan) for read in evidence.read}
    for row in evidence.summary[evidence.summary["variant"] == BASELINE].to_dict("records"):
        score, least = wording.score_of(row), evidence.constants.get(row["dataset"], -inf)
        best = boosted.get(row["dataset"], nan)
        whose = f"The baseline's {score.label} of {wording.fraction(row['score_mean'])} on {row['dataset']}"
        if not score.is_loss and row["score_mean"] < least:
            yield (
                f"{whose} is below the {wording.fraction(least)} of a constant guess: this network has learnt nothing that "
                "noise could protect."
            )
        if row["score_mean"] < best - evidence.study.margin:
            yield (
                f"{whose} ({row['architecture']}) is below the {wording.fraction(best)} of scikit-learn's gradient boosting on "
                "the same splits: another network, or other training, may gain more than noise."
            )


def _few_rows(evidence: Evidence) -> Iterator[str]:
    for name, n in small_test_sets(evidence).items():
        if 0 < n < FEW_ROWS:
            yield f"{name} has {n} test rows: one row is {100 / n:.2g} % of them."


def _diverged(evidence: Evidence) -> Iterator[str]:
    for row in evidence.summary.to_dict("records"):
        if row["n_diverged"] > MOST_DIVERGED * row["n_seeds"]:
            yield f"{row['n_diverged']} of {row['n_seeds']} trials of {wording.quoted(row['variant'])} diverged."


def _probabilities(evidence: Evidence) -> Iterator[str]:
    for name, least in evidence.constant_losses.items():
        rows = evidence.summary[evidence.summary["dataset"] == name].to_dict("records")
        worse = [row for row in rows if row["test_loss_mean"] > least + MEASURE_MARGIN]
        if worse:
            losses = sorted(float(row["test_loss_mean"]) for row in worse)
            span = " to ".join(dict.fromkeys(wording.fraction(loss, 2) for loss in (losses[0], losses[-1])))
            yield (
                f"The test loss of {wording.listed(wording.quoted(row['variant']) for row in worse)} on {name} ({span}) is "
                f"above the {wording.fraction(least, 2)} of a constant guess: the classes may be right, the probabilities are "
                "not to be used."
            )


CAUTIONS: tuple[Caution, ...] = (
    Caution("NF001", "the best strength is at the edge of its grid", _edge),
    Caution("NF002", "the baseline is worse than a plain model", _plain),
    Caution("NF003", "there are few test rows", _few_rows),
    Caution("NF004", "many trials diverged", _diverged),
    Caution("NF005", "probabilities are worse than a constant guess", _probabilities),
)
"""All of them; a number is never used for another."""
MOST_SENTENCES = 3  # of a caution


def cautions(evidence: Evidence) -> list[str]:
    """A line for each caution that the study does not mute: `NF003: circles has 70 test rows: …`."""
    lines = []
    for caution in CAUTIONS:
        found = [] if caution.code in evidence.study.muted else list(caution.find(evidence))
        more = [f"{len(found) - MOST_SENTENCES} more are like this."] if len(found) > MOST_SENTENCES else []
        if found:
            lines.append(f"{caution.code}: {' '.join([*found[:MOST_SENTENCES], *more])}")
    return lines
