"""The summary and the published runs as tables: of words for the page, of plain values for Prefect and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite

import pandas as pd

from noiseflow.report.evidence import (
    Evidence,
    cell_key,
    cell_labels,
    positives,
    published_runs,
    small_test_sets,
    telling_names,
)
from noiseflow.spec import BASELINE
from noiseflow.statistics import GROUP, CellKey
from noiseflow.statistics.uncertainty import score_uncertainty
from noiseflow.wording import (
    NOTHING,
    Row,
    difference,
    difference_interval,
    fraction,
    mean_std,
    p_text,
    signed,
)

Plain = str | float | int | None
TEST_SET = "The test set's own"
MOST = {"accuracy": 1.0, "balanced_accuracy": 1.0, "auc": 1.0, "r2": 1.0, "-log_loss": 0.0, "-rmse": 0.0}
"""No score is above it, and so no interval."""


@dataclass(frozen=True)
class Table:
    """Header and rows of texts: `n_names` columns name the row, the first `n_left` are words, the rest numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_names: int
    n_left: int


def difference_table(evidence: Evidence) -> Table:
    """Each variant against its baseline, for the report."""
    answer = evidence.answer
    unit = " (points)" if _all_accuracies(answer) else ""
    p = "p (always valid)" if evidence.pools_campaigns else "p (Holm)"
    header = ["Verdict", f"Difference{unit}", "95 % interval", p, "d_z", "P(better)"]
    compared = best_first(answer[answer["variant"] != BASELINE], "difference_mean")
    return _page_table(compared, header, difference_texts, n_words=1)


def best_first(summary: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows of each dataset and architecture by a column, the largest first; what is missing last."""
    order = summary[GROUP].drop_duplicates().reset_index(drop=True).rename_axis("at").reset_index()
    ranked = summary.merge(order, on=GROUP).sort_values(["at", column], ascending=[True, False], kind="stable")
    return ranked.drop(columns="at")


def score_table(evidence: Evidence) -> Table:
    """The scores of each cell, for the report; beside those of a small test set what that set leaves open."""
    columns: dict[str, Callable[[Row], str]] = {
        "Strength": lambda row: f"{row['strength']:g}" if isfinite(row["strength"]) else NOTHING,
        "Seeds": lambda row: f"{row['n_seeds']}" + (f" ({row['n_diverged']} diverged)" if row["n_diverged"] else ""),
        "Train": lambda row: fraction(row["train_score_mean"]),
        "Test, mean ± std": lambda row: mean_std(row["test_score_mean"], row["test_score_std"]),
        "95 % interval": lambda row: between(row["ci_low"], min(row["ci_high"], MOST.get(row["score_name"], inf))),
    }
    if is_fresh(evidence.summary):
        columns["Fresh rows, mean ± std"] = _fresh
    open_ranges = _open_ranges(evidence)
    if any(text != NOTHING for text in open_ranges.values()):
        columns[TEST_SET] = lambda row: open_ranges[cell_key(row)]
    rows = best_first(evidence.summary, "score_mean")
    return _page_table(rows, list(columns), lambda row: [text(row) for text in columns.values()], n_words=0)


def _open_ranges(evidence: Evidence) -> dict[CellKey, str]:
    """Of each cell the 95 % interval of its mean score that the test set alone leaves open, where it is small."""
    sizes = small_test_sets(evidence)
    positive = {name: positives(evidence, name) for name in sizes}
    return {
        cell_key(row): between(
            *score_uncertainty(
                str(row["score_name"]),
                float(row["test_score_mean"]),
                sizes.get(row["dataset"], 0),
                n_positive=positive.get(row["dataset"]),
            )
        )
        for row in evidence.summary.to_dict("records")
    }


def between(low: float, high: float) -> str:
    """`.745 to .801`; a dash where there is none."""
    return f"{fraction(low)} to {fraction(high)}" if isfinite(low) else NOTHING


def is_fresh(summary: pd.DataFrame) -> bool:
    """Whether the score that is compared is another than that of the test rows, somewhere."""
    same = summary["score_mean"].isna() | (summary["score_mean"] == summary["test_score_mean"])
    return not same.all()


def _page_table(summary: pd.DataFrame, header: list[str], texts: Callable[[Row], list[str]], n_words: int) -> Table:
    names = [*telling_names(summary), "variant"]
    rows = [[str(row[name]) for name in names] + texts(row) for row in summary.to_dict("records")]
    return Table([name.capitalize() for name in names] + header, rows, n_names=len(names), n_left=len(names) + n_words)


def published_table(evidence: Evidence) -> Table | None:
    """Published runs beside the scores here; None where the study names none."""
    runs = published_runs(evidence)
    if runs.empty:
        return None
    labels = cell_labels(evidence.summary)
    rows = [
        [
            labels[cell_key(run)],
            f"{run['train_score']:.3f}",
            f"{run['score']:.3f}",
            f"{run['percentile']:.0f}" if isfinite(run["percentile"]) else NOTHING,
            mean_std(run["mean"], run["std"]),
            str(run["n"]),
        ]
        for run in runs.to_dict("records")
    ]
    header = ["Variant", "Published train", "Published test", "Percentile", "Here, mean ± std", "Seeds"]
    return Table(header, rows, n_names=1, n_left=1)


def summary_table(summary: pd.DataFrame) -> list[dict[str, Plain]]:
    """The summary, or the answer, as plain rounded values for a Prefect table artifact and the terminal; None for nothing.

    Scores are fractions (or R²), differences percentage points where every score is an accuracy. Dataset and
    architecture stand there only where there are several.
    """
    names, points = [*telling_names(summary), "variant"], _all_accuracies(summary)
    p = "p (always valid)" if summary["fixed_ci_low"].notna().any() else "p (Holm)"
    return [
        {**{name: row[name] for name in names}, **_values(row, p, points=points)} for row in summary.to_dict("records")
    ]


def _all_accuracies(summary: pd.DataFrame) -> bool:
    return set(summary["score_name"]) <= {"accuracy", "balanced_accuracy"}


def difference_texts(row: Row) -> list[str]:
    """Verdict, difference, interval, p, d_z and P(better) of a row."""
    p = row["p_adjusted"]
    return [
        row["verdict"] if isinstance(row["verdict"], str) else NOTHING,
        difference(row),
        difference_interval(row) if isfinite(row["difference_ci_low"]) else NOTHING,
        p_text(p),
        signed(row["effect_size"], 2),
        f"{100 * row['prob_better']:.0f} %" if isfinite(row["prob_better"]) else NOTHING,
    ]


def _fresh(row: Row) -> str:
    return mean_std(row["score_mean"], row["score_std"]) if row["score_mean"] != row["test_score_mean"] else NOTHING


def _values(row: Row, p: str, *, points: bool) -> dict[str, Plain]:
    scale, unit, digits = (100.0, "points", 2) if points else (1.0, "score", 4)
    return {
        "verdict": row["verdict"] if isinstance(row["verdict"], str) else None,
        "strength": _rounded(row["strength"], 4),
        "seeds": int(row["n_seeds"]),
        "diverged": int(row["n_diverged"]),
        "train": _rounded(row["train_score_mean"], 4),
        "score": _rounded(row["score_mean"], 4),
        "std": _rounded(row["score_std"], 4),
        f"difference ({unit})": _rounded(scale * row["difference_mean"], digits),
        "low": _rounded(scale * row["difference_ci_low"], digits),
        "high": _rounded(scale * row["difference_ci_high"], digits),
        p: _rounded(row["p_adjusted"], 5),
        "d_z": _rounded(row["effect_size"], 2),
        "P(better)": _rounded(row["prob_better"], 3),
    }


def _rounded(value: float, digits: int) -> float | None:
    return round(float(value), digits) if isfinite(value) else None
