"""What is measured beside the score, and how many seeds would decide."""

from __future__ import annotations

from math import isfinite

from noiseflow.report.evidence import Evidence
from noiseflow.report.section import Section, TableForm
from noiseflow.report.tables import Columns
from noiseflow.wording import NOTHING, Row, bare, fraction

NOTE = (
    "Compared score: mean of the score that differences are made of. Loss added by noise: loss of training mode minus that "
    "of inference mode, on the training rows at the end.{probabilities} Signal to noise: spread of the signal over the "
    "noise's standard deviation where it is injected, at the initial weights.{seeds}"
)
SEEDS = (
    " Seeds needed, from the spread seen here: for 80 % power to see a difference as large as the margin; with campaigns, for "
    "a confidence sequence no wider than ± the margin."
)
PROBABILITIES = (
    " Brier score and expected calibration error: of the predicted probabilities, on the rows that the score is compared on. "
    "On few rows no model has a calibration error of 0: in brackets is the error of a perfect model with the same confidences."
)


def _note(evidence: Evidence) -> str:
    needed = any(_needed(row) != NOTHING for row in evidence.shown.to_dict("records"))
    return NOTE.format(
        probabilities=PROBABILITIES if evidence.summary["brier_mean"].notna().any() else "",
        seeds=SEEDS if needed else "",
    )


def _columns(_: Evidence) -> Columns:
    return {
        "Compared score": lambda row: fraction(row["score_mean"]),
        "Loss added by noise": lambda row: fraction(row["gap_mean"]),
        "Brier": lambda row: fraction(row["brier_mean"]),
        "Calibration error (chance)": _calibration,
        "Signal to noise": lambda row: _finite(row, "signal_to_noise_median", ".3g"),
        "Seeds needed": _needed,
    }


def _needed(row: Row) -> str:
    return NOTHING if _leaves_open(row) else _finite(row, "n_needed", ",.0f")


def _calibration(row: Row) -> str:
    if not isfinite(row["ece_mean"]):
        return NOTHING
    return f"{fraction(row['ece_mean'])} ({fraction(row['ece_chance_mean'])})"


def _leaves_open(row: Row) -> bool:
    """Whether so many seeds decide nothing, because the test rows are too few or a few seeds decide the mean."""
    return bool(row["verdict"] == "inconclusive" and row["n_pairs"] >= row["n_needed"])


def _finite(row: Row, name: str, form: str) -> str:
    return bare(f"{row[name]:{form}}") if isfinite(row[name]) else NOTHING


TABLE = TableForm("details", ("variant",), _columns, 0, _note, "summary.parquet")
SECTION = Section("Beside the score", lambda evidence: evidence.shown, TABLE, pictures=None, limits=None)
