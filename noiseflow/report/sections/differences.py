"""Each variant against its baseline: the answer itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from noiseflow.plots import plot_differences
from noiseflow.report.evidence import Evidence, cell_key, cell_labels
from noiseflow.report.headline import named, too_few
from noiseflow.report.picture import Picture, colours_of, numbered, scale_and_unit
from noiseflow.report.section import Section, TableForm
from noiseflow.report.selection import MOST_ROWS, clearest, drawn_of
from noiseflow.report.tables import Columns, all_in_points, difference_heads, over_seeds
from noiseflow.study import BASELINE
from noiseflow.wording import ADJUSTED, ALWAYS_VALID, SHORT_HEADS

ALL = "The intervals hold together, for all comparisons; the verdicts at the right are read off them."
ALWAYS = "The intervals hold together, for all comparisons and however often one looks."
BOTH = " Thin lines are for new seeds and new rows, and decide; thick lines are for new seeds on the same rows."
NOTE = (
    "Scores are from the last epoch. Differences are variant minus baseline on the same seeds. {which} hold together, at 95 %, "
    "and the verdicts are read off them: p, adjusted for all {n} comparisons of the study{of}, is at most .05 where "
    "such an interval leaves 0 out{unless}. {band}. Where a few seeds differ far more than the others, the end of an interval "
    "on their side lies up to three times as far from the mean."
)
FAMILY = ("p_adjusted", "loss_verdict", "brier_verdict")
"""What is there of each comparison."""
UNLESS = "; not so for {few}: there the pairs of trials are too few for any p of .05, and the verdict stays open"
EFFECT = (
    " d_z is the mean difference over its standard deviation; P(better) is the share of seeds on which the variant wins, ties "
    "counting half."
)
NOTE_OF_CAMPAIGNS = (
    "Scores are from the last epoch, with t intervals that are not valid under repeated looks. Differences are variant "
    "minus baseline on the same seeds; their interval and p come from a confidence sequence (the t mixture: Lai, 1976; "
    "Wang and Ramdas, 2024), valid however often one looks, with .05 shared among all comparisons of the study. d_z is the "
    "mean difference over its standard deviation; P(better) is the share of seeds on which the variant wins, ties counting "
    "half."
)


def _finding(evidence: Evidence) -> pd.DataFrame:
    return evidence.best_first(evidence.answer[evidence.answer["variant"] != BASELINE])


def _columns(evidence: Evidence) -> Columns:
    unit = " (points)" if all_in_points(evidence.answer) else ""
    p = ALWAYS_VALID if evidence.pools_campaigns else ADJUSTED
    columns = difference_heads(unit, p)
    if not evidence.answers_for_new_rows:
        return columns
    of_verdict, of_difference, of_interval, of_p, *_ = columns.values()
    return {  # no more columns than Prefect's page has room for
        "Verdict": of_verdict,
        f"Difference{unit}": of_difference,
        "95 % interval, new rows": of_interval,
        "95 % interval, new seeds": over_seeds,
        SHORT_HEADS[p]: of_p,
    }


def _note(evidence: Evidence) -> str:
    if evidence.pools_campaigns:
        return NOTE_OF_CAMPAIGNS
    study = evidence.study
    finite = {dataset.name for dataset in study.datasets if dataset.is_finite and study.design != "replicate"}
    band = "They come from jointly flipped signs (Westfall and Young, 1993)"
    if evidence.answers_for_new_rows:
        band = (
            "They are Student's, with the variance over seeds and over the rows compared; the intervals for new seeds "
            "alone come from jointly flipped signs"
        )
    elif study.design == "crossed":
        band = "They are Student's, with the variance over data seeds and over seeds"
    if finite:
        rest = "" if len(finite) == len(study.datasets) else f" where the rows are finite; elsewhere t{band[1:]}"
        band = f"They are Student's, of the corrected resampled t test{rest}"
    few = [row for row in evidence.labelled if too_few(row)]
    unless = UNLESS.format(few=named(few)) if few else ""
    which = "The intervals for new rows" if evidence.answers_for_new_rows else "All intervals"
    n = {name: int(evidence.answer[name].notna().sum()) for name in FAMILY if name in evidence.answer}
    of = " (score, loss and Brier score of each variant)" if sum(map(bool, n.values())) > 1 else ""
    effect = "" if evidence.answers_for_new_rows else EFFECT
    return NOTE.format(which=which, band=band, unless=unless, n=sum(n.values()), of=of) + effect


def _pictures(evidence: Evidence) -> Iterator[Picture]:
    labels, colours = cell_labels(evidence.answer), colours_of(evidence.study)
    kinds = list(evidence.best_first(evidence.answer).groupby("score_name", sort=False))
    for at, (kind, cells) in enumerate(kinds, start=1):
        every = cells[cells["variant"] != BASELINE]
        if every.empty:
            continue
        rows = clearest(every, MOST_ROWS)
        names = [labels[cell_key(row)] for row in rows.to_dict("records")]
        scale, unit = scale_and_unit(str(kind), evidence.compared(rows.to_dict("records")))
        draw = partial(plot_differences, rows, evidence.study.margin, colours, names=names, scale=scale, unit=unit)
        caption = (
            "Difference to the baseline on the same seeds, with its 95 % interval. Right of the zero line noise helps, "
            "left of it noise hurts; an interval inside the grey band is a difference not worth having. "
            f"{ALWAYS if evidence.pools_campaigns else ALL}{BOTH if evidence.answers_for_new_rows else ''}"
            f"{drawn_of(len(every), len(rows), 'comparisons')}"
        )
        alt = "Paired differences to the baseline with 95 % intervals and verdicts"
        yield Picture(numbered("differences", at, len(kinds)), draw, alt, caption)


TABLE = TableForm("summary", ("variant",), _columns, 1, _note, "summary.parquet")
SECTION = Section("Against the baseline", _finding, TABLE, pictures=_pictures, limits=None)
