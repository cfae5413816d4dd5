"""What a report tells its reader to do, and the line that it opens with where a campaign differs."""

import pandas as pd
import pytest
from sketch_study import make_evidence, make_history, make_study, make_trials

from noiseflow.report.advice import advise
from noiseflow.report.alarm import alarm, replay_summary
from noiseflow.report.findings import Findings
from noiseflow.statistics.summary import summarize
from noiseflow.study import Study

CELL = {"dataset": "circles", "architecture": "mlp"}


def evidence_of(**verdicts):
    """Evidence whose summary has these verdicts; the gain of one that is better is its place among them."""
    study = make_study(names=("baseline", *verdicts))
    summary = make_evidence(study, make_trials(study, [0.76] * (len(verdicts) + 1))).summary
    for i, (name, verdict) in enumerate(verdicts.items()):
        row = summary["variant"] == name
        summary.loc[row, "verdict"] = verdict
        summary.loc[row, ["difference_mean", "difference_ci_low"]] = [0.02 + 0.01 * i, 0.01 + 0.01 * i]
        summary.loc[row, "n_needed"] = 80 + i
    return make_evidence(study, summary=summary)


def test_advice_is_to_take_the_variant_that_gains_as_much_as_any():
    (advice,) = advise(evidence_of(small="better", large="better", other="worse"))
    assert advice.text.startswith("Take ‘large’")  # of two within the margin, and as simple, the surer
    assert "keras.layers.GaussianNoise(0.02)" in advice.code


def test_advice_says_why_it_takes_another_than_the_one_that_gains_most():
    evidence = evidence_of(one="better", two="better")
    evidence.summary.loc[evidence.summary["variant"] == "one", "difference_ci_low"] = 0.025
    (advice,) = advise(evidence)
    assert advice.text == (
        "Take ‘one’. ‘two’ gains more, but by less than the margin (1 point), and this one has an interval that begins "
        "higher. They were not tested against each other. In Keras:"
    )


def test_advice_takes_the_simpler_of_two_that_gain_alike():
    evidence = evidence_of(one="better", two="better")
    content = evidence.study.model_dump(mode="json")
    content["variants"][2]["injections"].append({"place": "after_activation", "stddev": 0.02})
    (advice,) = advise(make_evidence(Study.model_validate(content), summary=evidence.summary))
    assert advice.text.startswith(
        "Take ‘one’. ‘two’ gains more, but by less than the margin (1 point), and this one is simpler."
    )


def test_advice_is_to_leave_it_out_where_nothing_is_worth_having():
    (advice,) = advise(evidence_of(one="equivalent", two="worse"))
    assert advice.text == "Leave the noise out: no variant is worth having."
    assert not advice.code


def test_advice_says_how_many_seeds_would_decide():
    (advice,) = advise(evidence_of(one="equivalent", two="inconclusive", three="inconclusive"))
    assert "‘two’ and ‘three’ are inconclusive" in advice.text
    # 82 × 11 over the 2.5 % and 97.5 % points of χ², 21.92 and 3.816
    assert "82 seeds; 41 to 237, since 12 pairs show the spread only roughly." in advice.text
    assert advice.code == "noiseflow run sketch --until decided"


def test_advice_names_no_number_of_seeds_that_is_there_already():
    evidence = evidence_of(one="inconclusive")
    evidence.summary.loc[evidence.summary["variant"] == "one", "n_needed"] = 12
    (advice,) = advise(evidence)
    assert "12" not in advice.text
    assert "How many seeds it takes cannot be said" in advice.text
    assert advice.code == "noiseflow run sketch --until decided"


def test_advice_says_how_many_seeds_decide_what_is_open_beside_a_variant_to_take():
    taken, opened = advise(evidence_of(one="better", two="inconclusive"))
    assert taken.text.startswith("Take ‘one’")
    assert opened.text.startswith("‘two’ is inconclusive.")
    assert "with 81 seeds" in opened.text
    assert opened.code == "noiseflow run sketch --until decided"


def test_advice_asks_for_test_rows_where_they_and_not_the_seeds_leave_it_open():
    evidence = evidence_of(one="better", two="inconclusive", three="inconclusive")
    evidence.summary.loc[evidence.summary["variant"] == "two", "rows_share"] = 0.93
    _, rows, seeds = advise(evidence)
    assert rows.text.startswith(
        "‘two’ is inconclusive. More seeds would hardly decide it: at least 93 % of the uncertainty comes from which test "
        "rows there are."
    )
    assert not rows.code
    assert seeds.text.startswith("‘three’ is inconclusive.")
    assert seeds.code


def test_advice_asks_for_seeds_first_where_no_verdict_can_be_reached_with_so_few():
    evidence = evidence_of(one="inconclusive")
    evidence.summary[["rows_share", "n_units", "least_n"]] = [0.93, 5, 6]
    (advice,) = advise(evidence)
    assert "hardly decide" not in advice.text
    assert "--until decided" in advice.code


def test_advice_asks_for_more_fresh_rows_where_there_are_some():
    evidence = evidence_of(one="inconclusive")
    evidence.summary["rows_share"] = 0.93
    content = evidence.study.model_dump(mode="json")
    content["datasets"][0]["n_eval"] = 10_000
    (advice,) = advise(make_evidence(Study.model_validate(content), summary=evidence.summary))
    assert advice.text.startswith("Nothing is to be taken over as yet: ‘one’ is inconclusive.")
    assert "Raise n_eval above 10,000 in the study file" in advice.text


def test_advice_raises_the_most_seeds_where_they_are_there():
    evidence = evidence_of(one="inconclusive")
    study = evidence.study.model_copy(update={"n_seeds": 300})
    manifest = {"command": "noiseflow run sketch --until decided"}
    (advice,) = advise(make_evidence(study, evidence.trials, summary=evidence.summary, manifest=manifest))
    assert advice.code == "noiseflow run sketch --until decided --max-seeds 600"


def test_advice_of_several_datasets_names_each():
    study = make_study(
        names=("baseline", "noise"),
        datasets=[{"kind": "circles"}, {"kind": "circles", "label": "more", "data_seed": 2}],
    )
    summary = summarize(make_trials(study, (0.76, 0.76)), 0.01)
    summary["verdict"] = [None, "better", None, "equivalent"]
    texts = [advice.text for advice in advise(make_evidence(study, summary=summary))]
    assert texts[0].startswith("Take ‘noise’ on circles")
    assert texts[1] == "Leave the noise out on more: no variant is worth having."


def campaigns(drift=(), replays=(), **changes):
    evidence = make_evidence()
    findings = Findings(
        evidence.summary, history=make_history(), drift=pd.DataFrame(list(drift)), replays=pd.DataFrame(list(replays))
    )
    return make_evidence(findings=findings, **changes)


def drifted(variant, *, flagged):
    means = {"mean_new": 0.74, "mean_old": 0.77, "p_adjusted": 0.002 if flagged else 1.0}
    return {**CELL, "variant": variant, "test": "some", "flagged": flagged, **means}


def replayed(campaign, difference):
    return {
        **CELL,
        "variant": "input",
        "campaign": campaign,
        "equal": difference == 0,
        "largest_difference": difference,
    }


def test_alarm_names_the_cells_that_drift_and_no_others():
    text = alarm(campaigns([drifted("input", flagged=True), drifted("after", flagged=False)]))
    assert text == (
        "Drift on 2026-01-07: the new seeds do not score as the earlier ones did for ‘input’ (.740 against .770, p = .002)."
    )


def test_alarm_is_silent_where_nothing_changed():
    assert alarm(campaigns([drifted("input", flagged=False)], [replayed("2026-01-07", 0.0)])) == ""
    assert alarm(make_evidence()) == ""


def test_alarm_is_raised_by_replays_that_differ_for_no_known_reason():
    unlike = [replayed("2026-01-06", 0.0), replayed("2026-01-07", 0.004), replayed("2026-01-07", 0.0)]
    assert "1 of the 2 trials" in alarm(campaigns(replays=unlike))
    assert alarm(campaigns(replays=unlike, changed={"tensorflow": "2.20 → 2.21"})) == ""
    assert "git commit (a → b)" in alarm(
        campaigns(replays=unlike, changed={"git commit": "a → b"})
    )  # code explains nothing


@pytest.mark.parametrize(
    ("difference", "changed", "end"),
    [
        (0.0, {}, "came out equal, bit for bit."),
        (
            0.004,
            {"keras": "3.1 → 3.2"},
            "came out different, by .004 at most. Since then this changed: keras (3.1 → 3.2).",
        ),
        (0.004, {}, "Nothing is known to have changed since."),
    ],
)
def test_replay_summary_says_how_they_came_out_and_what_changed(difference, changed, end):
    assert replay_summary(campaigns(replays=[replayed("2026-01-07", difference)], changed=changed)).endswith(end)


@pytest.mark.parametrize(("loss", "muted", "warns"), [(0.5, [], False), (1.2, [], True), (1.2, ["NF005"], False)])
def test_advice_warns_of_probabilities_that_are_worse_than_a_constant(loss, muted, warns):
    study = make_study(muted=muted)
    trials = make_trials(study).assign(test_loss=loss, eval_loss=loss, brier=0.2)
    evidence = make_evidence(study, trials, constant_losses={"circles": 0.69})
    evidence.summary.loc[1:, "verdict"] = "better"
    (advice,) = advise(evidence)
    assert ("Do not rely on its probabilities (NF005). In Keras:" in advice.text) is warns
