"""Families of variants against the baseline and each other, by scores that were chosen honestly."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, nan
from typing import Any

import pandas as pd

from noiseflow.base.values import BASELINE
from noiseflow.statistics.crossfit import choose_naively, honest_scores, scored_families
from noiseflow.statistics.differences import DIFFERENCE_COLUMNS, compare_pairs
from noiseflow.statistics.inference import ALPHA
from noiseflow.statistics.pairs import GROUP, pairs_with

FAILURE_COLUMNS = ("n_failed", "failure_p")
"""Of the strength that fails least, as the summary has them."""
CHOICE_COLUMNS = [
    *(
        *GROUP,
        "family",
        "n_strengths",
        "strength",
        "share",
        "n_seeds",
        "n_diverged",
        "score_mean",
        "n_pairs",
        "n_broken",
    ),
    *(*DIFFERENCE_COLUMNS, "naive_strength", "naive_score", "optimism", "n_needed"),
    *("n_units", "least_n", "survivors_only", "clear", "long_tail", "own_verdict"),
    *FAILURE_COLUMNS,
]
RIVAL_COLUMNS = [*GROUP, "family", "rival", "n_pairs", "n_broken", *DIFFERENCE_COLUMNS, "n_needed"]


def choose_strengths(
    trials: pd.DataFrame,
    margin: float,
    *,
    reused: Mapping[str, float] | None = None,
    summary: pd.DataFrame | None = None,
    level: float = ALPHA,
) -> pd.DataFrame:
    """A row for each dataset, architecture and family with several strengths: CHOICE_COLUMNS.

    Its scores are `honest_scores`. strength is the one chosen for most data seeds (the smallest of several such), share
    the part of the data seeds that it was chosen for. n_seeds counts the honest scores, n_diverged those of them that are
    missing. naive_strength is the best on all data seeds, naive_score its mean, optimism naive_score − score_mean: what
    a choice on the test set adds to a score. Differences are to the baseline. own_verdict is read off their band, which holds
    all rows of this frame together. With a summary, verdict and p_adjusted say whether the family helps at any strength, by
    the band of all its strengths there (`at_any_strength`): halves are for the estimate.

    Args:
        trials: a row a trial, with `family`.
        margin: differences of the score within it are not worth having.
        reused: as for `summarize`.
        summary: of the same trials.
        level: the error that the rows together may make.

    References: docs/method.md, "Strengths chosen".
    """
    scored, honest = scored_families(trials), honest_scores(trials)
    pairs = pairs_with(honest[(honest["n_strengths"] > 1) | (honest["family"] == BASELINE)], "family", BASELINE)
    groups = dict(list(scored.groupby(GROUP)))
    differences = compare_pairs(pairs, margin, reused, level)
    rows = []
    for key, columns in differences.items():
        group = groups[key[:2]]
        ours = (honest[[*GROUP, "family"]] == list(key)).all(axis=1)
        choice = _choice(honest[ours], group[group["family"] == key[2]], group) | {"own_verdict": columns["verdict"]}
        if summary is not None:
            members = summary[(summary[[*GROUP, "family"]] == list(key)).all(axis=1)]
            choice |= at_any_strength(members, margin) | {"survivors_only": bool(members["survivors_only"].all())}
            choice["clear"] = bool(columns["clear"]) and columns["verdict"] == choice["verdict"]
            least = members.iloc[int(members["n_failed"].argmin())]
            choice |= {name: least[name] for name in FAILURE_COLUMNS}
        rows.append(dict(zip([*GROUP, "family"], key, strict=True)) | columns | choice)
    return pd.DataFrame(rows, columns=CHOICE_COLUMNS)


def at_any_strength(members: pd.DataFrame, margin: float) -> dict[str, Any]:
    """The verdict on a family by its best strength, and the p of that: whether any of its strengths helps.

    The best true difference lies between the largest lower and the largest upper end, as one band holds all strengths. So the
    family is better where one strength is; worse where all are; equivalent where no strength can be better by the margin and
    one is no worse by it. Where many pairs of a strength broke, its interval holds for the survivors: it says only that the
    strength does not help, and only if all that broke are its own failures; its p counts nowhere.

    Args:
        members: the rows of a summary; their band holds all strengths together.
        margin: differences within it are not worth having.

    References: Westfall and Young (1993), section 2.6.
    """
    verdicts, selected = members["verdict"], members["survivors_only"].astype(bool)
    p = members["p_adjusted"].where(~selected).astype(float)
    if (verdicts == "better").any():
        return {"verdict": "better", "p_adjusted": p[verdicts == "better"].min()}
    if (verdicts == "worse").all():
        return {"verdict": "worse", "p_adjusted": p.max()}
    others = members[verdicts != "worse"]
    low = others["difference_ci_low"].mask(selected, -inf)
    high = others["difference_ci_high"].mask(selected & (others["n_failed"] < others["n_broken"]), inf)
    is_small = high.notna().all() and high.max() < margin and low.max() > -margin
    are_enough = (others["n_units"] >= others["least_n"]).all()
    upwards = p[members["difference_mean"].astype(float) > 0]
    return {
        "verdict": "equivalent" if is_small and are_enough else "inconclusive",
        "p_adjusted": upwards.min() if upwards.notna().any() or p.isna().all() else 1.0,
    }


def compare_families(
    trials: pd.DataFrame,
    margin: float,
    first: str,
    *,
    reused: Mapping[str, float] | None = None,
    level: float = ALPHA,
) -> pd.DataFrame:
    """The family `first` against each other one, the baseline included, on the same pairs: RIVAL_COLUMNS.

    Scores are `honest_scores` on both sides, so that every rival is tuned as `first` is. Differences are first − rival;
    One band holds the rows of this frame.

    Args:
        trials: a row a trial, with `family` where there are grids.
        margin: differences of the score within it are not worth having.
        first: name of a family.
        reused: as for `summarize`.
        level: the error that the rows together may make.

    Raises:
        ValueError: no trial belongs to `first`.

    References: docs/method.md, "Strengths chosen".
    """
    honest = honest_scores(trials)
    known = list(honest["family"].unique())
    if first not in known:
        raise ValueError(f"first must be a family of the trials, one of {known}; received {first!r}.")
    turned = {key: _turned(pairs) for key, pairs in pairs_with(honest, "family", first).items()}
    pairs = {key: part for key, part in turned.items() if not part.empty}
    rows = [
        {"dataset": dataset, "architecture": architecture, "family": first, "rival": rival} | columns
        for (dataset, architecture, rival), columns in compare_pairs(pairs, margin, reused, level).items()
    ]
    return pd.DataFrame(rows, columns=RIVAL_COLUMNS)


def _turned(pairs: pd.DataFrame) -> pd.DataFrame:
    sides = {name: f"{name}_baseline" for name in ("score", "n_strengths")}
    return pairs.rename(columns=sides | {theirs: ours for ours, theirs in sides.items()})


def _choice(honest: pd.DataFrame, family: pd.DataFrame, group: pd.DataFrame) -> dict[str, Any]:
    chosen = honest.drop_duplicates("data_seed")["strength"].value_counts(normalize=True, sort=False).sort_index()
    naive = family[family["variant"] == choose_naively(family, group)]
    score_mean, naive_score = honest["score"].mean(), naive["score"].mean()
    return {
        "n_strengths": honest["n_strengths"].iloc[0],
        "strength": chosen.idxmax() if chosen.size else nan,
        "share": chosen.max() if chosen.size else nan,
        "n_seeds": len(honest),
        "n_diverged": int(honest["score"].isna().sum()),
        "score_mean": score_mean,
        "naive_strength": naive["strength"].iloc[0],
        "naive_score": naive_score,
        "optimism": naive_score - score_mean,
    }
