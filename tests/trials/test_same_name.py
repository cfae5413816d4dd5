"""Two studies of one name: refused where their data has nothing in common, and never where a study has only grown."""

import shutil
from types import SimpleNamespace

import pandas as pd
import pytest

from noiseflow.base.faults import InvalidInputError
from noiseflow.store import Store
from noiseflow.study.loading import validate
from noiseflow.trials.plan import dataset_key, make_plan, study_json
from noiseflow.trials.same_name import other_data_faults, overwritten_lines
from tests.conftest import SMALL

CIRCLES, MOONS = {"kind": "circles", "n_samples": 40, "n_train": 20}, {"kind": "moons"}


def study(*datasets, **changes):
    return validate(SMALL.model_dump() | {"datasets": list(datasets)} | changes)


def plan_of(declared):
    return make_plan(declared, "vectorized")


def stored(*studies, location="/r/small", trials=(), datasets=()):
    """What a store says in which these studies were trained."""
    ids = {trial for one in studies for trial in plan_of(one).trial_ids} if not trials else set(trials)
    return SimpleNamespace(
        studies=lambda: [study_json(one) for one in studies],
        trial_ids=lambda: ids,
        dataset_keys=lambda: set(datasets),
        location=location,
    )


def refused(declared, store):
    return other_data_faults(declared, store, lambda: plan_of(declared))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "first" / "data.csv"
    path.parent.mkdir()
    pd.DataFrame({"x": range(40), "z": range(40), "y": range(40)}).to_csv(path, index=False)
    return path


def table(path, target="y", **keys):
    return {"kind": "table", "path": str(path), "target": target, "task": "regression", **keys}


@pytest.mark.parametrize(
    "grown",
    [
        study(CIRCLES, n_seeds=9),
        study(CIRCLES, training={"epochs": 50}),
        study(CIRCLES, variants=[{"name": "baseline"}, {"name": "l2", "controls": [{"kind": "l2", "factor": 0.1}]}]),
        study(CIRCLES, MOONS),
        study(CIRCLES | {"n_train": 10}),
        study(MOONS, CIRCLES),
    ],
)
def test_a_study_that_has_changed_on_the_same_data_goes_on(grown):
    assert refused(grown, stored(study(CIRCLES))) == []


def test_a_study_of_other_data_is_refused_and_every_way_out_named():
    (fault,) = refused(study(MOONS), stored(study(CIRCLES)))
    assert fault.startswith("name must")
    for said in (
        "'small'",
        "8 trials of circles in /r/small",
        "of moons",
        "--results",
        "noiseflow results delete small",
    ):
        assert said in fault
    assert "results delete" not in refused(study(MOONS), stored(study(CIRCLES), location="s3://b/small"))[0]


def test_files_of_one_name_are_two_and_so_are_two_targets_of_a_file(file, tmp_path):
    other = tmp_path / "second" / "data.csv"
    other.parent.mkdir()
    pd.DataFrame({"x": range(40), "z": range(40), "y": range(1, 41)}).to_csv(other, index=False)
    store = stored(study(table(file)))
    (fault,) = refused(study(table(other)), store)
    assert f"{file} (target y)" in fault
    assert f"{other} (target y)" in fault
    (fault,) = refused(study(table(file, "z")), store)
    assert f"{file} (target z)" in fault
    assert refused(study(table(file, drop=["z"])), store) == []


def test_a_file_that_has_moved_is_the_same(file, tmp_path):
    first = study(table(file))
    store = stored(first)
    kept = stored(first, trials=["of other settings"], datasets=[dataset_key(first.datasets[0], [1])])
    moved = tmp_path / "moved.csv"
    shutil.move(file, moved)
    assert refused(study(table(moved)), store) == []
    assert refused(study(table(moved), training={"epochs": 50}), kept) == []


def test_a_file_whose_rows_have_changed_goes_on(file):
    store = stored(study(table(file)))
    file.write_text(file.read_text() + "1,2,3\n")
    assert refused(study(table(file)), store) == []


def test_a_store_gives_the_studies_that_are_as_they_were_written(tmp_path):
    store = Store(tmp_path, "small")
    store.write_study("{}")
    (tmp_path / "small" / "studies" / "0123456789abcdef.json").write_text("{")
    assert store.studies() == ["{}"]


def test_a_file_whose_rows_have_changed_is_said_to_be_trained_anew(file):
    declared = study(table(file))
    store = stored(declared)
    store.read = lambda table, ids, columns: pd.DataFrame({"trial_id": [*store.trial_ids()], "engine": "vectorized"})
    assert overwritten_lines(plan_of(declared), store, store.trial_ids()) == []
    file.write_text(file.read_text() + "1,2,3\n")
    (line,) = overwritten_lines(plan_of(study(table(file), n_seeds=9)), store, store.trial_ids())
    assert line.startswith(f"{file} has other content than 8 trials in the results were trained on")
    assert overwritten_lines(plan_of(study(table(file), training={"epochs": 50})), store, store.trial_ids()) == []


def test_a_file_that_changes_while_a_study_is_trained_is_refused(file):
    plan = plan_of(study(table(file)))
    plan.check_content()
    file.write_text(file.read_text() + "1,2,3\n")
    for part in (plan, plan.batches(set(), 4)[0]):
        with pytest.raises(InvalidInputError, match="datasets must keep their content while a study is trained"):
            part.check_content()
