"""What the trials say: arrays and frames in, numbers and frames out; docs/method.md has the formulas."""

from noiseflow.statistics.pairs import CELL, GROUP, PAIR, CellKey, compared_score
from noiseflow.statistics.summary import (
    FURTHER_COLUMNS,
    SUMMARY_COLUMNS,
    learning_bands,
    summarize,
)

__all__ = [
    "CELL",
    "FURTHER_COLUMNS",
    "GROUP",
    "PAIR",
    "SUMMARY_COLUMNS",
    "CellKey",
    "compared_score",
    "learning_bands",
    "summarize",
]
