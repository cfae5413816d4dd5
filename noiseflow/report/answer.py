"""The answer to a study's question, in sentences generated from the verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from noiseflow import wording
from noiseflow.report.evidence import Evidence
from noiseflow.study import Study
from noiseflow.wording import Row


def headline(evidence: Evidence) -> str:
    """One or two sentences in plain text that answer the study's question; before them, whether trials are missing."""
    return _missing(evidence) + _answer(evidence)


def _missing(evidence: Evidence) -> str:
    missing = evidence.n_planned - len(evidence.trials)
    if missing <= 0 or evidence.trials.empty:
        return ""
    return f"Incomplete: {missing:,} of {evidence.n_planned:,} planned trials are missing. "


def _answer(evidence: Evidence) -> str:
    rows = evidence.labelled
    if evidence.summary.empty:
        return "No trial of this study has been trained yet, so there is nothing to compare."
    if not rows:
        return "This study has a baseline only, so there is nothing to compare."
    better = sorted(_with_verdict(rows, "better"), key=lambda row: -row["difference_mean"])
    worse = sorted(_with_verdict(rows, "worse"), key=lambda row: row["difference_mean"])
    effects = [
        _effect(group, verb, pooled=evidence.pools_campaigns)
        for rows_of_verdict, verb in ((better, "raises"), (worse, "lowers"))
        for group in _by_score(rows_of_verdict)
    ]
    first = "; ".join(effects) or f"no variant is shown to change {wording.score_of(rows[0]).label}"
    second = "; ".join([*_no_effect(_with_verdict(rows, "equivalent"), evidence.study.margin), *_open(rows)])
    return f"{_where(evidence.study)}, {first}." + (f" {second[0].upper()}{second[1:]}." if second else "")


def _with_verdict(rows: Iterable[Row], verdict: str) -> list[Row]:
    return [row for row in rows if row["verdict"] == verdict]


def _by_score(rows: Iterable[Row]) -> list[list[Row]]:
    """The rows of each score, the first row's score first."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(str(row["score_name"]), []).append(row)
    return list(groups.values())


def too_few(row: Row) -> bool:
    """Whether no result of this many pairs could be significant; a confidence sequence says so itself."""
    return bool(row["n_pairs"] < row["least_n"])


def named(rows: Iterable[Row], last: str = "and") -> str:
    """`‘input’ on circles and moons and ‘after’ on moons`: the variants, each with its places."""
    places: dict[str, list[str]] = {}
    for row in rows:
        places.setdefault(wording.quoted(str(row["variant"])), []).append(str(row["place"]))
    return wording.listed((_placed(name, where, last) for name, where in places.items()), last=last)


def _placed(name: str, places: Sequence[str], last: str = "and") -> str:
    return f"{name} on {wording.listed(places, last=last)}" if places[0] else name


def _effect(rows: Sequence[Row], verb: str, *, pooled: bool) -> str:
    first, *others = rows
    interval = wording.difference_interval(first, as_size=True)
    seeds, p = wording.number(int(first["n_pairs"]), "seed"), wording.p_value(first["p_adjusted"])
    proof = f"95 % interval {interval}, {seeds}, {p} after Holm"
    if pooled:
        proof = f"{seeds}; 95 % interval {interval} and {p}, valid however often one looks"
    text = f"{named([first])} {verb} {wording.score_of(first).label} by {wording.amount(first, bare=True)} ({proof})"
    if others:
        also = wording.listed(f"{named([row])} ({wording.amount(row)})" for row in others)
        text += f", and so {'does' if len(others) == 1 else 'do'} {also}"
    return text


def _no_effect(rows: Sequence[Row], margin: float) -> list[str]:
    if not rows:
        return []
    return [f"no difference worth having (within {wording.margin(rows[0], margin)}) for {named(rows)}"]


def _open(rows: Sequence[Row]) -> list[str]:
    undecided = _with_verdict(rows, "inconclusive")
    few = [row for row in undecided if too_few(row)]
    others = [row for row in undecided if not too_few(row)]
    texts = []
    if few:
        pairs, least = wording.number(int(few[0]["n_pairs"]), "pair"), int(few[0]["least_n"])
        texts.append(f"one cannot conclude on {named(few)}: {pairs} of trials cannot decide it, {least} could")
    if others:
        texts.append(f"it stays open whether {named(others, last='or')} makes a difference")
    return texts


def _where(study: Study) -> str:
    """What the answer holds for."""
    if study.design == "replicate":
        return "On this split" if len(study.datasets) == 1 else "On these splits"
    finite = [dataset.is_finite for dataset in study.datasets]
    return (
        "On new splits of these rows"
        if all(finite)
        else "On average over data seeds"
        if any(finite)
        else "On fresh data"
    )
