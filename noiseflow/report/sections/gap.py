"""The gap between train and test score: what was learnt by heart."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from noiseflow.plots import plot_gap
from noiseflow.report.evidence import Evidence
from noiseflow.report.picture import Picture, colours_of
from noiseflow.report.section import Section
from noiseflow.report.selection import MOST_GROUPS, MOST_VARIANTS, groups_of, only_some_groups


def _pictures(evidence: Evidence) -> Iterator[Picture]:
    for group in groups_of(evidence.shown, MOST_GROUPS):
        finished = evidence.finished(group.dataset, group.architecture).dropna(subset=["train_score", "test_score"])
        there = set(finished["variant"].unique())
        names = [name for name in group.variants(MOST_VARIANTS) if name in there]
        if not names:
            continue
        label = group.score.label
        draw = partial(plot_gap, finished, names, colours_of(evidence.study), label)
        caption = (
            f"What was learnt by heart{group.where}: at the left the mean score on the training rows (hollow) and on the test "
            "rows (filled) at the last epoch, at the right the gap between them for each seed, with its mean and standard "
            "deviation. A shorter line says that less was learnt of the training rows alone; it does not say how good the "
            "score is."
            f"{group.left_out(MOST_VARIANTS)}{only_some_groups(evidence)}"
        )
        alt = f"Train and test score of each variant joined by a line, and the gap of each seed{group.where}"
        yield Picture(f"gap{group.suffix}.png", draw, alt, caption)


SECTION = Section(
    "The gap between train and test", lambda evidence: evidence.summary, table=None, pictures=_pictures, limits=None
)
