"""How well the trained networks work under noise at test time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from noiseflow.plots import plot_robustness
from noiseflow.report.evidence import Evidence
from noiseflow.report.picture import Picture, colours_of
from noiseflow.report.section import Section, TableForm
from noiseflow.report.selection import MOST_GROUPS, MOST_VARIANTS, groups_of
from noiseflow.report.tables import Columns
from noiseflow.statistics.pairs import CELL
from noiseflow.wording import amount, difference, difference_interval, quoted

NOTE = (
    "Every trained network was measured under noise on {rows}, or on its weights, with new draws; all networks of a "
    "data seed met the same noisy rows. Differences are from the baseline under the same noise, adjusted (Holm) over all "
    "variants and strengths. Strength 0 is the clean rows."
)


def crossings(frame: pd.DataFrame) -> Iterator[str]:
    """A sentence for each variant and noise: its cost on clean rows, and the strength from which on it wins."""
    if frame.empty:
        return
    compared = frame[frame["difference_mean"].notna()]
    for (dataset, architecture, variant, noise), rows in compared.groupby([*CELL, "noise"], sort=False):
        ordered = rows.sort_values("test_strength").to_dict("records")
        clean, wins = ordered[0], ordered[1:]
        better = [row["verdict"] == "better" for row in wins]
        first = next((i for i in range(len(wins)) if all(better[i:])), None)
        at = "" if len(frame[CELL[:2]].drop_duplicates()) == 1 else f" ({dataset}/{architecture})"
        cost = {"better": f"gains {amount(clean)}", "worse": f"costs {amount(clean)}"}.get(
            str(clean["verdict"]), "shows no clear difference from the baseline"
        )
        then = (
            "is better at no strength to the end"
            if first is None
            else f"is better from {wins[first]['test_strength']:g} on"
        )
        yield f"{quoted(str(variant))}{at} {cost} on clean rows, and under {noise} {then}."


def _columns(_: Evidence) -> Columns:
    return {
        "Noise at test": lambda row: str(row["noise"]),
        "Strength": lambda row: f"{row['test_strength']:g}",
        "Verdict": lambda row: str(row["verdict"]),
        "Difference": difference,
        "95 % interval": difference_interval,
    }


def _finding(evidence: Evidence) -> pd.DataFrame:
    frame = evidence.findings.robustness
    return frame if frame.empty else evidence.best_first(frame[frame["difference_mean"].notna()])


def _note(evidence: Evidence) -> str:
    return " ".join([NOTE.format(rows=_rows_of(evidence)), *crossings(evidence.findings.robustness)][:12])


def _rows_of(evidence: Evidence) -> str:
    """Which rows were measured: the fresh ones of a dataset that has such."""
    kinds = {evidence.is_fresh(name) for name in evidence.findings.robustness["dataset"]}
    return {frozenset({True}): "fresh rows", frozenset({False}): "its test rows"}.get(
        frozenset(kinds), "fresh rows where there are such, else on its test rows"
    )


def _pictures(evidence: Evidence) -> Iterator[Picture]:
    frame = evidence.findings.robustness
    if frame.empty:
        return
    for group in groups_of(evidence.shown, MOST_GROUPS):
        names = group.variants(MOST_VARIANTS)
        rows = group.of(frame)
        rows = rows[rows["variant"].isin(names)]
        if rows.empty:
            continue
        colours = colours_of(evidence.study)
        colours = {name: colours[name] for name in names}
        caption = (
            f"Noise at test time{group.where}: the mean score against the strength of the noise that the trained networks "
            "meet, with 95 % intervals over seeds. A variant that stays high is robust; where lines cross it begins to pay."
            f"{group.left_out(MOST_VARIANTS)}"
        )
        alt = f"Score against the strength of noise at test time, a line a variant{group.where}"
        draw = partial(plot_robustness, rows, colours, evidence.compared(group.rows.to_dict("records")))
        yield Picture(f"robustness{group.suffix}.png", draw, alt, caption)


def _limits(evidence: Evidence) -> list[str]:
    noisy = [v.name for v in evidence.study.variants if any("test" in injection.at for injection in v.injections)]
    return [
        f"The noise of {quoted(name)} acts at test time too, as a model of a channel or a sensor: its scores are means over "
        "draws, on noisy rows, and the baseline's on clean ones."
        for name in noisy
    ]


TABLE = TableForm("details", ("variant",), _columns, 3, _note, "robustness.parquet")
SECTION = Section("Noise at test time", _finding, TABLE, pictures=_pictures, limits=_limits)
