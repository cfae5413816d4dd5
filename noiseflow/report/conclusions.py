"""What a study shows and what limits it, in sentences generated from the verdicts and the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite

import pandas as pd

from noiseflow import wording
from noiseflow.report.evidence import (
    Evidence,
    cell_key,
    cell_labels,
    compared_rows,
    positives,
    small_test_sets,
    split_sizes,
)
from noiseflow.spec import BASELINE, Study
from noiseflow.statistics.uncertainty import score_uncertainty
from noiseflow.wording import Row


def headline(evidence: Evidence) -> str:
    """One or two sentences in plain text that answer the study's question."""
    rows = _labelled_rows(evidence)
    if evidence.summary.empty:
        return "No trial of this study has been trained yet, so there is nothing to compare."
    if not rows:
        return "This study has a baseline only, so there is nothing to compare."
    better = sorted(_with_verdict(rows, "better"), key=lambda row: -row["difference_mean"])
    worse = sorted(_with_verdict(rows, "worse"), key=lambda row: row["difference_mean"])
    effects = [_effect(group, verb) for group, verb in ((better, "raises"), (worse, "lowers")) if group]
    first = "; ".join(effects) or f"no variant is shown to change {wording.score_name(rows[0])}"
    second = "; ".join([*_no_effect(_with_verdict(rows, "equivalent"), evidence.study.margin), *_open(rows)])
    return f"{_where(evidence.study)}, {first}." + (f" {second[0].upper()}{second[1:]}." if second else "")


def conclusions(evidence: Evidence) -> list[str]:
    """Sentences on what may and may not be concluded."""
    return [
        *_on_data(evidence),
        *_on_test_set(evidence),
        *_on_ceiling(evidence),
        *_on_missing(evidence),
        *_on_diverged(evidence),
        *_on_pairs(evidence),
        *evidence.cautions,
    ]


def _labelled_rows(evidence: Evidence) -> list[Row]:
    labels = cell_labels(evidence.answer, wording.quoted)
    return [row | {"label": labels[cell_key(row)]} for row in compared_rows(evidence)]


def _with_verdict(rows: Iterable[Row], verdict: str) -> list[Row]:
    return [row for row in rows if row["verdict"] == verdict]


def _too_few(row: Row) -> bool:
    return bool(row["n_pairs"] < row["least_n"])


def _names(rows: Iterable[Row], last: str = "and") -> str:
    return wording.listed((row["label"] for row in rows), last=last)


def _effect(rows: Sequence[Row], verb: str) -> str:
    first, *others = rows
    interval = wording.difference_interval(first, as_size=True)
    seeds, p = wording.number(int(first["n_pairs"]), "seed"), wording.p_value(first["p_adjusted"])
    text = (
        f"{first['label']} {verb} {wording.score_name(first)} by {wording.amount(first, bare=True)} "
        f"(95 % interval {interval}, {seeds}, {p} after Holm)"
    )
    if others:
        also = wording.listed(f"{row['label']} ({wording.amount(row)})" for row in others)
        text += f", and so {'does' if len(others) == 1 else 'do'} {also}"
    return text


def _no_effect(rows: Sequence[Row], margin: float) -> list[str]:
    if not rows:
        return []
    return [f"no difference worth having (within {wording.margin(rows[0], margin)}) for {_names(rows)}"]


def _open(rows: Sequence[Row]) -> list[str]:
    undecided = _with_verdict(rows, "inconclusive")
    few = [row for row in undecided if _too_few(row)]
    others = [row for row in undecided if not _too_few(row)]
    texts = []
    if few:
        pairs, least = wording.number(int(few[0]["n_pairs"]), "pair"), int(few[0]["least_n"])
        texts.append(f"one cannot conclude on {_names(few)}: {pairs} of trials cannot decide it, {least} could")
    if others:
        texts.append(f"it stays open whether {_names(others, last='or')} makes a difference")
    return texts


def _where(study: Study) -> str:
    """What the answer holds for."""
    if study.design == "replicate":
        return "On this split"
    finite = [dataset.is_finite for dataset in study.datasets]
    return (
        "On new splits of these rows"
        if all(finite)
        else "On average over data seeds"
        if any(finite)
        else "On fresh data"
    )


def _on_data(evidence: Evidence) -> list[str]:
    """What the seeds vary, and so what the conclusions hold for."""
    sizes = split_sizes(evidence.data)
    told = wording.listed(
        f"{name}: {train:,} rows to train and {test:,} to test" for name, (train, test) in sizes.items()
    )
    rows = f" ({told})" if told else ""
    study = evidence.study
    if study.design == "replicate":
        return [
            f"The data is one fixed split{rows}; the seeds vary the initial weights and the noise.",
            "So the conclusions hold for that split only: other rows from the same source may give another answer.",
        ]
    each = (
        "Each seed has"
        if study.design == "resample"
        else f"{study.n_data_seeds} data seeds, crossed with the seeds, have"
    )
    return [
        f"{each} rows of {'its' if study.design == 'resample' else 'their'} own{rows}.",
        *_on_fresh(study),
        *_on_finite(study),
    ]


def _on_fresh(study: Study) -> list[str]:
    scored = [dataset for dataset in study.datasets if dataset.n_eval]
    told = wording.listed(f"{dataset.name}: {dataset.n_eval:,}" for dataset in scored)
    return [f"Compared is the score on fresh rows that no network trained on ({told})."] if scored else []


def _on_finite(study: Study) -> list[str]:
    finite = [dataset.name for dataset in study.datasets if dataset.is_finite]
    if not finite:
        return []
    text = (
        f"The rows of {wording.listed(finite)} are finite: each data seed splits the same ones again, so that the seeds depend "
        "on each other; intervals and p are those of the corrected resampled t test, and approximate."
    )
    return [text]


def _on_test_set(evidence: Evidence) -> list[str]:
    """How far a small test set could be off, said once for each dataset: of its baseline."""
    sizes = small_test_sets(evidence)
    texts = []
    for row in _baselines(evidence).drop_duplicates("dataset").to_dict("records"):
        n, score = sizes.get(row["dataset"], 0), float(row["test_score_mean"])
        low, high = score_uncertainty(str(row["score_name"]), score, n, n_positive=positives(evidence, row["dataset"]))
        if isfinite(low):
            texts.append(
                f"A test set of {n:,} rows measures the baseline's {wording.score_name(row)} of {wording.fraction(score)} on "
                f"{row['dataset']} to within {wording.fraction(low)} to {wording.fraction(high)} (95 % interval): the scores "
                "say that little about new rows, while the differences compare all variants on the same ones."
            )
    return texts


def _on_ceiling(evidence: Evidence) -> list[str]:
    """How far the baseline is from the best there can be."""
    column = "score_mean" if "score_mean" in evidence.summary else "test_score_mean"
    where = "on these rows" if evidence.study.design == "replicate" else "in the long run"
    return [
        f"No rule can score more than {wording.fraction(evidence.ceilings[row['dataset']])} {where} on {row['dataset']} (the "
        f"Bayes rule); the baseline's {wording.fraction(row[column])} leaves "
        f"{100 * (evidence.ceilings[row['dataset']] - row[column]):.1f} points to gain."
        for row in _baselines(evidence).drop_duplicates("dataset").to_dict("records")
        if row["dataset"] in evidence.ceilings and row[column] < evidence.ceilings[row["dataset"]]
    ]


def _baselines(evidence: Evidence) -> pd.DataFrame:
    return evidence.summary[evidence.summary["variant"] == BASELINE]


def _on_missing(evidence: Evidence) -> list[str]:
    study = evidence.study
    planned = sum(len(study.pairs(dataset)) for dataset, *_ in study.parts())
    missing = planned - len(evidence.trials)
    return [f"{missing:,} of {planned:,} planned trials are missing."] if missing > 0 else []


def _on_diverged(evidence: Evidence) -> list[str]:
    summary = evidence.summary
    n = int(summary["n_diverged"].sum())
    if summary.empty:
        return []
    if not n:
        return [f"None of the {len(evidence.trials):,} trials diverged."]
    labels = cell_labels(summary, wording.quoted)
    shares = wording.listed(
        f"{labels[cell_key(row)]} ({row['n_diverged']} of {row['n_seeds']})"
        for row in summary[summary["n_diverged"] > 0].to_dict("records")
    )
    return [f"{wording.number(n, 'trial')} diverged and {'is' if n == 1 else 'are'} left out of every mean: {shares}."]


def _on_pairs(evidence: Evidence) -> list[str]:
    rows = _labelled_rows(evidence)
    few = [row for row in rows if _too_few(row)]
    broken = [row for row in rows if row["survivors_only"] and not _too_few(row)]
    texts = []
    if few:
        texts.append(
            f"Cannot conclude: with {wording.number(len(rows), 'comparison')} the test can reach an adjusted p below "
            f".05 only from {int(few[0]['least_n'])} pairs of trials on; "
            f"{_names(few)} {'has' if len(few) == 1 else 'have'} fewer."
        )
    if broken:
        texts.append(
            f"Cannot conclude on {_names(broken)}: more than 5 % of the pairs diverged, "
            "and what is left is a selection of survivors."
        )
    return texts
