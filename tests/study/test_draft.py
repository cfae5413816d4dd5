"""A drafted study is valid, runs on its data without a fault, and says why it is as it is."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from noiseflow.base.faults import InvalidInputError
from noiseflow.datasets import faults
from noiseflow.datasets.guesses import guess_column
from noiseflow.study.choosing import guess_task
from noiseflow.study.draft import draft_study, study_name
from noiseflow.study.loading import validate

N = 120


@pytest.fixture
def write(tmp_path):
    def write(frame, file="My data (2).csv"):
        path = str(tmp_path / file)
        frame = pd.DataFrame(frame)
        frame.to_parquet(path) if file.endswith(".parquet") else frame.to_csv(path, index=False)
        return path

    return write


def columns(**more):
    rng = np.random.default_rng(1)
    return {"x": rng.normal(size=N), "job": rng.choice(["a", "b"], N), "y": np.arange(N) % 2, **more}


def draft(path, target="y", **arguments):
    text = draft_study(path, target, **arguments)
    study = validate(yaml.safe_load(text))
    dataset = study.datasets[0]
    assert faults(dataset, study.data_seeds(dataset), "datasets[0]") == []
    assert dataset.path == path
    return text, study


def test_draft_of_two_classes(write):
    text, study = draft(write(columns()))
    dataset = study.datasets[0]
    assert (study.name, study.design, study.n_seeds) == ("my-data-2", "resample", 30)
    assert (dataset.task, dataset.score, dataset.split, dataset.missing) == (
        "classification",
        "accuracy",
        "stratified",
        "refuse",
    )
    assert [v.name for v in study.variants] == [
        "baseline",
        "input",
        "before_activation",
        "after_activation",
        "dropout",
        "l2",
    ]
    assert "6 variants x 30 seeds = 180 trials" in text
    assert sum(len(study.pairs(part[0])) for part in study.parts()) == 180


def test_draft_of_skewed_classes_is_scored_by_auc(write):
    text, study = draft(write(columns(y=["no"] * 108 + ["yes"] * 12)))
    assert study.datasets[0].score == "auc"
    assert "# 90 % of the rows are of the class 'no'; accuracy rewards guessing it." in text


def test_draft_of_several_skewed_classes(write):
    y = ["red"] * 100 + ["green"] * 15 + ["blue: #1\n"] * 5
    _, study = draft(write(columns(y=y)))
    assert study.datasets[0].score == "balanced_accuracy"


def test_draft_of_classes_too_rare_for_each_test_part(write):
    text, study = draft(write(columns(y=["a"] * 116 + ["b"] * 2 + ["c"] * 2), "a.csv"))
    assert study.datasets[0].score == "log_loss"
    assert "too rare to be in each test part" in text


def test_draft_of_a_regression(write):
    text, study = draft(write(columns(y=np.linspace(0, 1, N)), "a.parquet"), name="mine")
    assert (study.name, study.datasets[0].task, study.datasets[0].score) == ("mine", "regression", "r2")
    assert study.datasets[0].split == "random"
    assert "Guessed: 120 different values. Set classification if that is wrong." in text


def test_draft_takes_the_task_that_is_given(write):
    text, study = draft(write(columns(y=np.arange(N) % 5)), task="regression")
    assert study.datasets[0].task == "regression"
    assert "Guessed" not in text


def test_draft_imputes_missing_values_and_names_the_columns(write):
    text, study = draft(write(columns(x=[None, None, *range(N - 2)], job=[None, *["a", "b"] * 59, "a"])))
    assert study.datasets[0].missing == "impute"
    assert "Missing values in 'x' (2 of 120), 'job' (1 of 120)" in text


def test_draft_splits_by_the_only_date(write):
    text, study = draft(write(columns(when=pd.date_range("2024-01-01", periods=N).astype(str))))
    assert study.design == "replicate"
    assert (study.datasets[0].split, study.datasets[0].split_by) == ("time", "when")
    assert "'when' holds dates: the latest rows test" in text


def test_draft_points_out_groups_and_counters(write):
    frame = {"index": range(N), **columns(patient_id=np.arange(N) // 6, userID=np.arange(N) * 7 % 1009)}
    text, _ = draft(write(frame))
    assert "'patient_id' looks like a name that rows share" in text
    assert "split: group\n    split_by: patient_id\n" in text
    assert "'index' seems to number the rows" in text
    assert "'userID' seems to number the rows" in text
    assert yaml.safe_load(text)["datasets"][0]["drop"] == ["index", "userID"]


def test_draft_drops_what_nothing_can_be_learnt_from_and_says_why(write):
    frame = columns(
        name=[f"n{i}" for i in range(N)], left=["1990-01-01", "1991-02-03"] * 60, seen=["2020-01-01", "2021-02-03"] * 60
    )
    text, study = draft(write(frame))
    assert set(study.datasets[0].drop) == {"name", "left", "seen"}
    assert study.datasets[0].split == "stratified"
    for remark in ("'name' names each row differently", "'left' holds dates", "'seen' holds dates"):
        assert remark in text


def test_draft_gives_the_path_as_the_study_file_sees_it(write, tmp_path):
    path = write(columns())
    text = draft_study(path, "y", written_to=str(tmp_path / "studies" / "mine.yaml"))
    assert yaml.safe_load(text)["datasets"][0]["path"] == f"../{Path(path).name}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "z"}, "target must be a column of the table; received 'z', the columns are x, job, y."),
        ({"target": "job", "task": "regression"}, "target of a regression must be numbers"),
        ({"target": "y", "task": "clustering"}, "task must be 'classification' or 'regression'"),
        ({"target": "y", "name": "No name"}, "name must match"),
    ],
)
def test_draft_refuses_bad_arguments(write, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        draft_study(write(columns()), **arguments)


def test_draft_refuses_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InvalidInputError, match="which does not exist"):
        draft_study(str(tmp_path / "none.csv"), "y")


@pytest.mark.parametrize(
    "target", ["yes", "null", "1", "a: b", "- x", 'it\'s "so"', "#y", "{y}", "ÿ", "*", "3e5", "on"]
)
def test_draft_quotes_names_that_yaml_would_read_otherwise(write, target):
    frame = columns()
    frame[target] = frame.pop("y")
    _, study = draft(write(frame), target)
    assert study.datasets[0].target == target


@pytest.mark.parametrize("n", [14, 40, 400, 5_000])
def test_draft_has_a_training_that_fits_the_rows(write, n):
    frame = {"x": np.sin(np.arange(n)), "y": np.arange(n) % 2}
    _, study = draft(write(frame))
    n_train = n - -(-3 * n // 10)
    assert study.training.batch_size <= n_train
    steps = study.training.epochs * -(-n_train // study.training.batch_size)
    assert 2_000 <= steps <= 20_000


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([0, 1] * 20, "classification"),
        ([0.5, 1.5] * 20, "classification"),
        ([0.5, 1.5, 2.0] * 20, "regression"),
        (range(40), "regression"),
        (list(range(20)) * 2, "classification"),
        (["a", "b"] * 20, "classification"),
        ([True, False] * 20, "classification"),
    ],
)
def test_guess_task(values, task):
    assert guess_task(pd.Series(values)) == task


def test_study_name_keeps_what_a_name_may_have():
    assert study_name("/x/Ärger im_Büro.v2.csv") == "arger-im-buro-v2"
    assert study_name("数据.csv") != study_name("音楽.csv")
    assert re.fullmatch("shu-ju-[0-9a-f]{8}", study_name("数据.csv"))
    assert study_name("データ.csv").startswith("deta-")
    assert study_name("данные о ценах.csv").startswith("dannye-o-tsenakh-")
    assert study_name("買上.csv") != study_name("売上.csv")  # read alike
    assert re.fullmatch("study-[0-9a-f]{8}", study_name("🎉.csv"))
    assert study_name("a" * 62 + "_b.csv") == "a" * 62


@pytest.mark.parametrize(
    ("values", "kind", "sure"),
    [
        ({"Patient ID": np.arange(N) // 4}, "group", True),
        ({"subject": [f"s{i % 20}" for i in range(N)]}, "group", True),
        ({"firm": [f"f{i % 20}" for i in range(N)]}, "group", False),
        ({"doctor": np.random.default_rng(1).poisson(2, N)}, "number", True),  # visits, not names
        ({"drivers": np.arange(N) * 7 % 1009 + 3}, "number", True),
        ({"code": np.arange(N) * 7 % 1009 + 3}, "identifier", True),
        ({"Year": 1900 + np.arange(N)}, "time", True),
        ({"time": np.sort(np.random.default_rng(1).exponential(9, N))}, "number", True),  # how long something took
        ({"when": [f"{1 + i % 28:02d}-Jan-{1950 + i}" for i in range(N)]}, "date", True),
        ({"size": [f"{i % 9},{i % 7}" for i in range(N)]}, "number", True),
        ({"weight": [f"{i % 9 + 1}.5 kg" for i in range(N)]}, "number", True),
        ({"share": [f"{i % 50} %" for i in range(N)]}, "number", True),
        ({"debt": [f"({1 + i % 30},500.00)" for i in range(N)]}, "number", True),
        ({"born": [f"1{i % 9}.2{i % 10}3,5" for i in range(N)]}, "number", True),
        ({"x": ["?", *map(str, range(5))] * 20}, "number", True),
        ({"note": [f"this is sentence number {i} of the text here" for i in range(N)]}, "text", True),
    ],
)
def test_guess_of_a_column(values, kind, sure):
    (name,) = values
    guess = guess_column(pd.Series(values[name], name=name))
    assert (guess.kind, guess.sure) == (kind, sure)


def test_panel_keeps_its_units_together(write):
    frame = {"land": [f"l{i // 10}" for i in range(N)], "year": [1990 + i % 10 for i in range(N)], **columns()}
    text, study = draft(write(frame))
    assert (study.datasets[0].split, study.datasets[0].split_by) == ("group", "land")
    assert "'land' looks like a name that rows share" in text


def test_series_of_a_year_alone_is_learnt_from(write):
    text, study = draft(write({"Year": 1900 + np.arange(N), "y": np.linspace(0, 1, N) ** 2}))
    assert (study.datasets[0].split, study.datasets[0].drop) == ("random", None)
    assert "is all there is to learn from" in text


@pytest.mark.parametrize(
    ("y", "says"),
    [
        ([None] * N, "which is empty"),
        (["same"] * N, "which is 'same' throughout"),
        ([f"n{i}" for i in range(N)], "must have classes that rows share"),
    ],
)
def test_target_that_nothing_predicts_is_refused(write, y, says):
    with pytest.raises(InvalidInputError, match=says):
        draft_study(write(columns(y=y)), "y")


@pytest.mark.parametrize("y", [[80763, 80700], ["yes", "no"], [1, 2, 3]])
def test_table_of_hardly_any_rows_is_too_small_to_tell(write, y):
    with pytest.raises(InvalidInputError, match=f"at least 4 rows with 'y'; received {len(y)}, too few to see"):
        draft_study(write({"x": range(len(y)), "y": y}), "y")


def test_whole_numbers_with_rare_values_are_a_regression(write):
    text, study = draft(write(columns(y=[*range(12), *[3, 4] * 54])))
    assert study.datasets[0].task == "regression"
    assert "Set classification if that is wrong." in text
