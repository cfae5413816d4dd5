"""Published claims: what a study's intervals decide on them, and claims that a study cannot decide on."""

from math import nan

import numpy as np
import pandas as pd
import pytest
from made_trials import crossed, made_trials, resampled

from noiseflow.report.claims import claims_lines, judge, judge_claims
from noiseflow.study import Study, loading
from noiseflow.study.claim import Claim

GIVEN = {"says": "Noise helps", "source": "a paper", "dataset": "circles", "architecture": "mlp", "variant": "noise"}


def study(*claims):
    variants = [{"name": "baseline"}, {"name": "noise", "injections": [{"place": "input", "stddev": 0.1}]}]
    content = {
        "name": "s",
        "design": "resample",
        "n_seeds": 12,
        "datasets": [{"kind": "circles"}],
        "variants": variants,
    }
    return Study.model_validate({**content, "architectures": [{"kind": "mlp"}], "claims": [GIVEN | c for c in claims]})


def trials(gain):
    rng = np.random.default_rng(3)
    scores = rng.normal(0.8, 0.02, 12)
    cells = {"baseline": resampled(scores), "noise": resampled(scores + rng.normal(gain, 0.002, 12))}
    return made_trials(cells, dataset="circles", architecture="mlp", ece=0.1, brier=0.2, test_loss=1.0)


@pytest.mark.parametrize(
    ("claim", "interval", "verdict"),
    [
        ({}, (0.01, 0.03), "holds"),
        ({}, (-0.03, -0.01), "refuted"),
        ({}, (-0.01, 0.01), "undecided"),
        ({"relation": "less"}, (-0.03, -0.01), "holds"),
        ({"relation": "less", "bound": 0.01}, (0.02, 0.03), "refuted"),
        ({"relation": "about", "published": 0.03, "tolerance": 0.01}, (0.025, 0.035), "holds"),
        ({"relation": "about", "published": 0.03, "tolerance": 0.01}, (0.05, 0.06), "refuted"),
        ({"relation": "about", "published": 0.03, "tolerance": 0.01}, (0.03, 0.05), "undecided"),
        ({"relation": "differs", "tolerance": 0.01}, (-0.05, -0.02), "holds"),
        ({"relation": "differs", "tolerance": 0.01}, (-0.005, 0.005), "refuted"),
        ({"relation": "differs", "tolerance": 0.01}, (-0.05, 0.02), "undecided"),
        ({}, (float("nan"), float("nan")), "undecided"),
    ],
)
def test_claim_holds_is_refuted_or_undecided(claim, interval, verdict):
    assert judge(Claim(**GIVEN | claim), *interval) == verdict


@pytest.mark.parametrize(("gain", "verdict"), [(0.03, "holds"), (-0.03, "refuted"), (0.0, "undecided")])
def test_difference_is_paired(gain, verdict):
    (row,) = judge_claims(study({"published": 0.03}), trials(gain)).to_dict("records")
    assert row["verdict"] == verdict
    assert row["mean"] == pytest.approx(gain, abs=0.002)
    assert "published +.030" in "\n".join(claims_lines(judge_claims(study({"published": 0.03}), trials(gain))))


@pytest.mark.parametrize(
    ("quantity", "figures", "says"),
    [
        ("score", (0.4762, 0.422, 0.53, 3), ".476 (95 % interval .422 to .530) over 3 trials"),
        ("difference", (0.038, -0.1, 0.4, 1), "+.038 (95 % interval −.100 to +.400) over 1 pair"),
        ("difference", (0, nan, nan, 3), ".000 (no interval: too few, or all alike) over 3 pairs"),
    ],
)
def test_claim_is_printed_in_the_reports_units(quantity, figures, says):
    words = {"says": "It helps", "source": "a paper", "published": nan, "verdict": "holds", "note": "", "failed": nan}
    words["quantity"] = quantity
    lines = claims_lines(pd.DataFrame([words | dict(zip(("mean", "ci_low", "ci_high", "n"), figures, strict=True))]))
    assert lines == ["HOLDS      It helps", f"{'':<10} {says}", f"{'':<10} a paper"]


@pytest.mark.parametrize(
    ("lost", "relation", "verdict"),
    [("noise", "greater", "refuted"), ("noise", "less", "holds"), ("baseline", "greater", "holds")],
)
@pytest.mark.parametrize("left", [0, 4])
def test_a_claim_on_trainings_that_fail_goes_by_the_failures(lost, relation, verdict, left):
    """As a study's verdict does: what is left of the pairs is a selection."""
    made = trials(0.0)
    is_lost = (made["variant"] == lost) & (made.groupby("variant").cumcount() >= left)
    made = made.assign(test_score=made["test_score"].mask(is_lost), status=made["status"].mask(is_lost, "diverged"))
    table = judge_claims(study({"relation": relation}), made)
    assert table["verdict"].tolist() == [verdict]
    both = f"{12 - left} and 0" if lost == "noise" else f"0 and {12 - left}"
    assert f"{both} of 12 trainings of the two failed" in "\n".join(claims_lines(table))


def test_score_and_columns_of_the_trials_can_be_claimed():
    score = {"quantity": "score", "variant": "baseline", "relation": "about", "published": 0.8, "tolerance": 0.1}
    table = judge_claims(study(score, {"quantity": "ece", "relation": "less"}), trials(0.0))
    assert table["verdict"].tolist() == ["holds", "undecided"]


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ({"variant": "dropout"}, "must be one of this study's"),
        ({"dataset": "moons"}, "must be one of this study's"),
        ({"against": "nothing"}, "must be one of this study's"),
        ({"relation": "about"}, "published and tolerance"),
        ({"tolerance": 0.1}, "must have a tolerance if"),
        ({"quantity": "data_share", "bound": 0.5}, "must be in a crossed study of 3 data seeds and 3 seeds at least"),
    ],
)
def test_claim_that_cannot_be_decided_is_refused(claim, text):
    with pytest.raises(ValueError, match=text):
        study(claim)


@pytest.mark.parametrize(("of_data", "of_seeds", "verdict"), [(0.03, 0.005, "holds"), (0.005, 0.03, "refuted")])
def test_share_of_the_data_in_a_crossed_study(of_data, of_seeds, verdict):
    rng = np.random.default_rng(1)
    scores = 0.8 + rng.normal(0, of_data, (12, 1)) + rng.normal(0, of_seeds, (1, 12)) + rng.normal(0, 0.005, (12, 12))
    made = made_trials({"baseline": crossed(scores), "noise": crossed(scores)}, dataset="circles", architecture="mlp")
    claim = {"quantity": "data_share", "variant": "baseline", "bound": 0.5}
    content = study(GIVEN).model_dump() | {"design": "crossed", "n_data_seeds": 12, "claims": [GIVEN | claim]}
    (row,) = judge_claims(Study.model_validate(content), made).to_dict("records")
    assert row["verdict"] == verdict
    assert 0 <= row["ci_low"] <= row["mean"] <= row["ci_high"] <= 1


def test_shipped_claims_are_studies_of_their_own_names():
    names = loading.claim_names()
    assert len(names) >= 7
    assert [loading.load_claims(name).name for name in names] == [f"claim-{name}" for name in names]
    assert all(loading.load_claims(name).claims for name in names)


def test_study_without_claims_is_not_reproduced():
    with pytest.raises(ValueError, match="must hold claims; received 'circles'"):
        loading.load_claims("circles")
    with pytest.raises(ValueError, match="Did you mean 'zur2009'"):
        loading.load_claims("zur")
