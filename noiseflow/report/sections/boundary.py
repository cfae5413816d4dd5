"""Where the networks of a variant say class 1, on data of two features."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from noiseflow.plots import class_one_shares, plot_boundary
from noiseflow.report.evidence import Evidence
from noiseflow.report.picture import Picture
from noiseflow.report.section import Section
from noiseflow.report.selection import MOST_GROUPS, MOST_PANELS, groups_of, latest_seeds, only_some_groups
from noiseflow.study import BASELINE


def _pictures(evidence: Evidence) -> Iterator[Picture | str]:
    n_drawn = 0
    for group in groups_of(evidence.shown, MOST_GROUPS):
        grid = evidence.grids.get(group.dataset)
        predictions = evidence.predicted(group.dataset, group.architecture, "grid")
        predicted = set(predictions["variant"].unique())
        names = [name for name in group.variants(MOST_PANELS) if name in predicted]
        of_two_classes = grid is not None and not predictions["output"].any()
        if grid is None or not of_two_classes or not names or (names == [BASELINE] and len(group.rows) > 1):
            continue
        n_drawn += 1
        shares = class_one_shares(predictions[predictions["variant"].isin(names)]).set_index("variant")
        rows = _first_training_rows(evidence, group.dataset)
        draw = partial(plot_boundary, shares.loc[names].reset_index(), grid, rows)
        of_which_seed = (
            "" if evidence.study.design == "replicate" else " of the first data seed; each seed had its own rows"
        )
        caption = (
            f"Where the networks say class 1{group.where}: the darker, the more seeds; at the line it is half of them. Marks "
            f"are training rows{of_which_seed}. A narrow passage from pale to dark means that seeds agree; an island around a "
            "single row may be a row learnt by heart."
            f"{latest_seeds(evidence)}{group.left_out(MOST_PANELS)}{only_some_groups(evidence)}"
        )
        alt = f"Share of seeds that say class 1 over the plane of the two features, a panel a variant{group.where}"
        yield Picture(f"boundary{group.suffix}.png", draw, alt, caption)
    if evidence.grids and not n_drawn and any(variant.strengths for variant in evidence.study.variants):
        yield "Boundaries are not drawn: what the members of families predict over the plane is not kept."


def _first_training_rows(evidence: Evidence, dataset: str) -> pd.DataFrame:
    rows = evidence.data[(evidence.data["dataset"] == dataset) & (evidence.data["split"] == "train")]
    return rows[rows["data_seed"].isin([rows["data_seed"].min()])]


SECTION = Section(
    "Decision boundaries", lambda evidence: evidence.predictions, table=None, pictures=_pictures, limits=None
)
