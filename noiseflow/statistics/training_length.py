"""Whether networks were trained too long or too short, as the mean of their curves shows."""

from __future__ import annotations

import pandas as pd

from noiseflow.statistics.pairs import CELL

WINDOW = 10
"""Recorded epochs that are averaged at once, around each, so that the best of many noisy means is no accident."""
CLEAR = 3.0
"""Standard errors, over seeds, that a fall or a rise must exceed to be reported."""
LENGTH_COLUMNS = [*CELL, "best_epoch", "best", "last_epoch", "last", "fall", "verdict"]


def training_lengths(curves: pd.DataFrame) -> pd.DataFrame:
    """What the mean test curve of each cell does: LENGTH_COLUMNS; verdict: too long, too short, or empty.

    too long: the mean over seeds of the last epochs lies below the mean of the best ones by CLEAR standard errors of the
    difference of the same seeds, and by a hundredth. too short: it lies as far above the mean at three quarters of the epochs.

    Args:
        curves: CELL, trial_id, epoch and test_score, of trials that did not fail.
    """
    rows = []
    for key, cell in curves.groupby(CELL, sort=False):
        table = cell.pivot_table(index="trial_id", columns="epoch", values="test_score").dropna()
        smooth = table.T.rolling(min(WINDOW, max(1, table.shape[1] // 4)), center=True).mean().dropna().T
        if len(smooth) < 3 or smooth.shape[1] < 4:
            continue
        means, last = smooth.mean(), smooth.iloc[:, -1]
        best_epoch, before = means.idxmax(), smooth.iloc[:, (3 * smooth.shape[1]) // 4]
        fall, rise = smooth[best_epoch] - last, last - before
        verdict = "too long" if _is_clear(fall) else "too short" if _is_clear(rise) else ""
        values = [best_epoch, means.max(), table.columns[-1], means.iloc[-1], fall.mean(), verdict]
        rows.append([*key, *values])
    return pd.DataFrame(rows, columns=LENGTH_COLUMNS)


def _is_clear(changes: pd.Series[float]) -> bool:
    return bool(changes.mean() > max(0.01, CLEAR * changes.std(ddof=1) / len(changes) ** 0.5))
