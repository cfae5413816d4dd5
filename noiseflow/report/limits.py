"""What limits a study's answer, in sentences generated from the numbers."""

from __future__ import annotations

from noiseflow import wording
from noiseflow.controls import control_kind
from noiseflow.report.cautions import CAUTIONS, cautions, muted
from noiseflow.report.evidence import Evidence, cell_key, cell_labels, split_sizes
from noiseflow.report.headline import named, too_few
from noiseflow.report.sections import SECTIONS
from noiseflow.statistics.failures import unseen_rate
from noiseflow.study import Study

MOST_DATA_CAUTIONS = 10


def limits(evidence: Evidence) -> list[str]:
    """Sentences on what may and may not be concluded."""
    on_data, more = evidence.data_cautions[:MOST_DATA_CAUTIONS], len(evidence.data_cautions) - MOST_DATA_CAUTIONS
    return [
        *_on_data(evidence),
        *_on_held_back(evidence),
        *(text for section in SECTIONS if section.limits for text in section.limits(evidence)),
        *_on_missing(evidence),
        *_on_diverged(evidence),
        *_on_pairs(evidence),
        *on_data,
        *([f"There are {more} more cautions on the data."] if more > 0 else []),
        *cautions(evidence),
        *_on_muted(evidence),
    ]


def _on_data(evidence: Evidence) -> list[str]:
    """Sentences on what the seeds vary, which is what the conclusions hold for."""
    sizes = split_sizes(evidence.data)
    counts = wording.listed(
        f"{name}: {train:,} rows to train and {test:,} to test" for name, (train, test) in sizes.items()
    )
    rows = f" ({counts})" if counts else ""
    study = evidence.study
    if study.design == "replicate":
        fixed = (
            f"The data is one fixed split{rows}; the seeds vary the initial weights and the noise. So the conclusions hold "
            "for these training rows only: networks that train on others may give another answer."
        )
        return [fixed, *_on_fresh(study)]
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


def _on_held_back(evidence: Evidence) -> list[str]:
    """The variants that train on fewer rows than others, as they hold some back to validate by."""
    alike: dict[str, list[str]] = {}
    for variant in evidence.study.variants:
        counts = []
        for name, (n_train, _) in split_sizes(evidence.data).items():
            held = sum(
                control_kind(control.kind).held_back(control, n_train) for control in variant.members[0].controls
            )
            counts += [f"{held:,} of the {n_train:,} training rows of {name}"] if held else []
        if counts:
            alike.setdefault(wording.listed(counts), []).append(variant.name)
    return [
        f"{wording.listed(map(wording.quoted, names))} {'hold' if len(names) > 1 else 'holds'} rows back to validate by "
        f"({counts}), and {'train' if len(names) > 1 else 'trains'} on the others alone: part of such a difference "
        "comes from fewer rows."
        for counts, names in alike.items()
    ]


def _on_fresh(study: Study) -> list[str]:
    scored = [dataset for dataset in study.datasets if dataset.n_eval]
    counts = wording.listed(f"{dataset.name}: {dataset.n_eval:,}" for dataset in scored)
    other = ", not on the test rows" if study.design == "replicate" else ""
    return [f"Compared is the score on fresh rows that no network trained on ({counts}){other}."] if scored else []


def _on_finite(study: Study) -> list[str]:
    finite = [dataset.name for dataset in study.datasets if dataset.is_finite]
    if not finite:
        return []
    text = (
        f"The rows of {wording.listed(finite)} are finite: each data seed splits the same ones again, so that the seeds depend "
        "on each other; intervals and p come from the corrected resampled t test, and are approximate."
    )
    return [text]


def _on_missing(evidence: Evidence) -> list[str]:
    missing = evidence.n_planned - len(evidence.trials)
    return [f"{missing:,} of {evidence.n_planned:,} planned trials are missing."] if missing > 0 else []


def _on_diverged(evidence: Evidence) -> list[str]:
    summary = evidence.summary
    n = int(summary["n_diverged"].sum())
    if summary.empty:
        return []
    if not summary["n_failed"].any():
        rate = f"{100 * unseen_rate(int(summary['n_seeds'].min())):.2g} %"
        none = f"None of the {len(evidence.trials):,} trials diverged or failed otherwise."
        return [f"{none} Up to {rate} of further trainings of a variant may still fail (one-sided, at 95 %)."]
    unseen = _on_unseen(evidence)
    if not n:
        return [f"None of the {len(evidence.trials):,} trials diverged.", *unseen]
    labels = cell_labels(summary, wording.quoted)
    shares = wording.listed(
        f"{labels[cell_key(row)]} ({row['n_diverged']} of {row['n_seeds']})"
        for row in summary[summary["n_diverged"] > 0].to_dict("records")
    )
    return [
        f"{wording.number(n, 'trial')} diverged and {'is' if n == 1 else 'are'} left out of every mean: {shares}.",
        *unseen,
    ]


def _on_unseen(evidence: Evidence) -> list[str]:
    """Failures that were seen without divergence, and the rate that none in so many leaves open."""
    summary, texts = evidence.summary, []
    collapsed = summary[summary["n_failed"] > summary["n_diverged"]]
    if len(collapsed):
        labels = cell_labels(summary, wording.quoted)
        counts = wording.listed(
            f"{labels[cell_key(row)]} ({row['n_failed'] - row['n_diverged']} of {row['n_seeds']})"
            for row in collapsed.to_dict("records")
        )
        texts.append(
            "Trainings that end no better than a constant prediction, while most do better, count as failed and are left out "
            f"of every mean: {counts}."
        )
    sound = summary[summary["n_failed"] == 0]
    if len(sound):
        n = int(sound["n_seeds"].min())
        texts.append(
            f"The verdicts are on trainings that did not fail. Where none of {n:,} failed, up to "
            f"{100 * unseen_rate(n):.2g} % of further ones may still fail (one-sided, at 95 %)."
        )
    return texts


def _on_muted(evidence: Evidence) -> list[str]:
    titles: dict[str, str] = {caution.code: caution.title for caution in CAUTIONS}
    left_out = wording.listed(f"{code} ({titles[code]})" for code in muted(evidence))
    return [f"Muted by the study file: {left_out}."] if left_out else []


def _on_pairs(evidence: Evidence) -> list[str]:
    rows = evidence.labelled
    few = [row for row in rows if too_few(row)]
    broken = [row for row in rows if row["survivors_only"] and not too_few(row)]
    texts = []
    if few:
        texts.append(
            f"Cannot conclude: the test can reach a p below .05 only from {int(few[0]['least_n'])} independent pairs of trials "
            "(of crossed seeds: data seeds, and seeds) on; "
            f"{named(few)} {'has' if len(few) == 1 else 'have'} fewer."
        )
    if broken:
        texts.append(
            f"No verdict on the mean of {named(broken)}: more than 5 % of the pairs failed, and what is left is a selection of "
            "survivors."
        )
    return texts
