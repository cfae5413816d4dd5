"""Mean ranks over datasets, against the worked example of Demšar (2006), table 6."""

import numpy as np
import pandas as pd
import pytest
from made_trials import made_trials, resampled
from scipy import stats

from noiseflow.statistics.ranks import iman_davenport, mean_ranks
from noiseflow.statistics.robust import wilcoxon_p

FAMILIES = ["baseline", "m", "cf", "m+cf"]  # C4.5 without and with two parameters tuned
DEMSAR = [
    [0.763, 0.768, 0.771, 0.798],
    [0.599, 0.591, 0.590, 0.569],
    [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657],
    [0.882, 0.888, 0.886, 0.898],
    [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685],
    [0.583, 0.583, 0.563, 0.625],
    [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000],
    [0.940, 0.962, 0.965, 0.962],
    [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9752, 0.9750],  # published as .975 both, and ranked 2 and 3
    [0.957, 0.978, 0.946, 0.970],
]


def study(table):
    parts = [
        made_trials({name: resampled([score]) for name, score in zip(FAMILIES, row, strict=False)}, dataset=f"d{i}")
        for i, row in enumerate(table)
    ]
    return pd.concat(parts, ignore_index=True)


def test_mean_ranks_match_demsars_example():
    found = mean_ranks(study(DEMSAR))
    ranks = found.ranks.set_index("family")
    assert ranks["mean_rank"].to_dict() == pytest.approx(
        {"baseline": 3.143, "m": 2.0, "cf": 2.893, "m+cf": 1.964}, abs=5e-4
    )
    assert found.friedman == pytest.approx(9.28, abs=0.01)
    assert found.statistic == pytest.approx(3.69, abs=0.01)
    assert found.degrees_of_freedom == (3, 39)
    assert found.p_value == pytest.approx(stats.f.sf(3.69, 3, 39), abs=2e-4)
    table = np.array(DEMSAR)
    for k, family in enumerate(FAMILIES[1:], start=1):
        assert ranks.loc[family, "p_value"] == pytest.approx(wilcoxon_p(table[:, k] - table[:, 0]))
    assert ranks.loc["baseline", ["p_value", "p_adjusted"]].isna().all()


def test_the_p_of_a_family_does_not_turn_with_its_rivals():
    """As that of mean ranks does (Benavoli, Corani and Mangili, 2016)."""
    alone, beside = (mean_ranks(study([row[:n] for row in DEMSAR])).ranks.set_index("family") for n in (2, 4))
    assert alone.loc["m", "p_value"] == beside.loc["m", "p_value"]


def test_iman_davenport_comes_from_scipys_friedman_where_nothing_ties():
    scores = np.random.default_rng(1).normal(size=(9, 4))
    expected = stats.friedmanchisquare(*scores.T).statistic
    friedman, statistic, p_value = iman_davenport(stats.rankdata(scores, axis=1))
    assert friedman == pytest.approx(expected)
    assert statistic == pytest.approx(8 * expected / (27 - expected))
    assert p_value == pytest.approx(stats.f.sf(statistic, 3, 24))


def test_mean_ranks_of_all_ties_find_nothing_and_of_full_agreement_all():
    tied = mean_ranks(study([[0.7, 0.7, 0.7, 0.7]] * 6))
    assert (tied.friedman, tied.p_value) == (0.0, 1.0)
    assert tied.ranks["mean_rank"].tolist() == [2.5] * 4
    agreed = mean_ranks(study([[0.7, 0.8, 0.75, 0.9]] * 6))
    assert (agreed.statistic, agreed.p_value) == (np.inf, 0.0)


def test_mean_ranks_are_none_below_six_datasets_or_without_rivals():
    assert mean_ranks(study(DEMSAR[:5])) is None
    assert mean_ranks(study([row[:1] for row in DEMSAR])) is None
    assert mean_ranks(study(DEMSAR).query("variant != 'baseline'")) is None
    assert mean_ranks(study(DEMSAR).head(0)) is None


def test_mean_ranks_leave_out_a_family_that_a_dataset_lacks():
    trials = study(DEMSAR)
    trials.loc[(trials["dataset"] == "d3") & (trials["variant"] == "cf"), "status"] = "diverged"
    assert "cf" not in list(mean_ranks(trials).ranks["family"])
