"""What a study's trials say of the claims that it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from noiseflow.base.values import BASELINE
from noiseflow.report.findings import reused_rows
from noiseflow.statistics.crossfit import honest_scores
from noiseflow.statistics.differences import difference_of
from noiseflow.statistics.failures import paired_failures_p
from noiseflow.statistics.inference import t_interval
from noiseflow.statistics.pairs import PAIR, compared_score, grid_of
from noiseflow.statistics.variance_components import complete_part, data_share
from noiseflow.statistics.verdict import FAILURES_ALPHA
from noiseflow.study import Study
from noiseflow.study.claim import Claim
from noiseflow.wording import NOTHING, bare, fraction, number, signed

CLAIM_COLUMNS = [
    "says",
    "source",
    "quantity",
    "published",
    "n",
    "mean",
    "ci_low",
    "ci_high",
    "verdict",
    "note",
    "failed",
]


def judge(claim: Claim, low: float, high: float) -> str:
    """holds, refuted or undecided, for the 95 % interval of the quantity."""
    if not low <= high:  # NaN: too few trials
        return "undecided"
    centre = claim.bound if claim.relation == "differs" else float(claim.published or 0.0)
    least, most = (centre + sign * float(claim.tolerance or 0.0) for sign in (-1, 1))
    if claim.relation == "differs":
        return (
            "holds" if not low <= claim.bound <= high else "refuted" if least <= low and high <= most else "undecided"
        )
    if claim.relation == "about":
        return "holds" if least <= low and high <= most else "refuted" if high < least or low > most else "undecided"
    above, below = low > claim.bound, high < claim.bound
    if claim.relation == "less":
        above, below = below, above
    return "holds" if above else "refuted" if below else "undecided"


def judge_claims(study: Study, trials: pd.DataFrame) -> pd.DataFrame:
    """CLAIM_COLUMNS, a row a claim of the study.

    A family of strengths enters with the strength that the other half of the data seeds chose.

    Args:
        trials: of the plan, with names.
    """
    rows = [
        {
            **claim.model_dump(include={"says", "source", "quantity", "published", "note"}),
            **_interval_of(study, claim, trials),
        }
        for claim in study.claims
    ]
    return pd.DataFrame(rows, columns=CLAIM_COLUMNS)


def _interval_of(study: Study, claim: Claim, trials: pd.DataFrame) -> dict[str, object]:
    mine = trials[(trials["dataset"] == claim.dataset) & (trials["architecture"] == claim.architecture)]
    own, other = (_values(mine, name, claim.quantity) for name in (claim.variant, claim.against))
    if claim.quantity == "data_share":
        share, low, high = data_share(complete_part(grid_of(own, own["score"].to_numpy(dtype=float))))
        return {"n": len(own), "mean": share, "ci_low": low, "ci_high": high, "verdict": judge(claim, low, high)}
    if claim.quantity == "score":
        values = own["score"].dropna().to_numpy(dtype=float)
        low, high = (float(end) for end in t_interval(values))
        return {
            "n": len(values),
            "mean": values.mean(),
            "ci_low": low,
            "ci_high": high,
            "verdict": judge(claim, low, high),
        }
    pairs = own.merge(other, on=PAIR, suffixes=("", "_baseline"))
    found = difference_of(pairs, study.margin, reused_rows(study, trials).get(claim.dataset))
    low, high = found["difference_ci_low"], found["difference_ci_high"]
    return {
        "n": found["n_pairs"],
        "mean": found["difference_mean"],
        "ci_low": low,
        "ci_high": high,
        "verdict": judge_failures(claim, pairs) if found["survivors_only"] else judge(claim, low, high),
        "failed": _failed(pairs) if found["survivors_only"] else "",
    }


def judge_failures(claim: Claim, pairs: pd.DataFrame) -> str:
    """holds, refuted or undecided where more than 5 % of the pairs lack a member: what fails more often is not the better one.

    The rule is the one for a study's verdicts (docs/method.md, "Failed trainings").
    """
    ours, theirs = pairs["score"].isna(), pairs["score_baseline"].isna()
    if claim.relation == "about" or paired_failures_p(ours, theirs) >= FAILURES_ALPHA:
        return "undecided"
    is_more = ours.sum() < theirs.sum()
    return "holds" if claim.relation == "differs" or is_more == (claim.relation == "greater") else "refuted"


def _failed(pairs: pd.DataFrame) -> str:
    ours, theirs = pairs["score"].isna().sum(), pairs["score_baseline"].isna().sum()
    return f"{ours} and {theirs} of {len(pairs)} trainings of the two failed, which decides it"


def _values(trials: pd.DataFrame, name: str, quantity: str) -> pd.DataFrame:
    """PAIR and score (n_strengths of a family too) of a variant or a family."""
    if quantity in ("difference", "score", "data_share"):
        chosen = honest_scores(trials)
        mine = chosen[chosen["family"] == name]
        return mine[
            [*PAIR, "score", *(["n_strengths"] if name != BASELINE and (mine["n_strengths"] > 1).any() else [])]
        ]
    mine = trials[trials["variant"] == name]
    values = mine[quantity].where(compared_score(trials).notna())
    return mine[PAIR].assign(score=values)


def claims_lines(table: pd.DataFrame) -> list[str]:
    """The judged claims as text, some lines each."""
    lines = []
    for row in table.to_dict("records"):
        figures = row["failed"] if isinstance(row["failed"], str) and row["failed"] else _figures(row)
        figures += "" if pd.isna(row["published"]) else f"; published {_amount(row, row['published'])}"
        lines += [f"{row['verdict'].upper():<10} {row['says']}", f"{'':<10} {figures}", f"{'':<10} {row['source']}"]
        lines += [f"{'':<10} {row['note']}"] if row["note"] else []
    return lines


def _figures(row: Mapping[Any, Any]) -> str:
    """`.476 (95 % interval .422 to .530) over 3 trials`; of a difference over pairs."""
    n = number(int(row["n"]), "pair" if _is_difference(row) else "trial")
    ends = [_amount(row, row[end]) for end in ("ci_low", "ci_high")]
    interval = "no interval: too few, or all alike" if NOTHING in ends else f"95 % interval {' to '.join(ends)}"
    return f"{_amount(row, row['mean'])} ({interval}) over {n}"


def _amount(row: Mapping[Any, Any], value: float) -> str:
    return bare(signed(value, 3)) if _is_difference(row) else fraction(value)


def _is_difference(row: Mapping[Any, Any]) -> bool:
    return row["quantity"] not in ("score", "data_share")
