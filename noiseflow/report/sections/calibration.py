"""How often what was predicted with some probability came true."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from noiseflow.plots import plot_calibration, reliability
from noiseflow.report.evidence import Evidence
from noiseflow.report.picture import Picture, colours_of
from noiseflow.report.section import Section
from noiseflow.report.selection import MOST_GROUPS, MOST_PANELS, groups_of, latest_seeds, only_some_groups


def _pictures(evidence: Evidence) -> Iterator[Picture]:
    for group in groups_of(evidence.shown, MOST_GROUPS):
        if group.score.task != "classification":
            continue
        predictions = evidence.predicted(group.dataset, group.architecture, "test")
        tested = evidence.data[(evidence.data["dataset"] == group.dataset) & (evidence.data["split"] == "test")]
        predicted = set(predictions["variant"].unique())
        parts = [
            reliability(predictions[predictions["variant"] == name], tested).assign(variant=name)
            for name in group.variants(MOST_PANELS)
            if name in predicted
        ]
        if all(part.empty for part in parts):
            continue
        of_class_one = not predictions["output"].any() or bool(tested["targets"].notna().any())
        bins, colours = pd.concat(parts, ignore_index=True), colours_of(evidence.study)
        draw = partial(plot_calibration, bins, colours, of_class_one=of_class_one)
        what = "class 1 was given a probability" if of_class_one else "the class predicted was given a probability"
        over = "seeds, for these test rows" if evidence.study.design == "replicate" else "data seeds"
        caption = (
            f"Calibration on the test rows{group.where}: where {what}, how often it came true, with a 95 % interval over "
            f"{over}. On the diagonal probabilities mean what they say; a line flatter than it is overconfident. Bars are the "
            "share of the predictions in each tenth."
            f"{latest_seeds(evidence)}{group.left_out(MOST_PANELS)}{only_some_groups(evidence)}"
        )
        alt = f"Observed frequency against predicted probability, a panel a variant{group.where}"
        yield Picture(f"calibration{group.suffix}.png", draw, alt, caption)


SECTION = Section("Calibration", lambda evidence: evidence.predictions, table=None, pictures=_pictures, limits=None)
