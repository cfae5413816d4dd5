"""The scores of each cell, of each seed in the picture, and what a small test set leaves open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import inf, isfinite

import pandas as pd

from noiseflow import wording
from noiseflow.plots import plot_final_scores
from noiseflow.report.evidence import Evidence, cell_key, positives, score_rows, small_test_sets, split_sizes
from noiseflow.report.picture import Picture, colours_of
from noiseflow.report.section import Section, TableForm
from noiseflow.report.sections.published_runs import published_runs
from noiseflow.report.selection import MOST_GROUPS, MOST_VARIANTS, clearest, groups_of, only_some_groups
from noiseflow.report.tables import Columns, interval_of_fractions
from noiseflow.statistics.pairs import CellKey
from noiseflow.study import BASELINE, Study
from noiseflow.wording import NOTHING, Row, fraction, mean_std

MOST_SENTENCES = 8  # on datasets, one each
TEST_SET = "The test set's own"
FRESH = "Fresh rows, mean ± std"


def _finding(evidence: Evidence) -> pd.DataFrame:
    return evidence.best_first(evidence.summary)


def _columns(evidence: Evidence) -> Columns:
    columns: dict[str, Callable[[Row], str]] = {
        "Strength": lambda row: strengths_of(evidence.study, row),
        "Seeds": lambda row: f"{row['n_seeds']}" + (f" ({row['n_diverged']} diverged)" if row["n_diverged"] else ""),
        "Train": lambda row: fraction(row["train_score_mean"]),
        "Test, mean ± std": lambda row: mean_std(row["test_score_mean"], row["test_score_std"]),
        "Test, 95 % interval": lambda row: interval_of_fractions(
            row["ci_low"], min(row["ci_high"], wording.score_of(row).most)
        ),
    }
    means = evidence.summary[["score_mean", "test_score_mean"]]
    if not (means["score_mean"].isna() | (means["score_mean"] == means["test_score_mean"])).all():
        columns[FRESH] = _fresh
    ranges = _open_ranges(evidence)
    if any(text != NOTHING for text in ranges.values()):
        columns[TEST_SET] = lambda row: ranges[cell_key(row)]
    return columns


def strengths_of(study: Study, row: Row) -> str:
    """`0.01, 0.1`: the strength of each injection and control of the row's variant, in their order; alike ones once."""
    members = {member.name: member for variant in study.variants for member in variant.members}
    variant = members.get(str(row["variant"]))
    values = [] if variant is None else [part.strength for part in variant.injections]
    values += [] if variant is None else [part.strength for part in variant.controls]
    found = dict.fromkeys(f"{value:g}" for value in values if value is not None)
    return ", ".join(found) or (f"{row['strength']:g}" if isfinite(row["strength"]) else NOTHING)


def _fresh(row: Row) -> str:
    return mean_std(row["score_mean"], row["score_std"]) if row["score_mean"] != row["test_score_mean"] else NOTHING


def _open_ranges(evidence: Evidence) -> dict[CellKey, str]:
    """For each cell with a small test set, the 95 % interval of its mean score that the test set alone leaves open."""
    sizes = _fixed_test_sets(evidence)
    n_positive = {name: positives(evidence, name) for name in sizes}
    return {
        cell_key(row): interval_of_fractions(
            *_uncertainty(row, sizes.get(row["dataset"], 0), n_positive.get(row["dataset"]))
        )
        for row in evidence.summary.to_dict("records")
    }


def _fixed_test_sets(evidence: Evidence) -> dict[str, int]:
    """Small test sets of the same rows for all seeds; where each seed has its own rows, their mean is of more rows."""
    return small_test_sets(evidence) if evidence.study.design == "replicate" else {}


def _uncertainty(row: Row, n: int, n_positive: int | None) -> tuple[float, float]:
    return wording.score_of(row).interval(float(row["test_score_mean"]), n, n_positive)


def _note(evidence: Evidence) -> str:
    columns, texts = _columns(evidence), []
    if FRESH in columns:
        texts.append(
            f"The differences and the answer are of the fresh rows{_fresh_rows_of(evidence)}. The columns Test are "
            f"of the test rows{_rows_of(evidence)}; differences on them are not those of the answer."
        )
    if TEST_SET in columns:
        texts.append(
            f"{TEST_SET}: the 95 % interval that the few test rows leave for a network of that score, however many seeds "
            "there are."
        )
    return " ".join(texts)


def _rows_of(evidence: Evidence) -> str:
    """` (70)`, of the only dataset."""
    sizes = split_sizes(evidence.data)
    return f" ({next(iter(sizes.values()))[1]:,})" if len(sizes) == 1 else ""


def _fresh_rows_of(evidence: Evidence) -> str:
    """` (10,000)`, of the only dataset."""
    sizes = [dataset.n_eval for dataset in evidence.study.datasets]
    return f" ({sizes[0]:,})" if len(sizes) == 1 and sizes[0] else ""


def _pictures(evidence: Evidence) -> Iterator[Picture]:
    published, colours = published_runs(evidence), colours_of(evidence.study)
    for group in groups_of(evidence.shown, MOST_GROUPS):
        ceiling = evidence.ceilings.get(group.dataset)
        runs, finished = group.of(published), evidence.finished(group.dataset, group.architecture)
        if evidence.is_fresh(group.dataset):
            runs = runs.head(0)  # they were published on the test rows, which have their own table
        unit = " (fraction of rows)" if group.score.is_share_of_rows else ""
        rows = clearest(group.rows, MOST_VARIANTS)
        name = evidence.compared(rows.to_dict("records"))
        label = f"{name} at the last epoch{unit}"
        scores = score_rows(finished, rows)
        draw = partial(plot_final_scores, finished, scores, runs, colours, ceiling=ceiling, score_label=label)
        caption = (
            f"Final {name} of each seed{group.where}: a dot a seed, stacked where scores tie; below them "
            "a box with median, quartiles and range."
        )
        if len(runs):
            caption += " Diamonds are published single runs; the percentile says how many seeds score below them."
        if ceiling is not None:
            where = "here, on these test rows," if _on_few_rows(evidence) else "at"
            best = wording.fraction(ceiling)
            caption += f" The dashed line is the Bayes rule, which no other beats in the long run, {where} {best}."
        alt = f"Final {name} of every seed by variant{group.where}"
        caption += group.left_out(MOST_VARIANTS) + only_some_groups(evidence)
        yield Picture(f"final-scores{group.suffix}.png", draw, alt, caption)


def _limits(evidence: Evidence) -> list[str]:
    baselines = evidence.summary[evidence.summary["variant"] == BASELINE].drop_duplicates("dataset").to_dict("records")
    return [*_on_test_set(evidence, baselines), *_on_ceiling(evidence, baselines)]


def _on_test_set(evidence: Evidence, baselines: Sequence[Row]) -> list[str]:
    """How far a small test set could be off, said once for each dataset: of its baseline."""
    sizes, texts = _fixed_test_sets(evidence), []
    for row in baselines:
        n = sizes.get(row["dataset"], 0)
        low, high = _uncertainty(row, n, positives(evidence, row["dataset"]) if n else None)
        if isfinite(low):
            texts.append(
                f"The baseline's {evidence.compared([row])} of {fraction(row['test_score_mean'])} on {row['dataset']} is "
                f"that of {n:,} test rows; on rows without end it may be anything from {fraction(low)} to {fraction(high)} "
                "(95 % interval)."
            )
    more = len(texts) - MOST_SENTENCES
    return texts if more <= 0 else [*texts[:MOST_SENTENCES], f"{more} more test sets are as small."]


def _on_few_rows(evidence: Evidence) -> bool:
    """Whether the scores are from the test rows of one split."""
    return evidence.study.design == "replicate" and not any(dataset.n_eval for dataset in evidence.study.datasets)


def _on_ceiling(evidence: Evidence, baselines: Sequence[Row]) -> list[str]:
    """How far the baseline is from the best there can be."""
    where = "scores {} on these test rows" if _on_few_rows(evidence) else "is right on {} of the rows"
    gaps = [
        (row["dataset"], fraction(best), fraction(score), f"{100 * (round(best, 3) - round(score, 3)):.1f}")
        for row in baselines
        if (best := evidence.ceilings.get(row["dataset"], -inf)) > (score := row["score_mean"])
    ]
    rule = "The Bayes rule, which no other beats in the long run,"
    if len(gaps) > 1:
        each = wording.listed(f"{left} points on {name} ({best} against {score})" for name, best, score, left in gaps)
        return [f"{rule} leaves something to gain above the baseline: {each}."]
    return [
        f"{rule} {where.format(best)} of {name}; the baseline's {score} leaves {left} points to gain."
        for name, best, score, left in gaps
    ]


TABLE = TableForm("summary", ("variant",), _columns, 0, _note, "summary.parquet")
SECTION = Section("Scores", _finding, TABLE, pictures=_pictures, limits=_limits)
