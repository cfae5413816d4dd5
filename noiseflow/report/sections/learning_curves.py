"""Learning curves: train and test score over the epochs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from noiseflow import wording
from noiseflow.plots import plot_learning_curves
from noiseflow.report.evidence import Evidence
from noiseflow.report.picture import Picture, colours_of, live_lines
from noiseflow.report.section import Section
from noiseflow.report.selection import MOST_GROUPS, MOST_PANELS, groups_of, latest_seeds, only_some_groups
from noiseflow.statistics.summary import learning_bands
from noiseflow.statistics.training_length import training_lengths


def _pictures(evidence: Evidence) -> Iterator[Picture]:
    if evidence.curves.empty:
        return
    for group in groups_of(evidence.shown, MOST_GROUPS):
        curves = group.of(evidence.curves)
        curves = evidence.of_completed(curves[curves["variant"].isin(group.variants(MOST_PANELS))])
        if curves.empty:
            continue
        bands, colours, label = (
            evidence.best_first(learning_bands(curves)),
            colours_of(evidence.study),
            group.score.label,
        )
        draw = partial(plot_learning_curves, bands, colours, label)
        rows = bands.rename(columns={"epoch": "x"}).groupby(["variant", "quantity"], sort=False)
        lines = [
            (f"{name}, {str(quantity).partition('_')[0]}", colours[str(name)], quantity == "train_score", line)
            for (name, quantity), line in rows
        ]
        caption = (
            f"Learning curves{group.where}: solid lines are the mean over seeds on the test rows, dashed ones on the "
            "training rows; bands hold the middle 80 % of the seeds. In the still picture a dotted line repeats "
            "the baseline's test score. See how far the two scores part, and whether noise keeps them together."
            f"{latest_seeds(evidence)}{group.left_out(MOST_PANELS)}{only_some_groups(evidence)}"
        )
        alt = f"Train and test score over the epochs, a panel a variant{group.where}"
        live = live_lines("epoch", label, lines)
        yield Picture(f"learning-curves{group.suffix}.png", draw, alt, caption, live)


def _limits(evidence: Evidence) -> list[str]:
    """Sentences on networks that trained too long, or not long enough, by their mean curves on the test rows."""
    if evidence.curves.empty:
        return []
    lengths = training_lengths(evidence.curves)
    late, early = lengths[lengths["verdict"] == "too long"], lengths[lengths["verdict"] == "too short"]
    texts = []
    if len(late):
        worst = late.sort_values("fall").iloc[-1]
        texts.append(
            f"Seen on the test rows, and used for no decision: the smoothed mean curve of {wording.quoted(worst['variant'])} "
            f"is best at epoch {int(worst['best_epoch']):,} ({wording.fraction(worst['best'])}) and ends at "
            f"{wording.fraction(worst['last'])} after {int(worst['last_epoch']):,}. So part or all of what noise gains "
            "here may be the price of training too long. The comparison to make is with early stopping."
        )
    if len(early):
        names = wording.listed(wording.quoted(name) for name in dict.fromkeys(early["variant"]))
        texts.append(
            f"Seen on the test rows, and used for no decision: the mean curve of {names} still rises at the last epoch. Longer "
            "training may change the order."
        )
    return texts


SECTION = Section("Learning curves", lambda evidence: evidence.curves, table=None, pictures=_pictures, limits=_limits)
