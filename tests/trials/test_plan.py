import pandas as pd
import pytest

from noiseflow.study.loading import load, validate
from noiseflow.trials.plan import dataset_key, make_plan, study_hash
from noiseflow.trials.preview import superseded_lines


def changed(study, **changes):
    content = study.model_dump(mode="json")
    for path, value in changes.items():
        *steps, last = path.split("__")
        part = content
        for step in steps:
            part = part[int(step) if step.isdigit() else step]
        part[last] = value
    return validate(content)


def test_plan_of_the_tutorial_has_its_cells_and_trials():
    plan = make_plan(load("tutorial"), "vectorized")
    assert [cell.variant.name for cell in plan.cells] == [
        "baseline", "input", "before_activation", "after_activation", "input_and_hidden",
    ]  # fmt: skip
    assert len(plan.trials) == len(set(plan.trial_ids)) == 150
    assert plan.cells[4].names == {
        "dataset": "circles", "architecture": "mlp", "variant": "input_and_hidden", "family": "input_and_hidden",
        "strength": 0.1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"purpose": "other"},
        {"margin": 0.5},
        {"variants__1__name": "renamed"},
        {"datasets__0__label": "renamed"},
        {"architectures__0__label": "renamed"},
        {"training__record_every": 1},
        {"n_seeds": 5},
    ],
)
def test_trial_id_ignores_what_does_not_change_its_numbers(small_study, changes):
    ids = make_plan(small_study, "vectorized").trial_ids
    assert set(ids) <= set(make_plan(changed(small_study, **changes), "vectorized").trial_ids)


@pytest.mark.parametrize(
    "changes",
    [
        {"datasets__0__noise": 0.2},
        {"datasets__0__n_train": 19},
        {"datasets__0__data_seed": 2},
        {"architectures__0__units": [9]},
        {"architectures__0__activation": "tanh"},
        {"training__epochs": 7},
        {"training__batch_size": 31},
        {"training__optimizer": "sgd"},
        {"training__learning_rate": 0.1},
        {"training__dtype": "float64"},
    ],
)
def test_trial_id_changes_with_what_changes_its_numbers(small_study, changes):
    ids = make_plan(small_study, "vectorized").trial_ids
    assert not set(ids) & set(make_plan(changed(small_study, **changes), "vectorized").trial_ids)


def test_trial_id_changes_with_engine_and_noise(small_study):
    ids = set(make_plan(small_study, "vectorized").trial_ids)
    assert not ids & set(make_plan(small_study, "reference").trial_ids)
    stronger = changed(small_study, variants__1__injections=[{"place": "before_activation", "stddev": 0.6}])
    assert len(ids & set(make_plan(stronger, "vectorized").trial_ids)) == 4  # the baseline's


def test_trial_id_is_pinned():
    """An identity outlives releases: results that people have must be found again. Change it with NUMERICS_VERSION."""
    tutorial = load("tutorial")
    assert make_plan(tutorial, "vectorized").trials[0].id == "e43fd268983aed72eca0c5b1fa27d4b7"
    without_fresh = tutorial.model_copy(
        update={"datasets": (tutorial.datasets[0].model_copy(update={"n_eval": None}),)}
    )
    assert make_plan(without_fresh, "vectorized").trials[0].id == "5f564193546c640a9e83a687c9b5a6ad"


def test_batches_cover_exactly_what_is_missing(small_study):
    plan = make_plan(changed(small_study, n_seeds=7), "vectorized")
    done = {trial.id for trial in plan.trials if trial.seed == 2}
    batches = plan.batches(done, 4)
    covered = [trial for batch in batches for trial in batch.trials]
    assert covered == [trial for trial in plan.trials if trial.seed != 2]
    assert all(len(batch.trials) <= 4 for batch in batches)
    assert [batch.label for batch in batches[:2]] == ["circles/mlp/baseline 0-1, 3", "circles/mlp/baseline 4-6"]
    assert plan.batches(plan.trial_ids, 4) == []


def test_named_gives_the_plans_names_and_order(small_study):
    plan = make_plan(small_study, "vectorized")
    rows = pd.DataFrame({"trial_id": [*reversed(plan.trial_ids), "foreign"], "variant": "old name", "x": range(9)})
    named = plan.named(rows)
    assert list(named["trial_id"]) == plan.trial_ids
    assert list(named["variant"]) == ["baseline"] * 4 + ["noisy"] * 4
    assert list(named["x"]) == list(range(7, -1, -1))


def test_dataset_key_and_study_hash_follow_content(small_study):
    other = changed(small_study, datasets__0__noise=0.2)
    assert dataset_key(small_study.datasets[0], [1]) != dataset_key(other.datasets[0], [1])
    assert dataset_key(small_study.datasets[0], [1]) != dataset_key(small_study.datasets[0], [1, 2])
    assert study_hash(small_study) != study_hash(other)


@pytest.mark.parametrize(
    "injection",
    [
        {"place": "before_activation", "stddev": 0.5, "relative": True},
        {"place": "before_activation", "stddev": 0.5, "schedule": "linear"},
        {"place": "before_activation", "stddev": 0.5, "schedule": "linear", "final": 0.5},
        {"place": "weights", "stddev": 0.5},
        {"place": "before_activation", "kind": "dropout", "rate": 0.5},
    ],
)
def test_trial_id_changes_with_how_noise_is_given(small_study, injection):
    own = {trial.id for trial in make_plan(small_study, "vectorized").trials if trial.cell.variant.name == "noisy"}
    other = make_plan(changed(small_study, variants__1__injections=[injection]), "vectorized")
    assert not own & set(other.trial_ids)


def test_trial_id_follows_the_content_of_a_file_and_not_its_path(small_study, tmp_path):
    def ids(path):
        table = {"kind": "table", "path": str(path), "target": "y", "task": "regression"}
        return set(make_plan(changed(small_study, datasets=[table]), "vectorized").trial_ids)

    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,y\n1,2\n")
    first = ids(tmp_path / "a.csv")
    assert ids(tmp_path / "b.csv") == first
    (tmp_path / "b.csv").write_text("x,y\n1,3\n")
    assert not ids(tmp_path / "b.csv") & first


def test_family_has_a_cell_for_each_strength(small_study):
    family = {"name": "family", "injections": [{"place": "input"}], "strengths": [0.3, 0.1]}
    study = changed(small_study, design="resample", variants=[{"name": "baseline"}, family])
    plan = make_plan(study, "vectorized")
    assert [(cell.variant.name, cell.family) for cell in plan.cells] == [
        ("baseline", "baseline"), ("family 0.1", "family"), ("family 0.3", "family"),
    ]  # fmt: skip
    assert [(trial.data_seed, trial.seed) for trial in plan.trials[:4]] == [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert len(plan.batches([], 100)) == 3


def test_engine_is_chosen_cell_by_cell(small_study):
    plan = make_plan(
        small_study, lambda dataset, architecture, variant: "reference" if variant.injections else "vectorized"
    )
    assert [cell.engine for cell in plan.cells] == ["vectorized", "reference"]


def test_trials_of_older_numerics_are_counted_where_this_version_trains_anew(small_study):
    plan = make_plan(small_study, "vectorized")
    old = {trial.cell.trial_id(trial.data_seed, trial.seed, 1) for trial in plan.trials[:3]}
    assert plan.superseded(old) == {1: 3}
    assert superseded_lines(plan, old)[0].startswith("3 trials of version 1 are there; this version")
    assert plan.superseded(old | {plan.trials[0].id, "another study's"}) == {1: 2}
    assert plan.superseded(set(plan.trial_ids)) == plan.superseded(set()) == {}


def test_latest_of_a_large_round_are_its_first_seeds(small_study):
    plan = make_plan(changed(small_study, n_seeds=9), "vectorized")
    assert {trial.seed for trial in plan.latest(4).trials} == {0, 1, 2, 3}
    assert plan.latest(4).rounds == plan.rounds


def test_named_has_the_plans_names_and_order(small_study):
    plan = make_plan(small_study, "vectorized")
    rows = pd.DataFrame({"trial_id": plan.trial_ids[::-1], "variant": "older", "score": range(len(plan.trials))})
    named = plan.named(rows)
    assert named["trial_id"].tolist() == plan.trial_ids
    assert named["score"].tolist() == list(range(len(plan.trials)))[::-1]
    for name, values in {"data_seed": "data_seed", "seed": "seed"}.items():
        assert named[name].tolist() == [getattr(trial, values) for trial in plan.trials]
    for name in ("dataset", "architecture", "variant", "family"):
        assert named[name].tolist() == [trial.cell.names[name] for trial in plan.trials]


def test_members_of_a_family_are_looked_at_inside_where_a_table_is_split_again_and_again(small_study):
    """The strengths of generated rows are chosen on other rows: their trials stay what they were."""
    family = [
        {"name": "baseline"},
        {"name": "input", "strengths": [0.1, 0.2], "injections": [{"place": "input"}]},
        {"name": "one", "injections": [{"place": "input", "stddev": 0.3}]},
    ]
    datasets = [{"kind": "wine"}, small_study.datasets[0].model_dump(mode="json")]
    study = changed(small_study, variants=family, datasets=datasets, design="resample")
    inner = {(cell.dataset.name, cell.variant.name): cell.inner for cell in make_plan(study, "vectorized").cells}
    assert {key for key, n in inner.items() if n} == {("wine", "input 0.1"), ("wine", "input 0.2")}
    assert set(inner.values()) == {0, 3}
