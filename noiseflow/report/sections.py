"""The parts of a report that only some studies have: each a title, a table and a note that says how to read it."""

from __future__ import annotations

from math import isfinite

import pandas as pd

from noiseflow.report.evidence import Evidence
from noiseflow.report.forms import Form, Section, filled
from noiseflow.report.tables import best_first, difference_texts
from noiseflow.wording import NOTHING, Row, difference_interval, fraction, is_accuracy, p_text, signed


def sections(evidence: Evidence) -> list[Section]:
    """Those that answer the study's question, in the order of the page."""
    found = evidence.findings
    return [
        *filled(CHOICES, found.choices, ["family"]),
        *filled(RIVALS, found.rivals, ["family", "rival"]),
        *filled(TREND, found.trend, ["family"]),
        *filled(RANKS, found.ranks.ranks if found.ranks else pd.DataFrame(), ["family"]),
    ]


def details(evidence: Evidence) -> list[Section]:
    """Those to look things up in, in the order of the page."""
    shown = best_first(evidence.shown, "score_mean")
    return [
        *filled(COMPONENTS, evidence.findings.components, ["variant"]),
        *filled(BESIDE, shown, ["variant"]),
        *filled(CROSS_CHECKS, shown[shown["wilcoxon_p"].notna()], ["variant"]),
    ]


def _choice(row: Row) -> list[str]:
    verdict, *differences = difference_texts(row)
    chosen = f"{row['strength']:g} ({100 * row['share']:.0f} %)" if isfinite(row["strength"]) else NOTHING
    points = 100.0 if is_accuracy(row) else 1.0
    honest, naive = fraction(row["score_mean"]), f"{fraction(row['naive_score'])} ({row['naive_strength']:g})"
    return [verdict, chosen, *differences[:3], honest, naive, signed(points * row["optimism"], 2)]


def _rival(row: Row) -> list[str]:
    return difference_texts(row)


def _trend(row: Row) -> list[str]:
    scale, decimals = (100.0, 2) if is_accuracy(row) else (1.0, 4)
    low, high = (signed(scale * row[f"slope_ci_{end}"], decimals) for end in ("low", "high"))
    seen = "seen" if row["seen"] else "not seen"
    return [seen, signed(scale * row["slope_mean"], decimals), f"{low} to {high}", p_text(row["p_adjusted"])]


def _component(row: Row) -> list[str]:
    shares = [f"{100 * row[f'{name}_share']:.0f} %" if isfinite(row[f"{name}_share"]) else NOTHING for name in SOURCES]
    more = [f"{row[name]:.0f}" if row[name] is not None and isfinite(row[name]) else "out of reach" for name in MORE]
    return [*shares, *more]


def _rank(row: Row) -> list[str]:
    return [f"{row['mean_rank']:.2f}", p_text(row["p_adjusted"])]


def _cross_check(row: Row) -> list[str]:
    bca = {"difference_ci_low": row["bca_low"], "difference_ci_high": row["bca_high"]}
    return [
        difference_interval(row),
        difference_interval({**row, **bca}) if isfinite(row["bca_low"]) else NOTHING,
        p_text(row["p_value"]),
        p_text(row["wilcoxon_p"]),
        fraction(row["score_mean"]),
        fraction(row["interquartile_mean"]),
    ]


def _beside(row: Row) -> list[str]:
    needed = row["n_needed"]
    return [
        fraction(row["score_mean"]),
        fraction(row["gap_mean"]),
        fraction(row["brier_mean"]),
        fraction(row["ece_mean"]),
        f"{row['signal_to_noise_median']:.3g}" if isfinite(row["signal_to_noise_median"]) else NOTHING,
        f"{needed:,.0f}" if isfinite(needed) else NOTHING,
    ]


SOURCES = ("data", "initialisation", "residual")
MORE = ("more_data_seeds", "more_seeds")
CHOICES = Form(
    "The strength that was chosen",
    ("Verdict", "Strength (chosen by)", "Difference", "95 % interval", "p (Holm)", "Score", "Best on test", "Optimism"),
    _choice,
    1,
    "The seeds fall into two halves; each half takes the strength with the best mean score in the other half and is scored on "
    "rows of its own, so nothing is chosen on rows that it is scored on. In brackets: the share of the seeds that took it. "
    "Intervals and p allow for the choice. Best on test is what picking the highest of all means would have shown; optimism "
    "is how much of that is the picking.",
)
RIVALS = Form(
    "Against the rivals",
    ("Verdict", "Difference", "95 % interval", "p (Holm)", "d_z", "P(better)"),
    _rival,
    1,
    "Each with the strength that it chose in the same way, on the same seeds. The verdict is on the first named.",
)
TREND = Form(
    "Does the gain shrink as rows grow?",
    ("Law", "Slope", "95 % interval", "p (Holm)"),
    _trend,
    1,
    "Slope: change of the gain over the baseline for each doubling of the training rows (points of accuracy), over seeds. "
    "Zur et al. (2009) found that it falls: the law counts as seen where the whole interval is below 0 and p below .05.",
)
COMPONENTS = Form(
    "Where the variance comes from",
    ("Data", "Initialisation", "Rest", "Data seeds more", "Initialisations more"),
    _component,
    0,
    "Shares of the variance of one trial's difference to the baseline (of the score, for the baseline itself), and how many "
    "more data seeds, or initialisations, would halve the interval of the mean.",
)
RANKS = Form(
    "Over the datasets",
    ("Mean rank", "p (Holm)"),
    _rank,
    0,
    "Rank of each variant's mean score within a dataset, 1 being the best, averaged over the datasets (Demšar, 2006); p is "
    "that of the difference to the baseline after Friedman's test.",
)
CROSS_CHECKS = Form(
    "Cross-checks",
    ("t interval", "BCa interval", "p, sign flip", "p, Wilcoxon", "Mean", "Interquartile mean"),
    _cross_check,
    0,
    "Second opinions; they decide nothing. Both intervals are of the difference to the baseline; the second is a bootstrap "
    "that allows for skewness (from 20 seeds on). Both p are of one comparison, not adjusted. Where the interquartile mean of "
    "the score is far from its mean, a few seeds made the mean.",
)
BESIDE = Form(
    "Beside the score",
    ("Compared score", "Gap", "Brier", "Calibration error", "Signal to noise", "Seeds needed"),
    _beside,
    0,
    "Compared score: mean of the score that differences are made of. Gap: loss of training mode minus that of inference mode "
    "on the training rows at the end. Brier score and expected calibration error: of the predicted probabilities. Signal to "
    "noise: spread of the signal over the noise's standard deviation where it is injected, at the initial weights. Seeds "
    "needed, from the spread seen here: for 80 % power to see a difference as large as the margin; with campaigns, for a "
    "confidence sequence no wider than ± the margin.",
)
