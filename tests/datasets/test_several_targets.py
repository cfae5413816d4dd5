"""Rows with several targets: regressions and labels, in tables and arrays."""

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.preprocessing import StandardScaler

from noiseflow.datasets import constant_score, dataset_kind, faults, generate, to_frame, warnings
from noiseflow.datasets.facts import what_was_read
from noiseflow.datasets.rows import split_kind
from noiseflow.study import Dataset
from noiseflow.study.draft import draft_study
from noiseflow.study.loading import validate

N = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 2))
FRAME = pd.DataFrame(
    {
        "x": X[:, 0],
        "z": X[:, 1],
        "kg": 3 * X[:, 0] + RNG.normal(size=N),
        "cm": 100 * X[:, 1] + RNG.normal(size=N),
        "wet": np.where(X[:, 0] + RNG.normal(size=N) > 0.5, "yes", "no"),
        "hot": (X[:, 1] + RNG.normal(size=N) > 0).astype(int),
    }
)
NUMBERS, LABELS = FRAME.drop(columns=["wet", "hot"]), FRAME.drop(columns=["kg", "cm"])


def table(path, target=("kg", "cm"), task="regression", **settings):
    (NUMBERS if task == "regression" else LABELS).to_csv(path, index=False)
    return Dataset(**{"kind": "table", "path": str(path), "target": list(target), "task": task, **settings})


def arrays(path, y, task, **settings):
    np.savez(path, X=X, y=y)
    return Dataset(**{"kind": "arrays", "path": str(path), "task": task, **settings})


def found(dataset):
    return faults(dataset, (1, 2), "datasets[0]")


def test_regression_has_a_column_for_each_target_standardised_alone(tmp_path):
    dataset = table(tmp_path / "a.csv")
    assert found(dataset) == []
    data = generate(dataset, 1)
    assert (data.n_targets, data.n_classes, data.grid) == (2, 0, None)
    assert data.X_train.shape[1] == 2
    np.testing.assert_allclose(data.y_train.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.y_train.std(axis=0), 1)
    y = dataset_kind("table").rows(dataset).y
    np.testing.assert_array_equal(y, FRAME[["kg", "cm"]])
    assert StandardScaler().fit(y).scale_ == pytest.approx(np.asarray(data.target_scale), rel=0.5)


def test_labels_are_0_and_1_and_split_at_random(tmp_path):
    dataset = table(tmp_path / "a.csv", ("wet", "hot"), "classification")
    assert found(dataset) == []
    data = generate(dataset, 1)
    assert split_kind(data.y_train, dataset) == "random"
    assert (data.n_targets, data.n_classes, data.grid) == (2, 2, None)
    rows = np.concatenate([data.y_train, data.y_test])
    assert sorted(map(tuple, rows)) == sorted(zip((FRAME["wet"] == "yes") * 1.0, FRAME["hot"] * 1.0, strict=True))


def test_score_of_a_constant_is_the_mean_of_the_targets(tmp_path):
    dataset = table(tmp_path / "a.csv", ("wet", "hot"), "classification")
    y = generate(dataset, 1).y_test
    assert constant_score(dataset, generate(dataset, 1)) == pytest.approx(np.maximum(y.mean(0), 1 - y.mean(0)).mean())


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_arrays_of_several_columns_are_several_targets(task, tmp_path):
    y = FRAME[["kg", "cm"]].to_numpy() if task == "regression" else np.stack([X[:, 0] > 0, X[:, 1] > 0], axis=1)
    dataset = arrays(tmp_path / "a.npz", y, task)
    assert found(dataset) == []
    assert generate(dataset, 1).y_train.shape == (42, 2)
    assert what_was_read(dataset, [1], scored=False).split == "at random"


def test_a_y_of_one_column_is_one_target(tmp_path):
    assert generate(arrays(tmp_path / "a.npz", X[:, :1], "regression"), 1).y_train.shape == (42,)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda p: table(p / "a.csv", score="rmse"),
            "score must have a meaning for several targets; received rmse for 2",
        ),
        (
            lambda p: table(p / "a.csv", ("wet", "hot"), "classification", score="balanced_accuracy"),
            "received balanced_accuracy for 2. Take accuracy or auc or log_loss",
        ),
        (
            lambda p: table(p / "a.csv", ("wet", "hot"), "classification", split="stratified"),
            "split must not be by class where there are several targets; received stratified for 2. Set split: random",
        ),
        (
            lambda p: table(p / "a.csv", ("wet", "x"), "classification"),
            "received 'wet' of text and 'x' of numbers. One network learns one kind",
        ),
        (lambda p: arrays(p / "a.npz", np.eye(3)[np.arange(N) % 3], "regression"), "a one-hot code of 3 classes"),
        (lambda p: arrays(p / "a.npz", np.arange(2 * N).reshape(N, 2) % 3, "classification"), "labels of two values"),
        (
            lambda p: arrays(p / "a.npz", np.zeros((N, 2, 2)), "regression"),
            "a y with one axis, or with up to 100 columns",
        ),
        (lambda p: arrays(p / "a.npz", X * [1, 0], "regression"), "a y that differs between rows"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(make, said, tmp_path):
    (fault,) = found(make(tmp_path))
    assert said in fault


def test_a_target_is_named_once_and_in_one_role(tmp_path):
    for settings, said in [({"target": ["kg", "kg"]}, "once"), ({"drop": ["cm"]}, "must not drop")]:
        with pytest.raises(ValueError, match=said):
            table(tmp_path / "a.csv", **settings)


def test_what_was_read_names_each_target_and_scores_plain_models(tmp_path):
    read = what_was_read(table(tmp_path / "a.csv"), [1])
    assert read.target.startswith("2 targets of numbers, stddev: kg ")
    assert [c.used_as for c in read.columns] == ["number", "number", "target", "target"]
    assert read.scores["ridge regression"] > 0.8
    labels = what_was_read(table(tmp_path / "b.csv", ("wet", "hot"), "classification"), [1])
    assert "2 labels, share of '1': wet" in labels.target
    assert set(labels.scores) == {"constant guess", "logistic regression", "gradient boosting"}


def test_plain_models_guess_a_label_that_training_rows_lack(tmp_path):
    y = np.stack([X[:, 0] > 0, np.arange(N) == 5], axis=1)
    dataset = arrays(tmp_path / "a.npz", y, "classification")
    splits = [generate(dataset, seed) for seed in range(1, 30)]
    seed = 1 + next(i for i, data in enumerate(splits) if not data.y_train[:, 1].any())
    assert what_was_read(dataset, [seed]).scores["logistic regression"] > 0.8


def test_rows_are_stored_with_all_their_targets(tmp_path):
    frame = to_frame(table(tmp_path / "a.csv"), [1])
    assert frame["y"].isna().all()
    assert len(frame["targets"].iloc[0]) == 2


def test_wrong_labels_are_those_of_another_row(tmp_path):
    dataset = table(tmp_path / "a.csv", ("wet", "hot"), "classification")
    clean, wrong = (generate(d, 1).y_train for d in (dataset, dataset.model_copy(update={"corrupt": _corrupt(0.5)})))
    assert (clean != wrong).any()
    assert sorted(map(tuple, clean)) == sorted(map(tuple, wrong))


def _corrupt(share):
    return Dataset(kind="circles", corrupt={"labels": share}).corrupt


def test_skewed_labels_are_pointed_out(tmp_path):
    y = np.stack([np.arange(N) % 8 == 0, np.arange(N) % 7 == 0], axis=1)
    dataset = arrays(tmp_path / "a.npz", y, "classification")
    (text,) = warnings(dataset, generate(dataset, 1))
    assert "86 % of the labels are 'False'" in text
    assert text.endswith("consider score: auc.")


def test_init_takes_several_targets(tmp_path):
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    text = draft_study(str(tmp_path / "a.csv"), "kg, cm")
    (dataset,) = validate(yaml.safe_load(text)).datasets
    assert (dataset.target, dataset.task, dataset.score, dataset.split) == (("kg", "cm"), "regression", "r2", "random")
    assert "several numbers" in text
    assert "rmse" not in text
    text = draft_study(str(tmp_path / "a.csv"), "wet,hot")
    (dataset,) = validate(yaml.safe_load(text)).datasets
    assert (dataset.target, dataset.task, dataset.score) == (("wet", "hot"), "classification", "accuracy")


def test_init_takes_a_column_with_a_comma_for_one(tmp_path):
    FRAME.rename(columns={"kg": "kg,wet"}).to_csv(tmp_path / "a.csv", index=False)
    assert 'target: "kg,wet"' in draft_study(str(tmp_path / "a.csv"), "kg,wet")


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_init_of_arrays_takes_several_targets(task, tmp_path):
    y = X * [1, 100] if task == "regression" else (X > 0).astype(int)
    arrays(tmp_path / "a.npz", y, task)
    text = draft_study(str(tmp_path / "a.npz"), "")
    assert "y has 2 columns: each is a target." in text
    assert f"task: {task}" in text
