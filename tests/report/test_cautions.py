"""The numbered cautions: each is found where it is planted, can be muted, and has its section in the docs."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from noiseflow.datasets import constant_loss, generate
from noiseflow.datasets.facts import WhatWasRead
from noiseflow.report.cautions import CAUTIONS, cautions, muted
from noiseflow.report.cautions.pages import documents
from noiseflow.report.limits import limits
from noiseflow.study import Dataset
from noiseflow.study.study import CautionCode
from tests.sketch_study import make_evidence, make_study, make_trials

FOLDER = Path(__file__).parents[2] / "docs" / "cautions"


def codes(evidence):
    return [line.partition(":")[0] for line in cautions(evidence)]


def test_each_caution_has_a_number_of_its_own():
    numbers = [caution.code for caution in CAUTIONS]
    assert numbers == sorted(set(numbers))
    assert tuple(numbers) == get_args(CautionCode)  # what a study can mute


def test_pages_are_those_of_the_code():
    """If not: `python -m noiseflow.report.cautions.pages docs/cautions`."""
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == documents()


@pytest.mark.parametrize(("score", "found"), [(0.77, False), (0.4, True)])
def test_a_network_that_is_worse_than_guessing_is_named(score, found):
    study = make_study()
    evidence = make_evidence(study, make_trials(study, [score] * 3), constants={"circles": 0.5})
    assert ("NF002" in codes(evidence)) is found


@pytest.mark.parametrize(("boosted", "found"), [(0.775, False), (0.9, True), (np.nan, False)])
def test_a_network_that_gradient_boosting_beats_by_more_than_the_margin_is_named(boosted, found):
    study = make_study()
    trials = make_trials(study, [0.77] * 3).assign(test_score=0.77)
    scores = {"constant guess": 0.5, "gradient boosting": boosted}
    read = WhatWasRead("circles", "30 train", "2 classes", "at random", (2,), (), score="accuracy", scores=scores)
    lines = [line for line in cautions(make_evidence(study, trials, read=[read])) if line.startswith("NF002")]
    assert bool(lines) is found
    assert all(
        "of .770 on circles (mlp) is below the .900 of scikit-learn's gradient boosting" in line for line in lines
    )


@pytest.mark.parametrize(("loss", "found"), [(0.5, False), (0.695, False), (2.09, True)])
def test_probabilities_that_are_worse_than_a_constant_are_named(loss, found):
    study = make_study()
    trials = make_trials(study).assign(test_loss=loss, eval_loss=loss, brier=0.2)
    evidence = make_evidence(study, trials, constant_losses={"circles": np.log(2)})
    told = [line for line in cautions(evidence) if line.startswith("NF005")]
    assert bool(told) is found
    assert all("above the .69 of a constant guess" in line and "(2.09)" in line for line in told)


def test_loss_of_a_constant_guess_is_the_entropy_of_the_classes():
    data = generate(Dataset(kind="circles"), 1)
    assert constant_loss(data) == pytest.approx(np.log(2), abs=0.02)
    assert constant_loss(generate(Dataset(kind="diabetes"), 1)) is None


def test_few_test_rows_and_divergence_are_named_unless_muted():
    study = make_study(muted=["NF003"])
    spoilt = {(1, seed) for seed in range(4)}
    evidence = make_evidence(study, make_trials(study, spoil=spoilt))
    assert codes(evidence) == ["NF004"]
    assert "NF003" in codes(make_evidence())


def test_what_a_study_mutes_is_named_where_it_would_be_said():
    assert muted(make_evidence(make_study(muted=["NF003", "NF005"]))) == ["NF003"]
    assert muted(make_evidence()) == []
    assert "Muted by the study file: NF003 (there are few test rows)." in limits(
        make_evidence(make_study(muted=["NF003"]))
    )
