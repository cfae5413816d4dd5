"""What a published improvement of an accuracy can and cannot show: from its two numbers and the size of its test set."""

from __future__ import annotations

from math import ceil

from scipy import stats

ALPHA = 0.05
LEAST_ROWS = 6
"""Rows that must change, all for the better, for an exact sign test to reach .05: 2 · 2⁻⁶ = .031."""


_ONE_ROW = 0.5
"""Below it a net gain is no row."""


def smallest_p(n_rows: int) -> float:
    """The smallest p that a net gain of so many test rows can have: no row got worse.

    References: McNemar (1947), Psychometrika 12, 153-157, in its exact form.
    """
    return min(1.0, 2 * 0.5 ** abs(n_rows))


def audit(before: float, after: float, n_test: int, n_seeds: int = 1) -> str:
    """Some lines on an improvement from `before` to `after`, both measured on the same test rows.

    Args:
        before, after: accuracies, fractions.
        n_test: test rows.
        n_seeds: training runs that each accuracy is the mean of.

    Raises:
        ValueError: an accuracy is no fraction.
    """
    _check_fractions(before, after)
    right = [value * n_test for value in (before, after)]
    rows, points = right[1] - right[0], 100 * (after - before)
    counts = [f"{round(n)}" if n_seeds == 1 else f"{n:.1f}" for n in right]
    gain = f"{rows:+.{0 if n_seeds == 1 else 1}f} rows, {points:+.1f} points"
    lines = [
        f"{before:.3f} to {after:.3f} on {n_test:,} test rows: {counts[0]} to {counts[1]} right, {gain}.",
        "",
        f"One row of this test set is {100 / n_test:.2g} points. By the choice of its rows alone, 95 % intervals are",
        *(f"  {name:<7}{_interval(n, n_test)}" for name, n in zip(("before", "after"), right, strict=True)),
        "",
        *_on_rows(rows, n_test),
        "",
        *_on_seeds(n_seeds),
    ]
    return "\n".join(lines)


def audit_numbers(before: float, after: float, n_test: int, n_seeds: int = 1) -> dict[str, float | None]:
    """The numbers that the lines of `audit` give, for programs; arguments and errors are its own.

    rows: net gain in test rows; points: the same in percentage points; least_p: the smallest p that it can have;
    n_test_needed: test rows that a true difference of this size takes at least, None where none is.
    """
    _check_fractions(before, after)
    rows = (after - before) * n_test
    ends = {
        f"{name}_{end}": value
        for name, score in (("before", before), ("after", after))
        for end, value in zip(("low", "high"), _ends(score * n_test, n_test), strict=True)
    }
    given = {"before": before, "after": after, "n_test": n_test, "n_seeds": n_seeds}
    gain = {"rows": rows, "points": 100 * (after - before), "least_p": smallest_p(round(rows))}
    return {**given, **ends, **gain, "n_test_needed": _needed(rows, n_test) if abs(rows) >= _ONE_ROW else None}


def _check_fractions(before: float, after: float) -> None:
    for name, value in (("before", before), ("after", after)):
        if not 0 <= value <= 1:
            raise ValueError(f"--{name} must be a fraction in [0, 1]; received {value}. Write 75.7 % as 0.757.")


def _ends(n_right: float, n: int) -> tuple[float, float]:
    low, high = stats.binomtest(round(n_right), n).proportion_ci(method="wilson")
    return float(low), float(high)


def _interval(n_right: float, n: int) -> str:
    low, high = _ends(n_right, n)
    return f"{low:.3f} to {high:.3f}"


def _needed(rows: float, n_test: int) -> int:
    return ceil(LEAST_ROWS / abs(rows / n_test))


def _on_rows(rows: float, n_test: int) -> list[str]:
    least = 100 * LEAST_ROWS / n_test
    if abs(rows) < _ONE_ROW:
        return ["No row changed on balance: there is nothing to explain."]
    p = smallest_p(round(rows))
    raised = "; every pair of rows that swap raises it" if p < 1 else ""
    first = f"Even if no other row changed, p is {p:.3f} (exact McNemar test){raised}."
    if p < ALPHA:
        return [
            first,
            "So these rows can show which model is better, if few rows changed for the worse. Ask for that number.",
        ]
    return [
        first,
        f"So these rows cannot show which model is better: that takes {LEAST_ROWS} rows or more, {least:.1f} points here.",
        f"A true difference of this size needs {_needed(rows, n_test):,} test rows at least.",
    ]


def _on_seeds(n_seeds: int) -> list[str]:
    if n_seeds == 1:
        return [
            "Each number is of one training run. Another seed gives other numbers, and how far apart is not published:",
            "so this cannot show that the change is the cause. Repeat both over seeds, paired: noiseflow run.",
        ]
    return [
        f"Each number is a mean over {n_seeds:,} runs on the same test rows: seeds make a test set no larger.",
        "Whether the seeds differ by less than the gain takes their spread. Ask for it, or repeat both: noiseflow run.",
    ]
