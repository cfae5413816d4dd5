"""The headline of the report: the sentences that answer a study's question, generated from the verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite, nan

import pandas as pd

from noiseflow import wording
from noiseflow.base.faults import some_of
from noiseflow.base.values import BASELINE
from noiseflow.report.evidence import Evidence
from noiseflow.wording import Row

FRESH = "On fresh data"


def headline(evidence: Evidence) -> str:
    """One or two sentences in plain text that answer the study's question; before them, whether trials are missing."""
    return _missing(evidence) + _answer(evidence)


def in_short(summary: pd.DataFrame) -> str:
    """The variants by their verdicts, `better: a, b; open: c`, where a headline is too long."""
    words = {"better": "better", "worse": "worse", "equivalent": "no difference", "inconclusive": "open"}
    groups = {word: summary.loc[summary["verdict"] == verdict, "variant"] for verdict, word in words.items()}
    return "; ".join(f"{word}: {some_of(dict.fromkeys(names), 4)}" for word, names in groups.items() if len(names))


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
    whole = [row for row in rows if not row["survivors_only"]]
    better = sorted(_with_verdict(whole, "better"), key=lambda row: -row["difference_mean"])
    worse = sorted(_with_verdict(whole, "worse"), key=lambda row: row["difference_mean"])
    effects = [
        _effect(group, verb, evidence)
        for rows_of_verdict, verb in ((better, "raises"), (worse, "lowers"))
        for group in _by_compared(rows_of_verdict, evidence)
    ]
    effects += _on_failures(rows, evidence.summary)
    first = "; ".join(effects) or f"no variant is shown to change {_compared(evidence, rows)}"
    second = "; ".join([*_no_effect(_with_verdict(rows, "equivalent"), evidence.study.margin), *_open(rows)])
    texts = [first, second, *_other_measures(rows, evidence)]
    sentences = [f"{text[0].upper() if k else text[0]}{text[1:]}." for k, text in enumerate(texts) if text]
    return f"{_where(evidence)}, {' '.join(sentences)}"


def _with_verdict(rows: Iterable[Row], verdict: str) -> list[Row]:
    return [row for row in rows if row["verdict"] == verdict]


def _compared(evidence: Evidence, rows: Iterable[Row]) -> str:
    """What is compared in these rows; that the rows are fresh is said once, at the beginning or here."""
    name = evidence.compared(rows)
    return name.replace(" on fresh rows", "") if _where(evidence) == FRESH else name


def _by_compared(rows: Iterable[Row], evidence: Evidence) -> list[list[Row]]:
    """The rows of which the same is compared, those of the first row first."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(_compared(evidence, [row]), []).append(row)
    return list(groups.values())


def too_few(row: Row) -> bool:
    """Whether no result of this many pairs could be significant; a confidence sequence shows that itself."""
    return bool(row["n_units"] < row["least_n"])


def named(rows: Iterable[Row], last: str = "and") -> str:
    """`‘input’ on circles and moons and ‘after’ on moons`: the variants, each with its places."""
    places: dict[str, list[str]] = {}
    for row in rows:
        places.setdefault(wording.quoted(str(row["variant"])), []).append(str(row["place"]))
    return wording.listed((_with_places(name, where, last) for name, where in places.items()), last=last)


def _with_places(name: str, places: Sequence[str], last: str = "and") -> str:
    return f"{name} on {wording.listed(places, last=last)}" if places[0] else name


def _effect(rows: Sequence[Row], verb: str, evidence: Evidence) -> str:
    first, *others = rows
    interval = wording.difference_interval(first, as_size=True)
    seeds, p = wording.number(int(first["n_pairs"]), "seed"), wording.p_value(first["p_adjusted"])
    proof = f"95 % interval {interval}, {seeds}, {p} with all comparisons counted"
    if isfinite(first.get("seeds_ci_low", nan)):
        on_rows = {**first, "difference_ci_low": first["seeds_ci_low"], "difference_ci_high": first["seeds_ci_high"]}
        on_these = wording.difference_interval(on_rows, as_size=True)
        both = f"{interval} for new seeds and new rows, {on_these} for new seeds alone"
        proof = f"95 % interval {both}; {seeds}, {p} with all comparisons counted"
    if evidence.pools_campaigns:
        proof = f"{seeds}; 95 % interval {interval} and {p}, valid however often one looks"
    text = f"{named([first])} {verb} {_compared(evidence, [first])} by {wording.amount(first, bare=True)} ({proof})"
    if others:
        also = wording.listed(f"{named([row])} ({wording.amount(row)})" for row in others)
        text += f", and so {'does' if len(others) == 1 else 'do'} {also}"
    return text


def _by_strengths(rows: Sequence[Row]) -> list[tuple[list[Row], str]]:
    """The variants, and the families with what their verdict is about; parts without a row are left out."""
    families = [row for row in rows if row.get("n_strengths", 1) > 1]
    plain = [row for row in rows if not row.get("n_strengths", 1) > 1]  # NaN beside families
    each = ", each at its best strength" if len(families) > 1 else ", at its best strength"
    return [(part, of) for part, of in ((plain, ""), (families, each)) if part]


def _no_effect(rows: Sequence[Row], margin: float) -> list[str]:
    if not rows:
        return []
    clear = [row for row in rows if row.get("clear")]
    others = [row for row in rows if not row.get("clear")]
    texts = []
    for alike, of in _by_strengths(others):
        texts.append(f"no difference worth having (within {wording.margin(rows[0], margin)}) for {named(alike)}{of}")
    if clear:
        variants = wording.listed(f"{named([row])} ({wording.difference(row)})" for row in clear)
        texts.append(f"a clear difference below the margin of {wording.margin(rows[0], margin)} for {variants}")
    return texts


def _other_measures(rows: Sequence[Row], evidence: Evidence) -> list[str]:
    """Where the loss and the Brier score say something else than the score."""
    texts = []
    for measure, label, unit in (("loss", "log loss", " nats"), ("brier", "Brier score", "")):
        for verdict, verb in (("better", "improve"), ("worse", "worsen")):
            against = [row for row in rows if row.get(f"{measure}_verdict") == verdict and row["verdict"] != verdict]
            variants = wording.listed(
                f"{named([row])} ({wording.bare(wording.signed(row[f'{measure}_difference_mean'], 3))}{unit})"
                for row in against
            )
            if variants:
                verb_, their = (f"{verb}s", "its") if len(against) == 1 else (verb, "their")
                score = f"{their} {_compared(evidence, against)}"
                texts.append(f"{variants} {verb_} the {label}, though {score} is not shown to {verb}")
    return texts


def _on_failures(rows: Sequence[Row], summary: pd.DataFrame) -> list[str]:
    """Sentences on variants that clearly fail more, or less, often than the baseline: their remaining pairs are a selection."""
    texts = []
    for verdict, than in (("better", "less"), ("worse", "more")):
        decided = [row for row in _with_verdict(rows, verdict) if row["survivors_only"]]
        least = "at least " if verdict == "worse" else "at its best strength "
        each = wording.listed(
            f"{named([row])} ({least if row.get('n_strengths', 1) > 1 else ''}{int(row['n_failed'])} of "
            f"{int(row['n_seeds'])} trainings, {wording.p_value(row['failure_p'])})"
            for row in decided
        )
        if each:
            verb = "fails" if len(decided) == 1 else "fail"
            baseline = f"the baseline{_failures_of_baseline(decided, summary)}"
            texts.append(
                f"{each} {verb} {than} often than {baseline}, and the verdict goes by that: a training fails where it diverges "
                "or ends no better than a constant guess"
            )
    return texts


def _failures_of_baseline(rows: Sequence[Row], summary: pd.DataFrame) -> str:
    """` (13 of 30)`, of the only baseline of these rows."""
    cells = {(row["dataset"], row["architecture"]) for row in rows}
    ours = [
        row
        for row in summary[summary["variant"] == BASELINE].to_dict("records")
        if (row["dataset"], row["architecture"]) in cells
    ]
    return f" ({int(ours[0]['n_failed'])} of {int(ours[0]['n_seeds'])})" if len(ours) == 1 else ""


def _open(rows: Sequence[Row]) -> list[str]:
    undecided = _with_verdict(rows, "inconclusive")
    few = [row for row in undecided if too_few(row)]
    others = [row for row in undecided if not too_few(row)]
    texts = []
    if few:
        pairs, least = wording.number(int(few[0]["n_units"]), "pair"), int(few[0]["least_n"])
        texts.append(f"one cannot conclude on {named(few)}: {pairs} of trials cannot decide it, {least} could")
    tails = [row for row in others if row.get("long_tail")]
    others = [row for row in others if not row.get("long_tail")]
    if others:
        texts.append(
            f"it stays open whether {_makes(others)} a difference{_size(others[0]) if len(others) == 1 else ''}"
        )
    if tails:
        texts.append(f"it stays open whether {_makes(tails)} a difference: a few seeds decide the mean")
    return texts


def _size(row: Row) -> str:
    """` (−0.4 points, 95 % interval −1.0 to 0.2)`."""
    score = wording.score_of(row)
    unit = "points" if score.in_points else score.unit
    return f" ({wording.difference(row)} {unit}, 95 % interval {wording.difference_interval(row)})"


def _makes(rows: Sequence[Row]) -> str:
    """`‘a’ or ‘b’ makes`, `‘a’, … or 9 more make`."""
    names = named(rows, last="or")
    return f"{names} {'make' if names.endswith(' more') else 'makes'}"


def _where(evidence: Evidence) -> str:
    """What the answer holds for."""
    study = evidence.study
    if study.design == "replicate" and evidence.answers_for_new_rows:
        is_fresh = all(evidence.is_fresh(dataset.name) for dataset in study.datasets)
        return "With these training rows" + ("" if is_fresh else ", and on new rows of the same kind")
    if study.design == "replicate":
        return "On this split" if len(study.datasets) == 1 else "On these splits"
    finite = [dataset.is_finite for dataset in study.datasets]
    return "On new rows like these" if all(finite) else "On average over data seeds" if any(finite) else FRESH
