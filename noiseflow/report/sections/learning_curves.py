"""Learning curves: train and test score over the epochs."""

from __future__ import annotations

from collections.abc import Iterator

from noiseflow.plots import plot_learning_curves, to_png
from noiseflow.report.evidence import Evidence
from noiseflow.report.picture import Picture, colours_of, live_lines
from noiseflow.report.section import Section
from noiseflow.report.selection import MOST_GROUPS, MOST_PANELS, groups_of, latest_seeds, only_some_groups
from noiseflow.statistics import learning_bands


def _pictures(evidence: Evidence) -> Iterator[Picture]:
    if evidence.curves.empty:
        return
    for group in groups_of(evidence.shown, MOST_GROUPS):
        curves = group.of(evidence.curves)
        names, finished = group.variants(MOST_PANELS), evidence.finished(group.dataset, group.architecture)
        curves = curves[curves["trial_id"].isin(finished["trial_id"]) & curves["variant"].isin(names)]
        if curves.empty:
            continue
        bands, colours, label = (
            learning_bands(curves),
            colours_of(evidence.study),
            group.score_name.removeprefix("test "),
        )
        figure = plot_learning_curves(bands, colours, label)
        rows = bands.rename(columns={"epoch": "x"}).groupby(["variant", "quantity"], sort=False)
        lines = [
            (f"{name}, {str(quantity).partition('_')[0]}", colours[str(name)], quantity == "train_score", line)
            for (name, quantity), line in rows
        ]
        caption = (
            f"Learning curves{group.where}: solid lines are the mean over seeds on the test rows, dashed ones on the "
            "training rows; bands hold the middle 80 % of the seeds. The dotted line repeats the baseline's test "
            "score. See how far train and test part, and whether noise keeps them together."
            f"{latest_seeds(evidence)}{group.left_out(MOST_PANELS)}{only_some_groups(evidence)}"
        )
        alt = f"Train and test score over the epochs, a panel a variant{group.where}"
        yield Picture(
            f"learning-curves{group.suffix}.png", to_png(figure), alt, caption, live=live_lines("epoch", label, lines)
        )


SECTION = Section("Learning curves", lambda evidence: evidence.curves, table=None, pictures=_pictures, limits=None)
