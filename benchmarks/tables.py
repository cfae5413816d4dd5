"""The tables of `benchmarks.engine`, in Markdown; every time is in microseconds per seed and epoch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.jax_variants import Variant
from benchmarks.problems import RECORD_EVERY, Work

PEAK_BAR = 2.0  # GB, at the most seeds
AGREEMENT = 0.02
"""How far the mean accuracy on test may be from JAX': two trainings that are equal but for their random numbers."""


@dataclass(frozen=True)
class Trial:
    """A variant of JAX, its number, its time, and what else was measured."""

    variant: Variant
    index: int
    microseconds: float
    details: dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """A work, the times of ours and of `Model.fit`, and JAX: all variants in brief, that is `screening` epochs,
    the fastest and the plain one in full.
    """

    work: Work
    ours: float
    fit: float
    details: dict[str, Any]
    screening: int
    trials: tuple[Trial, ...]
    best: Trial
    plain: Trial


def report(measured: Sequence[Measured], rate: float, scaling: Sequence[tuple[int, float, float]], seeds: int) -> str:
    """All tables.

    Args:
        rate: the machine's multiply-adds a second.
        scaling: seeds, time, GB at the peak.
        seeds: of every work.
    """
    head = f"{seeds} seeds, recorded every {RECORD_EVERY}th epoch; µs per seed and epoch, compilation apart."
    parts = [head, _against_fit(measured), _against_jax(measured), _agreement(measured)]
    parts += [_limit(measured, rate), _scaling(scaling) if scaling else "", _variants(measured)]
    return "\n\n".join(part for part in parts if part)


def _against_fit(measured: Sequence[Measured]) -> str:
    lines = [
        (m.work.title, f"{m.ours:,.1f}", f"{m.fit:,.0f}", *_ratio(m.fit / m.ours, m.work.bar_fit)) for m in measured
    ]
    return _table("Against `Model.fit`", ("work", "ours", "`Model.fit`", "ratio", "bar", "met"), lines)


def _against_jax(measured: Sequence[Measured]) -> str:
    lines = []
    for m in measured:
        peers = [(m.plain, *_ratio(m.plain.microseconds / m.ours, m.work.bar_jax))]
        if m.plain is not m.best:
            peers.append((m.best, f"{m.best.microseconds / m.ours:,.2f}", "", ""))
        lines += [
            (m.work.title, f"{m.ours:,.1f}", f"{t.microseconds:,.1f}", t.variant.name, *rest) for t, *rest in peers
        ]
    return _table("Against JAX", ("work", "ours", "JAX", "its fastest variant", "ratio", "bar", "met"), lines)


def _ratio(ratio: float, bar: float) -> tuple[str, str, str]:
    return f"{ratio:,.2f}" if ratio < 100 else f"{ratio:,.0f}", f"{bar:,g}", "yes" if ratio >= bar else "no"


def _agreement(measured: Sequence[Measured]) -> str:
    lines = []
    for m in measured:
        theirs, apart = m.best.details, abs(m.details["test"] - m.best.details["test"])
        pairs = [f"{m.details[name]:.3f} / {theirs[name]:.3f}" for name in ("train", "test")]
        lines.append((m.work.title, *pairs, "yes" if apart <= AGREEMENT else "no"))
    title = "Mean accuracy after the last epoch, ours / JAX"
    return _table(title, ("work", "train", "test", f"test within {100 * AGREEMENT:g} points"), lines)


def _limit(measured: Sequence[Measured], rate: float) -> str:
    lines = []
    for m in measured:
        least = m.work.multiply_adds / rate * 1e6
        compiling = m.details["first"] - m.details["seconds"]
        counts = (f"{m.work.multiply_adds / 1e6:,.2f}", f"{m.work.normals:,}")
        times = (f"{least:,.1f}", f"{m.ours / least:,.1f}")
        first = (f"{m.details['first']:,.1f}", f"{compiling:,.1f}", f"{m.best.details['compiling']:,.1f}")
        lines.append((m.work.title, *counts, *times, *first, f"{m.details['building']:,.1f}"))
    columns = (
        "work",
        "million multiply-adds",
        "random numbers",
        "limit",
        "ours / limit",
        "first call, s",
        "of it compiling, s",
        "JAX compiling, s",
        "building the Keras models, s",
    )
    return _table(f"The arithmetic limit at {rate / 1e9:,.0f} thousand million multiply-adds a second", columns, lines)


def _scaling(scaling: Sequence[tuple[int, float, float]]) -> str:
    least = min(time for _, time, _ in scaling[:-1])
    lines = [(f"{n:,}", f"{time:,.1f}", f"{n * time / 1e6:,.4f}", f"{peak:.2f}") for n, time, peak in scaling]
    seeds, time, peak = scaling[-1]
    met = f"peak below {PEAK_BAR:g} GB: {'yes' if peak < PEAK_BAR else 'no'}"
    last = f"At {seeds:,} seeds the cost per seed is {time / least:.2f} times the least of the smaller ones; {met}."
    columns = ("seeds", "µs per seed and epoch", "s per epoch", "peak, GB")
    return _table("Seeds, on the MLP's baseline", columns, lines) + "\n\n" + last


def _variants(measured: Sequence[Measured]) -> str:
    return "\n\n".join(
        _table(
            f"JAX, all variants: {m.work.title} ({m.screening} epochs)",
            ("variant", "time", "compiling, s", "peak, GB"),
            [
                (t.variant.name, f"{t.microseconds:,.1f}", f"{t.details['compiling']:.1f}", f"{t.details['peak']:.2f}")
                for t in sorted(m.trials, key=lambda t: t.microseconds)
            ],
        )
        for m in measured
    )


def _table(title: str, columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---"] + ["--:"] * (len(columns) - 1)
    rows = [f"| {' | '.join(line)} |" for line in (columns, rule, *lines)]
    return "\n".join([f"**{title}**", "", *rows])
