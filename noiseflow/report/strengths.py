"""The frames behind the picture of score against strength."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from noiseflow.report.evidence import telling_names
from noiseflow.spec import BASELINE, Study, Variant
from noiseflow.statistics import GROUP

STRENGTH_ROWS = 6  # datasets and architectures that are drawn


@dataclass(frozen=True)
class StrengthFrames:
    """What `plot_strengths` takes, and how many datasets and architectures there are beyond those drawn."""

    strengths: pd.DataFrame
    baselines: pd.DataFrame
    choices: pd.DataFrame
    left_out: int


def strength_frames(study: Study, summary: pd.DataFrame, choices: pd.DataFrame) -> StrengthFrames:
    """The cells of families of strengths, the baselines beside them, and what was chosen, panel by panel."""
    units = {variant.name: strength_unit(variant) for variant in study.variants if variant.strengths}
    panels = _panel_names(summary)
    shown = dict(list(panels.items())[:STRENGTH_ROWS])
    cells, chosen = _placed(summary, shown), _placed(choices, shown)
    cells = cells.assign(
        mean=cells["score_mean"], std=cells["score_std"], n=cells["n_seeds"] - cells["n_diverged"], unit=cells["family"]
    )
    strengths = cells[cells["family"].isin(list(units))]
    return StrengthFrames(
        strengths.assign(unit=strengths["family"].map(units)),
        cells[cells["variant"] == BASELINE],
        chosen.assign(unit=chosen["family"].map(units)).dropna(subset=["strength"]),
        len(panels) - len(shown),
    )


def strength_unit(variant: Variant) -> str:
    """What the strengths of a family are: `stddev`, `rate`, `factor` or `patience (epochs)`, or several of them."""
    kinds = [
        ("relative " if i.relative else "") + ("stddev" if i.kind == "gaussian" else "rate") for i in variant.injections
    ]
    kinds += ["L2 factor" if control.kind == "l2" else "patience (epochs)" for control in variant.controls]
    return ", ".join(dict.fromkeys(kinds))


def _panel_names(summary: pd.DataFrame) -> dict[tuple[str, str], str]:
    telling = telling_names(summary) or ["dataset"]
    rows = summary[GROUP].drop_duplicates().to_dict("records")
    return {(row["dataset"], row["architecture"]): "/".join(row[name] for name in telling) for row in rows}


def _placed(frame: pd.DataFrame, shown: dict[tuple[str, str], str]) -> pd.DataFrame:
    """The rows of the groups shown, with the name of their panel."""
    keys = list(zip(frame["dataset"], frame["architecture"], strict=True))
    kept = frame[[key in shown for key in keys]]
    return kept.assign(panel=[shown[key] for key in keys if key in shown])
