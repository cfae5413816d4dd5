"""A strength chosen honestly: for each half of the data seeds from the other half, and scored on this one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from noiseflow.statistics.inference import RESOLUTION
from noiseflow.statistics.pairs import GROUP, PAIR, compared_score, family_of

HONEST_COLUMNS = [*GROUP, "family", *PAIR, "strength", "score", "variant", "n_strengths", "inner_score"]
HALVES_CORRELATION = 0.5
"""What the correlation of the two halves' mean differences is taken as.

The halves choose from each other, so that a chance that favours a strength in one half lifts the other's choice as well.
For k strengths that are alike and independent the correlation is (E max of k normal numbers)² / (k − 1): .32, .36, .35, .29
for k = 2, 3, 4, 8; with a baseline that they share, half of it. The rest makes up for tails that are not Student's:
docs/method.md has the simulations.
"""


def honest_scores(trials: pd.DataFrame) -> pd.DataFrame:
    """The compared score of each family on each data seed and seed, at a strength chosen without them: HONEST_COLUMNS.

    The data seeds of a dataset and architecture, in ascending order, fall alternately into two halves. The choice for
    each half is the strength with the highest mean compared score over the trials of the other half; of strengths within 1e-6
    of it the smallest. A diverged trial counts there as the lowest score of the dataset and architecture. A family of one
    strength (`n_strengths`) keeps it; one of several with a single data seed has no honest choice: strength, score and variant
    are missing. score is missing, too, where the chosen trial diverged.

    Where the data seeds split one finite table again and again, the rows of one half test the other. There each data seed
    chooses by `inner_score`, on rows that were held back from its own training rows.

    Two halves, and not each data seed against all others: choices that are nearly the same for all data seeds but turn
    on single ones make the scores so dependent that no test keeps its level.

    References: Stone (1974), Cross-validatory choice and assessment of statistical predictions, JRSS B 36;
    Cawley and Talbot (2010), On over-fitting in model selection, JMLR 11; docs/method.md, "Strengths chosen".
    """
    scored = scored_families(trials)
    parts = [
        _chosen_rows(family, group)
        for _, group in scored.groupby(GROUP, sort=False)
        for _, family in group.groupby("family", sort=False)
    ]
    return pd.concat(parts, ignore_index=True) if parts else scored


def scored_families(trials: pd.DataFrame) -> pd.DataFrame:
    """HONEST_COLUMNS of all trials, each at its own strength."""
    scored = trials[[*GROUP, "variant", *PAIR]].assign(
        family=family_of(trials), strength=pd.to_numeric(trials["strength"]).astype(float), score=compared_score(trials)
    )
    inner = pd.to_numeric(trials["inner_score"]).astype(float) if "inner_score" in trials else np.nan
    scored = scored.assign(inner_score=inner)
    n_strengths = scored.groupby([*GROUP, "family"])["variant"].transform("nunique")
    return scored.assign(n_strengths=n_strengths.astype("int64"))[HONEST_COLUMNS]


def choose_inside(family: pd.DataFrame) -> pd.Series[str]:
    """Data seed -> the variant of the family with the best mean score on rows held back from its training rows.

    Of equal ones it has the smallest strength; a training that diverged counts as the lowest score in sight.
    """
    scores = family["inner_score"].fillna(family["inner_score"].min())
    means = (
        family.assign(inner_score=scores).groupby(["data_seed", "strength", "variant"], sort=True)["inner_score"].mean()
    )
    table = means.reset_index()
    best = table.groupby("data_seed")["inner_score"].transform("max")
    chosen = table[table["inner_score"] >= best - RESOLUTION].drop_duplicates("data_seed")
    return pd.Series(chosen["variant"].to_numpy(), chosen["data_seed"], dtype=object)


def choose_elsewhere(family: pd.DataFrame, group: pd.DataFrame) -> pd.Series[str]:
    """Data seed -> the variant of the family that is best in the other half; missing where there is no other half.

    family, group: rows of `scored_families`, of one family and of all families of its dataset and architecture.
    """
    half_of = {seed: k % 2 for k, seed in enumerate(sorted(group["data_seed"].unique()))}
    halves = [half for half in (0, 1) if (family["data_seed"].map(half_of) == 1 - half).any()]
    chosen = {
        half: choose_naively(*(part[part["data_seed"].map(half_of) == 1 - half] for part in (family, group)))
        for half in halves
    }
    return pd.Series({seed: chosen.get(half) for seed, half in half_of.items()}, dtype=object)


def choose_naively(family: pd.DataFrame, group: pd.DataFrame) -> str:
    """The variant of the family that is best on all these trials. It is reported by these very scores."""
    lowest = group["score"].min()
    counted = family.assign(score=family["score"].fillna(lowest))
    by_strength = counted.sort_values("strength", kind="stable").groupby("variant", sort=False)
    means = by_strength["score"].mean().to_numpy(dtype=float)
    best = np.nan_to_num(
        means, nan=-np.inf
    )  # no trial of the group has a score: the smallest strength is as good as any
    return str(list(by_strength.groups)[int((best >= best.max() - RESOLUTION).argmax())])


def _chosen_rows(family: pd.DataFrame, group: pd.DataFrame) -> pd.DataFrame:
    """A row for each PAIR of the family, from the chosen variant."""
    if family["n_strengths"].iloc[0] == 1:
        return family
    inside = family["inner_score"].notna().any()
    chosen = family["data_seed"].map(choose_inside(family) if inside else choose_elsewhere(family, group))
    missing = family[chosen.isna()].drop_duplicates(PAIR).assign(strength=np.nan, score=np.nan, variant=None)
    taken = family[family["variant"] == chosen]
    return taken if missing.empty else missing if taken.empty else pd.concat([taken, missing])
