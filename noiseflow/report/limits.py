"""What limits a study's answer, in sentences generated from the numbers."""

from __future__ import annotations

from math import inf, isfinite

import pandas as pd

from noiseflow import wording
from noiseflow.report.alarm import replay_summary
from noiseflow.report.answer import labelled_rows, named, too_few
from noiseflow.report.evidence import Evidence, cell_key, cell_labels, positives, small_test_sets, split_sizes
from noiseflow.spec import BASELINE, Study
from noiseflow.statistics.ranks import LEAST_DATASETS
from noiseflow.statistics.uncertainty import score_uncertainty


def limits(evidence: Evidence) -> list[str]:
    """Sentences on what may and may not be concluded."""
    return [
        *_on_data(evidence),
        *_on_looks(evidence),
        *filter(None, [replay_summary(evidence)]),
        *_on_test_set(evidence),
        *_on_ceiling(evidence),
        *_on_ranks(evidence),
        *_on_missing(evidence),
        *_on_diverged(evidence),
        *_on_pairs(evidence),
        *evidence.cautions,
    ]


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


def _on_looks(evidence: Evidence) -> list[str]:
    """That campaigns are looked at again and again, and what is done about it."""
    history = evidence.findings.history
    if history.empty:
        return []
    nights = history["campaign"].drop_duplicates()
    since = f", from {nights.min()} to {nights.max()}" if len(nights) > 1 else f" of {nights.iloc[0]}"
    text = (
        f"This pools {wording.number(len(nights), 'campaign')}{since}. Somebody looks after each, so intervals, p and verdicts "
        "are those of a confidence sequence, which stays valid however often one looks; .05 is shared among the comparisons. "
        "The interval for one fixed number of seeds stands below, marked as not valid under repeated looks."
    )
    return [text]


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
    where = "scores {} on these rows" if evidence.study.design == "replicate" else "is right on {} of the rows"
    told = [
        (row["dataset"], wording.fraction(best), wording.fraction(score), f"{100 * (best - score):.1f}")
        for row in _baselines(evidence).drop_duplicates("dataset").to_dict("records")
        if (best := evidence.ceilings.get(row["dataset"], -inf)) > (score := row["score_mean"])
    ]
    rule = "The Bayes rule, which no other beats in the long run,"
    if len(told) > 1:
        each = wording.listed(f"{left} points on {name} ({best} against {score})" for name, best, score, left in told)
        return [f"{rule} leaves something to gain above the baseline: {each}."]
    return [
        f"{rule} {where.format(best)} of {name}; the baseline's {score} leaves {left} points to gain."
        for name, best, score, left in told
    ]


def _baselines(evidence: Evidence) -> pd.DataFrame:
    return evidence.summary[evidence.summary["variant"] == BASELINE]


def _on_ranks(evidence: Evidence) -> list[str]:
    n = len(evidence.summary["dataset"].unique())
    if evidence.pools_campaigns or not 1 < n < LEAST_DATASETS or evidence.findings.ranks is not None:
        return []
    return [f"Mean ranks are not given: {n} datasets are too few for a test of them, {LEAST_DATASETS} would do."]


def _on_missing(evidence: Evidence) -> list[str]:
    missing = evidence.n_planned - len(evidence.trials)
    return [f"{missing:,} of {evidence.n_planned:,} planned trials are missing."] if missing > 0 else []


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
    rows = labelled_rows(evidence)
    few = [row for row in rows if too_few(row)]
    broken = [row for row in rows if row["survivors_only"] and not too_few(row)]
    texts = []
    if few:
        texts.append(
            f"Cannot conclude: with {wording.number(len(rows), 'comparison')} the test can reach an adjusted p below "
            f".05 only from {int(few[0]['least_n'])} pairs of trials on; "
            f"{named(few)} {'has' if len(few) == 1 else 'have'} fewer."
        )
    if broken:
        texts.append(
            f"Cannot conclude on {named(broken)}: more than 5 % of the pairs diverged, "
            "and what is left is a selection of survivors."
        )
    return texts
