"""Which looks at a study its store remembers, and what the next one may spend."""

import json

import pandas as pd
import pytest

from noiseflow.statistics.inference import ALPHA
from noiseflow.statistics.looks import KEPT, level_of, spent_by
from noiseflow.store import Store
from noiseflow.study.until import Until
from noiseflow.trials.looks import Looks, compared_cells
from noiseflow.trials.plan import make_plan
from noiseflow.trials.waves import Budget, counts_next, counts_now
from tests.conftest import SMALL

NOISY = ("circles", "mlp", "noisy")
OTHER = ("circles", "mlp", "other")
BASE = ("circles", "mlp", "baseline")
N_COMPARISONS = 3
"""Of one variant: its score, loss and Brier score."""


def level_of_waves(*n_seeds):
    """The level of each look at two variants."""
    looks = ()
    for n in n_seeds:
        looks += ((n, level_of(n, looks, 2 * N_COMPARISONS)),)
    return tuple(level for _, level in looks)


def study(n_seeds=30, names=("noisy",), **changes):
    variants = [{"name": "baseline"}]
    variants += [
        {"name": n, "injections": [{"place": "input", "stddev": 0.1 * (k + 1)}]}
        for k, n in enumerate(("noisy", "other"))
    ]
    kept = [v for v in variants if v["name"] in ("baseline", *names)]
    return type(SMALL).model_validate(SMALL.model_dump(mode="json") | {"variants": kept, "n_seeds": n_seeds} | changes)


def plan_of(n_seeds=30, counts=None, **changes):
    plan = make_plan(study(n_seeds, **changes), "vectorized")
    return plan if counts is None else plan.counted(counts)


def summary_of(plan, verdicts=None, n_units=None, **changes):
    rows = []
    for one in compared_cells(plan):
        found = dict.fromkeys(KEPT, 0.5) | {
            "verdict": (verdicts or {}).get(one.names[2], "inconclusive"),
            "clear": False,
            "difference_mean": 0.0,
            "survivors_only": False,
            "n_failed": 0,
            "n_broken": 0,
        }
        found |= {"rows_share": float("nan"), **changes}
        rows.append(
            dict(zip(("dataset", "architecture", "variant"), one.names, strict=True))
            | {"n_units": one.n_seeds if n_units is None else n_units, "least_n": 6}
            | found
        )
    return pd.DataFrame(rows)


def look(plan, stored, verdicts=None, **changes):
    """The looks after another one."""
    content = Looks(plan, stored).content(summary_of(plan, verdicts, **changes))
    return stored if content is None else [*stored, json.loads(json.dumps(content))]


def level(plan, stored, names=NOISY):
    return Looks(plan, stored).dues[names].level


def test_only_look_at_a_fixed_number_of_seeds_has_the_whole_error():
    plan = plan_of()
    assert level(plan, []) == ALPHA
    stored = look(plan, [])
    assert level(plan, stored) == ALPHA  # the same trials again are not another look
    assert look(plan, stored) == stored
    found = Looks(plan, stored)
    assert not found.dues[NOISY].kept
    assert found.frame(summary_of(plan)).empty


def test_study_that_grew_after_a_look_is_judged_at_the_level_of_the_second():
    stored = look(plan_of(30), [])
    stored = look(plan_of(40), stored)
    second = level_of(40, ((30, ALPHA),), N_COMPARISONS)
    assert level(plan_of(40), stored) == second
    assert level(plan_of(50), stored) == level_of(50, ((30, ALPHA), (40, second)), N_COMPARISONS)
    assert level(plan_of(30), stored) == ALPHA  # as it was judged
    frame = Looks(plan_of(40), stored).frame(summary_of(plan_of(40)))
    assert frame[["look", "n_seeds", "level"]].to_numpy().tolist() == [[1, 30, ALPHA], [2, 40, second]]


def test_fewer_seeds_after_a_look_are_another_look_too():
    assert level(plan_of(20), look(plan_of(30), [])) == level_of(20, ((30, ALPHA),), N_COMPARISONS)


def test_look_that_no_verdict_could_come_from_spends_nothing():
    assert look(plan_of(3), []) == []
    stored = look(plan_of(12, names=("noisy", "other")), [], n_units=5)
    assert stored == []


def test_another_variant_or_other_epochs_are_other_comparisons():
    stored = look(plan_of(30), [])
    both = plan_of(30, names=("noisy", "other"))
    dues = Looks(both, stored).dues
    assert {due.level for due in dues.values()} == {ALPHA}
    assert not any(due.kept for due in dues.values())  # one band holds both, as in a study that had both at once
    longer = plan_of(40, training={"epochs": 7, "record_every": 2})
    assert level(longer, stored) == ALPHA


def test_wave_keeps_what_is_decided_and_goes_on_with_the_rest():
    both = {"names": ("noisy", "other")}
    plan = plan_of(10, dict.fromkeys((NOISY, OTHER, BASE), 10), **both)
    assert level(plan, []) == pytest.approx(spent_by(1))
    stored = look(plan, [], {"noisy": "better"})
    found = Looks(plan, stored)
    assert counts_now(found) == dict.fromkeys((NOISY, OTHER, BASE), 10)
    counts = counts_next(found, 300)
    assert counts == {NOISY: 10, OTHER: 15, BASE: 15}
    plan = plan_of(15, counts, **both)
    assert [plan.trials.count(t) for t in plan.trials] == [1] * 40
    dues = Looks(plan, stored).dues
    assert dues[NOISY].kept["verdict"] == "better"
    assert (dues[NOISY].level, dues[OTHER].level) == level_of_waves(10, 15)
    assert not dues[OTHER].kept
    stored = look(plan, stored, {"noisy": "better", "other": "equivalent"})
    again = Looks(plan, stored)
    assert (again.number, len(stored)) == (2, 2)
    assert again.dues[NOISY].kept
    assert not again.dues[OTHER].kept  # judged at this look: computed again
    assert counts_next(again, 300) is None
    assert counts_now(again) == counts


def test_waves_after_a_look_at_a_fixed_number_go_on_from_there():
    stored = look(plan_of(30, names=("noisy", "other")), [], {"noisy": "equivalent"})
    counts = counts_next(Looks(plan_of(30, names=("noisy", "other")), stored), 300)
    assert counts == {NOISY: 30, OTHER: 37, BASE: 37}


def test_waves_end_at_the_most_seeds_and_where_the_rows_decide():
    plan = plan_of(10, {NOISY: 10, BASE: 10})
    stored = look(plan, [])
    assert counts_next(Looks(plan, stored), 12) == {NOISY: 12, BASE: 12}
    assert counts_next(Looks(plan, stored), 10) is None
    by_rows = look(plan, [], rows_share=0.95)
    assert counts_next(Looks(plan, by_rows), 300) is None


def test_strengths_of_a_variant_stop_together():
    grid = {"name": "grid", "injections": [{"place": "input"}], "strengths": [0.1, 0.2]}
    plan = plan_of(10, design="resample", variants=[{"name": "baseline"}, grid])
    names = [one.names[2] for one in compared_cells(plan)]
    stored = look(plan, [], {names[0]: "equivalent"})
    assert set(counts_next(Looks(plan, stored), 300).values()) == {15}
    stored = look(plan, [], {names[0]: "better"})
    assert counts_next(Looks(plan, stored), 300) is None


def test_strengths_stop_where_the_report_has_a_verdict():
    """By their intervals, not by their verdicts alone; looks that lack what it takes go by these."""
    grid = {"name": "grid", "injections": [{"place": "input"}], "strengths": [0.1, 0.2]}
    plan = plan_of(10, design="resample", variants=[{"name": "baseline"}, grid])
    verdicts = {compared_cells(plan)[0].names[2]: "equivalent"}
    small = {"difference_ci_low": -0.004, "difference_ci_high": 0.004}
    assert counts_next(Looks(plan, look(plan, [], verdicts, **small)), 300) is None
    by_the_baseline = look(plan, [], verdicts, **small, survivors_only=True, n_broken=1)
    assert set(counts_next(Looks(plan, by_the_baseline), 300).values()) == {15}
    older = look(plan, [], verdicts, **small)
    for one in older[0]["comparisons"].values():
        one["found"] = {name: one["found"][name] for name in KEPT}
    assert set(counts_next(Looks(plan, older), 300).values()) == {15}


def test_other_margin_is_judged_anew_at_the_level_of_the_look():
    stored = look(plan_of(30), [], {"noisy": "better"})
    plan = plan_of(30, margin=0.02)
    found = Looks(plan, stored)
    assert found.latest(found.compared[0]) is None
    assert (found.dues[NOISY].level, found.dues[NOISY].kept) == (ALPHA, {})


def test_store_remembers_looks_and_leaves_out_what_is_none(tmp_path, caplog):
    store = Store(tmp_path, "small")
    assert store.looks() == []
    content = Looks(plan_of(), []).content(summary_of(plan_of()))
    store.write_look(content)
    store.write_look(content)
    (tmp_path / "small" / "looks" / "other.json").write_text("{")
    assert store.looks() == [json.loads(json.dumps(content))]
    assert "holds no look" in caplog.text


@pytest.mark.parametrize(("n_trials", "fits"), [(10, True), (11, False)])
def test_budget_allows_a_wave_that_is_expected_to_end_in_time(n_trials, fits):
    times = iter([0.0, 30.0])
    budget = Budget(Until("decided", "1m"), lambda: next(times), trained=10)
    assert budget.allows(n_trials) == fits


def test_fixed_number_of_seeds_after_waves_is_the_next_look_at_each_variant():
    both = {"names": ("noisy", "other")}
    first = plan_of(10, dict.fromkeys((NOISY, OTHER, BASE), 10), **both)
    stored = look(first, [], {"noisy": "better"})
    stored = look(plan_of(15, {NOISY: 10, OTHER: 15, BASE: 15}, **both), stored, {"noisy": "better"})
    dues = Looks(plan_of(30, **both), stored).dues
    assert (dues[NOISY].level, dues[OTHER].level) == (level_of_waves(10, 30)[1], level_of_waves(10, 15, 30)[2])
    assert not dues[NOISY].kept  # it has further trials
