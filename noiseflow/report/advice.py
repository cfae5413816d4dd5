"""What to do after reading a study's answer: the noise to take over, or to leave it out, or how many seeds would decide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, nan

from noiseflow import wording
from noiseflow.controls import control_kind
from noiseflow.datasets import columns_of
from noiseflow.report.cautions.probabilities import unreliable
from noiseflow.report.evidence import Evidence, cell_key
from noiseflow.report.headline import named, too_few
from noiseflow.report.recipe import Task, keras_lines
from noiseflow.statistics.differences import rows_decide
from noiseflow.statistics.pairs import CELL, GROUP
from noiseflow.statistics.power import needed_range
from noiseflow.statistics.training_length import training_lengths
from noiseflow.study import BASELINE, Variant, until
from noiseflow.wording import Row

MOST_RECIPES = 4
MOST_SEEDS = 10_000
LEAST_FORECAST = 6
"""Least pairs with a spread that is known well enough to forecast how many seeds it takes."""


@dataclass(frozen=True)
class Advice:
    """A sentence, and the lines of code that go with it; none where it is empty."""

    text: str
    code: str = ""


def advise(evidence: Evidence) -> list[Advice]:
    """What to do, for each dataset and architecture: recipes first, of the largest gains, then the rest in a sentence each."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in evidence.labelled:
        groups.setdefault(tuple(row[name] for name in GROUP), []).append(row)
    helped = [rows for rows in groups.values() if _better(rows)]
    least = sorted((_gain(rows) for rows in helped), reverse=True)[:MOST_RECIPES][-1:]
    largest = [rows for rows in helped if _gain(rows) >= least[0]][:MOST_RECIPES]
    recipes = [advice for rows in largest for advice in _recipe(evidence, rows)]
    undecided = [row for rows in groups.values() for row in _open(rows)]
    refuted = [rows for rows in groups.values() if not _better(rows) and not _open(rows)]
    nothing = "" if helped else "Nothing is to be taken over as yet: "
    return [*recipes, *_on_undecided(evidence, undecided, nothing), *_leave_out(refuted)]


def _better(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["verdict"] == "better"]


def _gain(rows: Sequence[Row]) -> float:
    return max(_or_0(row["difference_mean"]) for row in _better(rows))


def _or_0(value: float) -> float:
    """The number; 0 where it is not finite, as for a variant that fails less often and has no pair left to compare."""
    return float(value) if isfinite(value) else 0.0


def _open(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["verdict"] == "inconclusive"]


def _recipe(evidence: Evidence, rows: Sequence[Row]) -> Iterator[Advice]:
    """The simplest of those that gain as much as the best, to within the margin; of equally simple ones the surest."""
    better = _better(rows)
    if not better:
        return
    alike = [row for row in better if _or_0(row["difference_mean"]) >= _gain(rows) - evidence.study.margin]
    best = min(alike, key=lambda row: (_n_parts(_variant(evidence, row)), -_or_0(row["difference_ci_low"])))
    why = "" if len(better) == 1 else _why(evidence, best, alike)
    architecture = next(a for a in evidence.study.architectures if a.name == best["architecture"])
    warns = "NF005" not in evidence.study.muted and cell_key(best) in unreliable(evidence)
    caution = " Do not rely on its probabilities (NF005)." if warns else ""
    yield Advice(
        f"Take {named([best])}{why}.{_on_stopping(evidence, best)}{caution} In Keras:",
        keras_lines(architecture, _with_columns(evidence, best), _task(evidence, best)),
    )


def _on_stopping(evidence: Evidence, row: Row) -> str:
    """That early stopping may do as well: where it was not tried, and the baseline was best before its last epoch."""
    tried = any(control_kind(control.kind).stops for v in evidence.study.variants for control in v.controls)
    if tried or evidence.curves.empty:
        return ""
    lengths = training_lengths(evidence.curves).set_index(CELL)["verdict"]
    is_late = lengths.get((row["dataset"], row["architecture"], BASELINE)) == "too long"
    return " Try early stopping as well: the baseline was best before its last epoch." * is_late


def _why(evidence: Evidence, best: Row, alike: Sequence[Row]) -> str:
    """Why the one to take is taken, beside the one that gains most and those that are as simple."""
    largest = max(alike, key=lambda row: _or_0(row["difference_mean"]))
    if best["variant"] == largest["variant"]:
        return ": it gains most"
    n_parts = [_n_parts(_variant(evidence, row)) for row in (best, *alike)]
    is_simpler = n_parts[0] < _n_parts(_variant(evidence, largest))
    what = "is simpler" if is_simpler else "has an interval that begins higher"
    if is_simpler and n_parts.count(n_parts[0]) > 2:
        what += "; of those as simple, its interval begins highest"
    most = wording.quoted(str(largest["variant"]))
    by = wording.margin(best, evidence.study.margin).removeprefix("± ")
    return (
        f". {most} gains more, but by less than the margin ({by}), and this one {what}. They were not tested against "
        "each other"
    )


def _task(evidence: Evidence, row: Row) -> Task:
    study = evidence.study
    dataset = next(d for d in study.datasets if d.name == row["dataset"])
    architecture = next(a for a in study.architectures if a.name == row["architecture"])
    shape, n_classes, n_targets = evidence.forms.get(dataset.name, ((2,), 2, 1))
    return Task(shape, n_classes, study.training_of(dataset, architecture), dataset.is_masked, n_targets)


def _n_parts(variant: Variant) -> int:
    return len(variant.injections) + len(variant.controls)


def _variant(evidence: Evidence, row: Row) -> Variant:
    """The variant of a row; of a family its member of the strength that was chosen most often."""
    variant = next(v for v in evidence.study.variants if v.name == row["variant"])
    return next((member for member in variant.members if member.strength == row["strength"]), variant.members[0])


def _with_columns(evidence: Evidence, row: Row) -> Variant:
    """The variant of a row, its columns as numbers."""
    variant = _variant(evidence, row)
    if not any(injection.place == "input" for injection in variant.injections):
        return variant
    columns = columns_of(next(d for d in evidence.study.datasets if d.name == row["dataset"]))
    resolved = tuple(injection.resolved(columns) for injection in variant.injections)
    return variant.model_copy(update={"injections": resolved})


def _on_undecided(evidence: Evidence, rows: Sequence[Row], nothing: str) -> Iterator[Advice]:
    """What would decide what is open: more test rows, more seeds, and how many of them as far as that is known."""
    noisy = [row for row in rows if _variant(evidence, row).injections] or list(rows)
    by_rows = [row for row in noisy if rows_decide(row) and not too_few(row)]
    if by_rows:
        yield _more_rows(evidence, by_rows if len(by_rows) < len(noisy) else rows, by_rows, nothing)
    by_seeds = [row for row in noisy if row not in by_rows]
    if by_seeds:
        yield _more_seeds(evidence, by_seeds if by_rows else rows, by_seeds, "" if by_rows else nothing)


def _undecided(rows: Sequence[Row], nothing: str) -> str:
    return f"{nothing}{named(rows)} {'is' if len(rows) == 1 else 'are'} inconclusive."


def _more_rows(evidence: Evidence, rows: Sequence[Row], noisy: Sequence[Row], nothing: str) -> Advice:
    """Advice where the test rows are so few that no number of seeds decides it."""
    share = min(row["rows_share"] for row in noisy)
    names = {row["dataset"] for row in noisy}
    n_eval = max((dataset.n_eval or 0 for dataset in evidence.study.datasets if dataset.name in names), default=0)
    which = "fresh" if n_eval else "test"
    how = (
        f"Raise n_eval above {n_eval:,} in the study file; four times as many rows halve the interval."
        if n_eval
        else "Take more test rows, or n_eval where the rows come from a generator."
    )
    return Advice(
        f"{_undecided(rows, nothing)} More seeds would hardly decide it: at least {100 * share:.0f} % of the uncertainty "
        f"comes from which {which} rows there are. {how}"
    )


def _more_seeds(evidence: Evidence, rows: Sequence[Row], noisy: Sequence[Row], nothing: str) -> Advice:
    """How many seeds would decide what is open, as far as that is known."""
    text = _undecided(rows, nothing)
    needed = [float(row["n_needed"]) for row in noisy if isfinite(row.get("n_needed", nan))]
    if not needed:
        finite = any(dataset.is_finite for dataset in evidence.study.datasets)
        return Advice(
            f"{text} More splits of the same rows would hardly decide it; more rows might." if finite else text
        )
    if max(needed) > MOST_SEEDS:
        return Advice(f"{text} Seeds alone will not decide all of it: the scores spread too far for the margin.")
    if evidence.pools_campaigns:
        nights = max(1, ceil((max(needed) - max(row["n_pairs"] for row in noisy)) / evidence.study.n_seeds))
        return Advice(
            f"{text} With the spread seen so far, {wording.number(nights, 'campaign')} more would make every interval as "
            "narrow as ± the margin."
        )
    most = max((row for row in noisy if isfinite(row.get("n_needed", nan))), key=lambda row: float(row["n_needed"]))
    what = "" if len(noisy) == len(rows) else " of the noise"
    command = _until_decided(evidence.manifest.get("command", ""), evidence.study.n_seeds)
    how = "seeds can be added until each variant is decided; each look on the way is allowed for"
    return Advice(f"{text}{_forecast(most, what)} With --until decided, {how}{':' if command else '.'}", command)


def _forecast(row: Row, what: str) -> str:
    """How many seeds a new study would take, by the spread seen here; or why that cannot be said."""
    needed, n_pairs = float(row["n_needed"]), int(row["n_pairs"])
    if n_pairs < LEAST_FORECAST:
        return f" How many seeds it takes cannot be said: {wording.number(n_pairs, 'pair')} of trials do not show the spread."
    if needed <= n_pairs:
        return (
            " How many seeds it takes cannot be said: as many as there are show a difference as large as the margin in four "
            "of five cases, and did not here."
        )
    low, high = needed_range(needed, n_pairs)
    return (
        f" A new study that is looked at once would show a difference{what} as large as the margin in four of five cases with "
        f"{int(needed):,} seeds; {floor(low):,} to {ceil(high):,}, since {n_pairs:,} pairs show the spread only roughly."
    )


def _until_decided(command: str, n_seeds: int) -> str:
    """The command that trains further seeds of the study until it is decided."""
    if not command:
        return ""
    without = re.sub(r" --(seeds \d+|until decided)", "", command)
    most = "" if n_seeds < until.MOST_SEEDS else f" --max-seeds {min(2 * n_seeds, until.LARGEST)}"
    return f"{without} --until decided{most}"


def _leave_out(groups: Sequence[Sequence[Row]]) -> Iterator[Advice]:
    if groups:
        places = [str(rows[0]["place"]) for rows in groups]
        where = f" on {wording.listed(places)}" if places[0] else ""
        yield Advice(f"Leave the noise out{where}: no variant is worth having.")
