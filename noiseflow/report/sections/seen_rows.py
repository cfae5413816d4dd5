"""What the networks see: a few training rows under each variant's noise on the input."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from noiseflow.plots import plot_seen_rows
from noiseflow.report.evidence import Evidence
from noiseflow.report.picture import Picture
from noiseflow.report.section import Section
from noiseflow.trials.seen_rows import CLEAN


def _finding(evidence: Evidence) -> pd.DataFrame:
    return pd.DataFrame(
        [{"dataset": name, "variant": variant} for name, rows in evidence.seen.items() for variant in rows]
    )


def _pictures(evidence: Evidence) -> Iterator[Picture]:
    for number, (name, drawn) in enumerate(evidence.seen.items(), 1):
        ordered = [v for v in evidence.shown.loc[evidence.shown["dataset"] == name, "variant"].unique() if v in drawn]
        rows = {variant: drawn[variant] for variant in [CLEAN, *ordered]}
        where = f" of {name}" if len(evidence.seen) > 1 else ""
        caption = (
            f"The first training rows{where} as the networks see them, with one draw of each variant's noise on the input at "
            "its full strength. What you would not recognise, a network can hardly learn from."
        )
        suffix = f"-{number}" if len(evidence.seen) > 1 else ""
        alt = f"Training rows{where}, clean and with the noise of each variant"
        yield Picture(f"seen-rows{suffix}.png", partial(plot_seen_rows, rows), alt, caption)


SECTION = Section("What the networks see", _finding, table=None, pictures=_pictures, limits=None)
