"""Headline and limits say what the summary says, and what it cannot."""

import re
from math import nan

from sketch_study import make_evidence, make_study, make_trials

from noiseflow.report.advice import advise
from noiseflow.report.findings import find
from noiseflow.report.headline import headline
from noiseflow.report.limits import limits
from noiseflow.report.picture import scale_and_unit
from noiseflow.study import Study
from tests.plots.test_plots_page import family_study, family_trials


def test_headline_says_what_helps_and_what_stays_open():
    summary = make_evidence().summary
    changed = ["difference_mean", "difference_ci_low", "difference_ci_high", "p_adjusted"]
    summary.loc[2, changed] = (0.034, 0.028, 0.04, 4e-4)
    summary["verdict"] = [None, "equivalent", "better"]
    assert headline(make_evidence(summary=summary)) == (
        "On this split, ‘after’ raises test accuracy by 3.4 points (95 % interval 2.8 to 4.0, 12 seeds, p < .001 with "
        "all comparisons counted). No difference worth having (within ± 1 point) for ‘input’."
    )


def test_headline_says_how_much_a_variant_hurts():
    study = make_study(names=("baseline", "wide"))
    text = headline(make_evidence(study, make_trials(study, means=(0.8, 0.7))))
    assert re.match(r"On this split, ‘wide’ lowers test accuracy by \d+\.\d points \(95 % interval \d", text)


def test_headline_tells_several_datasets_apart():
    study = make_study(datasets=[{"kind": "circles"}, {"kind": "circles", "label": "more", "data_seed": 2}])
    assert "‘after’ on more" in headline(make_evidence(study))


def test_headline_goes_by_the_failures_of_a_family_that_fails_at_every_strength():
    study = family_study().model_copy(update={"n_seeds": 30})
    trials = family_trials(study)
    fails = (trials["family"] == "l2") & (trials["seed"] >= 8 + 2 * (trials["strength"] == 0.001))
    trials.loc[fails, "status"] = "diverged"
    text = headline(make_evidence(study, trials, findings=find(study, trials)))
    assert "‘l2’ (at least 20 of 30 trainings, p < .001) fails more often than the baseline" in text
    assert "l2" not in text.partition("fails more often")[2]


def test_limits_of_too_few_seeds_cannot_conclude():
    study = make_study(n_seeds=5)
    evidence = make_evidence(study)
    assert "5 pairs of trials cannot decide it, 6 could" in headline(evidence)
    assert "Cannot conclude: the test can reach a p below .05 only from 6 independent pairs" in " ".join(
        limits(evidence)
    )


def test_limits_say_which_trials_diverged():
    study = make_study()
    trials = make_trials(study, spoil={(2, 0), (2, 1)})
    text = " ".join(limits(make_evidence(study, trials)))
    assert "2 trials diverged and are left out of every mean: ‘after’ (2 of 12)." in text
    assert "No verdict on the mean of ‘after’: more than 5 % of the pairs failed" in text


def test_limits_count_missing_trials():
    study = make_study()
    assert "1 of 36 planned trials are missing." in limits(make_evidence(study, make_trials(study).iloc[:-1]))


def test_limits_say_which_variants_train_on_fewer_rows():
    content = make_study().model_dump()
    content["variants"][2]["controls"] = [{"kind": "early_stopping", "patience": 5, "validation_fraction": 0.2}]
    study = Study.model_validate(content)
    (text,) = [text for text in limits(make_evidence(study, make_trials(study))) if "hold" in text and "back" in text]
    assert text.startswith(
        "‘after’ holds rows back to validate by (6 of the 30 training rows of circles), and trains on"
    )


def test_limits_tell_what_the_bayes_rule_leaves_to_gain_on_each_dataset_in_one_sentence():
    study = make_study(datasets=[{"kind": "circles"}, {"kind": "circles", "label": "more", "data_seed": 2}])
    evidence = make_evidence(study)
    baselines = evidence.summary[evidence.summary["variant"] == "baseline"].set_index("dataset")["score_mean"]
    evidence.ceilings.update({"circles": baselines["circles"] + 0.09, "more": baselines["more"] + 0.02})
    (told,) = [text for text in limits(evidence) if "Bayes" in text]
    assert "9.0 points on circles" in told
    assert "and 2.0 points on more" in told


def test_headline_goes_by_failures_where_they_decide():
    study = make_study()
    lost = {(2, seed) for seed in range(12)}
    text = headline(make_evidence(study, make_trials(study, spoil=lost)))
    assert (
        "‘after’ (12 of 12 trainings, p < .001) fails more often than the baseline (0 of 12), and the verdict goes by that"
        in text
    )
    assert "nan" not in text
    cured = make_evidence(study, make_trials(study, spoil={(0, seed) for seed in range(12)}))
    text = headline(cured)
    assert "‘input’ (0 of 12 trainings, p < .001) and ‘after’ (0 of 12 trainings, p < .001) fail less often" in text
    assert next(advice.text for advice in advise(cured)).startswith("Take ‘input’")


def test_headline_begins_with_what_is_missing():
    study = make_study()
    incomplete = headline(make_evidence(study, make_trials(study).iloc[:-1]))
    assert incomplete.startswith("Incomplete: 1 of 36 planned trials are missing. On this split")
    assert headline(make_evidence(study, make_trials(study))).startswith("On this split")


def test_headline_says_which_way_the_loss_goes_where_the_score_does_not():
    evidence = make_evidence()
    evidence.summary.loc[1:, "verdict"] = "inconclusive"
    evidence.summary[["loss_verdict", "loss_difference_mean"]] = [[None, nan], ["better", -0.619], ["worse", 1.5]]
    text = headline(evidence)
    assert "‘input’ (−.619 nats) improves the log loss, though its test accuracy is not shown to improve." in text
    assert "‘after’ (+1.500 nats) worsens the log loss, though its test accuracy is not shown to worsen." in text


def test_headline_names_the_rows_that_are_compared():
    of_fresh, of_test = {"kind": "circles", "n_eval": 100}, {"kind": "circles", "label": "few", "data_seed": 2}
    study = make_study(names=("baseline", "wide"), datasets=[of_fresh])
    evidence = make_evidence(study, make_trials(study, means=(0.8, 0.7)))
    assert headline(evidence).startswith("On this split, ‘wide’ lowers accuracy on fresh rows by ")
    study = make_study(names=("baseline", "wide"), datasets=[of_fresh, of_test])
    text = headline(make_evidence(study, make_trials(study, means=(0.8, 0.7))))
    assert "‘wide’ on circles lowers accuracy on fresh rows by " in text
    assert "‘wide’ on few lowers test accuracy by " in text


def test_what_is_compared_is_named_alike_in_the_headline_and_in_the_pictures():
    rows = [{"dataset": "circles", "score_name": name} for name in ("accuracy", "r2", "-log_loss", "balanced_accuracy")]
    for n_eval, names in (
        (None, ["test accuracy", "test R²", "test log likelihood", "test balanced accuracy"]),
        (100, [f"{name} on fresh rows" for name in ("accuracy", "R²", "log likelihood", "balanced accuracy")]),
    ):
        evidence = make_evidence(make_study(datasets=[{"kind": "circles", "n_eval": n_eval}]))
        assert [evidence.compared([row]) for row in rows] == names
        units = [scale_and_unit(row["score_name"], evidence.compared([row]))[1] for row in rows]
        accuracy, r2, likelihood, balanced = names
        points = "percentage points of"
        assert units == [f"{points} {accuracy}", f"of {r2}", f"nats, {likelihood}", f"{points} {balanced}"]
    both = make_evidence(make_study(datasets=[{"kind": "circles", "n_eval": 100}, {"kind": "moons"}]))
    two = [{"dataset": name, "score_name": "accuracy"} for name in ("circles", "moons")]
    assert both.compared(two) == "accuracy on fresh rows or test accuracy"
