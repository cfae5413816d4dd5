"""A table's columns are encoded by what the training rows say; what cannot be learnt from is refused with its name."""

import decimal
from datetime import date

import numpy as np
import pandas as pd
import pytest

from noiseflow.datasets import faults, generate, warnings
from noiseflow.study import Dataset


@pytest.fixture
def write(tmp_path):
    def write(frame, **settings):
        path = tmp_path / settings.pop("file", "rows.csv")
        frame = pd.DataFrame(frame)
        frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
        return Dataset(**{"kind": "table", "path": str(path), "target": "y", "task": "classification", **settings})

    return write


def rows(n=40, **columns):
    x = np.sin(np.arange(n))
    return {"x": x, "y": np.where(np.arange(n) % 2, "yes", "no"), **columns}


def found(dataset, seeds=(1,)):
    return faults(dataset, seeds, "datasets[0]")


@pytest.mark.parametrize("file", ["rows.csv", "rows.parquet", "ROWS.CSV"])
def test_table_is_encoded_by_hand(write, file):
    frame = {
        "t": [1, 2, 3, 4, 5, 6],
        "size": [1.0, 3.0, 2.0, 10.0, 4.0, 0.0],
        "job": ["b", "a", "b", "b", "a", "c"],
        "flag": [True, False, True, True, False, True],
        "y": ["no", "yes", "no", "yes", "yes", "no"],
    }
    data = generate(write(frame, file=file, split="time", split_by="t", test_fraction=0.3), 1)
    size = (np.array([1, 3, 2, 10, 4, 0]) - 4) / np.sqrt(12.5)  # mean and stddev of the first four
    job = [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]]  # c is unknown to the training rows
    flag = [[0, 1], [1, 0], [0, 1], [0, 1], [1, 0], [0, 1]]
    expected = np.column_stack([size, job, flag])
    np.testing.assert_allclose(data.X_train, expected[:4])
    np.testing.assert_allclose(data.X_test, expected[4:])
    np.testing.assert_array_equal(data.y_train, [0, 1, 0, 1])
    np.testing.assert_array_equal(data.y_test, [1, 0])
    assert data.n_classes == 2


def test_missing_values_are_imputed_by_the_training_rows(write):
    frame = {
        "t": range(6),
        "a": [1.0, None, 3.0, 100.0, None, 1e6],
        "b": ["u", "u", None, "v", None, "v"],
        "y": [0.0, 1.0, 2.0, 4.0, 8.0, 16.0],
    }
    settings = {"task": "regression", "split": "time", "split_by": "t", "test_fraction": 0.3, "standardize": False}
    data = generate(write(frame, missing="impute", **settings), 1)
    np.testing.assert_array_equal(data.X_train[:, 0], [1, 3, 3, 100])
    np.testing.assert_array_equal(data.X_test[:, 0], [3, 1e6])
    np.testing.assert_array_equal(data.X_train[:, 1:], [[1, 0], [1, 0], [1, 0], [0, 1]])
    np.testing.assert_array_equal(data.X_test[:, 1:], [[1, 0], [0, 1]])
    np.testing.assert_array_equal(data.y_test, [8, 16])
    (fault,) = found(write(frame, **settings))
    assert "received 'a' (2 of 6), 'b' (2 of 6). Fill them, remove those rows, or set missing: impute." in fault


def test_table_has_one_width_for_all_data_seeds(write):
    job = ["rare", *["a", "b", "c"] * 13]
    dataset = write(rows(job=job))
    shapes = {generate(dataset, seed).X_train.shape for seed in range(30)}
    assert shapes == {(28, 5)}
    in_test = [d for d in (generate(dataset, s) for s in range(30)) if not d.X_train[:, 4].any()]
    assert in_test
    assert all((d.X_test[:, 1:].sum(axis=1) == 0).sum() == 1 for d in in_test)  # the rare row, as if unknown


def test_nothing_of_the_test_rows_reaches_the_training_rows(write):
    frame = pd.DataFrame(rows(t=np.arange(40), job=np.arange(40) % 3))
    frame["job"] = frame["job"].map(str) + "j"
    settings = {"split": "time", "split_by": "t", "missing": "impute"}
    before = generate(write(frame, **settings), 1).X_train
    frame.loc[28:, "x"] = 1e6
    frame.loc[28:, "job"] = "0j"
    np.testing.assert_array_equal(generate(write(frame, file="other.csv", **settings), 1).X_train, before)


def test_table_follows_a_changed_file(write):
    dataset = write(rows())
    first = generate(dataset, 1)
    write(rows(n=60))
    assert len(generate(dataset, 1).y_train) == 42 != len(first.y_train)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([3, 1, 2, 3, 1, 2] * 4, [2, 0, 1]),
        (["b", "a", "c", "b", "a", "c"] * 4, [1, 0, 2]),
        ([True, False, True, False, False, True] * 4, [1, 0, 1]),
        ([10, 9, 11, 10, 9, 11] * 4, [1, 0, 2]),
    ],
)
def test_class_labels_are_indices_in_sorted_order(write, labels, expected):
    x = np.tile([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 4)
    data = generate(write({"x": x, "y": labels}, standardize=False, file="a.parquet"), 1)
    for value, index in enumerate(expected):
        assert set(data.y_train[data.X_train[:, 0] == value]) == {index}


def test_groups_and_two_features_with_a_grid(write):
    dataset = write(rows(z=np.cos(np.arange(40)), who=np.arange(40) // 4), split="group", split_by="who")
    data = generate(dataset, 1)
    assert data.X_train.shape == (40 - 12 - 3, 2)
    assert data.grid.shape == (2500, 2)
    assert found(dataset, range(20)) == []


N = 40
BAD_COLUMNS = [
    ({"x": [None] * N}, "whose columns have values; received 'x'."),
    ({"when": pd.date_range("2020-01-01", periods=N)}, "without dates among its features; received 'when'."),
    ({"when": [f"{i + 1}/2/2020" for i in range(20)] * 2}, "without dates among its features; received 'when'."),
    ({"x": [np.inf, -np.inf, *range(N - 2)]}, "of finite numbers, at most 1e+30 in size; received 'x' (2)."),
    ({"name": [f"n{i}" for i in range(N)]}, "without columns of text that differ in every row; received 'name'."),
    ({"x": ["?", *map(str, range(N - 1))]}, "are numbers or text, not both; received 'x' (with '?')."),
]


@pytest.mark.parametrize(("columns", "text"), BAD_COLUMNS)
def test_bad_columns_are_refused_by_name(write, columns, text):
    assert any(text in fault for fault in found(write(rows(**columns))))


def test_columns_of_parquet_that_are_no_features(write):
    columns = {"day": [date(2020, 1, 1)] * N, "raw": [b"x", b"y"] * (N // 2)}
    texts = found(write(rows(**columns), file="a.parquet"))
    assert any("without dates among its features; received 'day'." in text for text in texts)
    assert any("'raw' (object)" in text for text in texts)


def test_decimals_and_lists_of_parquet_are_numbers(write):
    columns = {"money": [decimal.Decimal(i) / 4 for i in range(N)], "embedding": [[i, -i, 1.5] for i in range(N)]}
    dataset = write(rows(**columns), file="a.parquet", standardize=False, split="random")
    data = generate(dataset, 1)
    X = np.concatenate([data.X_train, data.X_test])
    assert X.shape == (N, 1 + 1 + 3)
    assert sorted(X[:, 1]) == [i / 4 for i in range(N)]
    np.testing.assert_array_equal(X[:, 2:4], np.outer(X[:, 1] * 4, [1, -1]))


def test_nullable_and_categorical_columns_are_read(write):
    columns = {
        "whole": pd.array([1, None, *range(N - 2)], dtype="Int64"),
        "flag": pd.array([True, None, *[False] * (N - 2)], dtype="boolean"),
        "cat": pd.Categorical(["u", "v"] * (N // 2)),
    }
    dataset = write(rows(**columns), file="a.parquet", missing="impute")
    assert found(dataset) == []
    assert generate(dataset, 1).X_train.shape == (28, 1 + 1 + 2 + 2)


def test_a_named_index_of_parquet_is_a_column(write):
    frame = pd.DataFrame(rows(z=np.arange(N) ** 2)).set_index("z")
    assert generate(write(frame, file="a.parquet"), 1).X_train.shape[1] == 2
    assert generate(write(frame.reset_index(drop=True), file="b.parquet"), 1).X_train.shape[1] == 1


def test_all_faults_of_a_table_come_at_once(write):
    dataset = write(rows(x=[None, *range(N - 1)], name=[f"n{i}" for i in range(N)], y=[None, *"ab" * 19, "a"]))
    texts = found(dataset)
    assert len(texts) == 3
    assert all(text.startswith("datasets[0].") for text in texts)


BAD_TARGETS = [
    ({"y": ["same"] * N}, {}, "target must differ between rows; received 'y', which is 'same' throughout."),
    ({"y": [None, *["a", "b"] * 19, "a"]}, {}, "target must have a value in each row; received 'y' with 1 missing."),
    ({"y": ["a", "b"] * 20}, {"task": "regression"}, "target of a regression must be numbers; received 'y' of text."),
    ({"y": np.linspace(0, 1, N)}, {}, "numbers with decimals of 40 values. Set task: regression."),
    (
        {"y": [np.inf, *range(N - 1)]},
        {"task": "regression"},
        "target must be finite, at most 1e+30; received 'y' with 1",
    ),
    ({"y": [np.inf, *[0, 1] * 19, 1]}, {}, "target must be finite, at most 1e+30; received 'y' with 1 others."),
    ({}, {"target": "z"}, "target must be a column of the table; received 'z', the columns are x, y."),
    ({}, {"split": "group", "split_by": "g"}, "split_by must be a column of the table; received 'g'"),
    ({"t": ["a", "b"] * 20}, {"split": "time", "split_by": "t"}, "split_by must be times; received 't' with 40 others"),
    ({"t": [None, *range(N - 1)]}, {"split": "time", "split_by": "t"}, "split_by must have a value in each row"),
    ({"y": ["a", *["b"] * (N - 1)]}, {}, "target must have at least 2 rows of each class"),
    ({}, {"n_train": 35}, "n_train must be at most 28"),
]


@pytest.mark.parametrize(("columns", "settings", "text"), BAD_TARGETS)
def test_bad_targets_and_splits_are_refused(write, columns, settings, text):
    assert any(text in fault for fault in found(write(rows(**columns), **settings)))


def test_too_many_categories_are_refused(write):
    n = 2400
    frame = {f"c{i}": [f"v{j % 900}" for j in range(n)] for i in range(12)}
    wide = write({**frame, "y": np.arange(n) % 2})
    assert "at most 10,000 features, each category being one; received 10,800." in found(wide)[0]
    many = write({"c": [f"v{j % 1100}" for j in range(n)], "y": np.arange(n) % 2})
    assert "with at most 1,000 categories in a column; received 'c' (1100)." in found(many)[0]


def test_a_table_needs_a_feature(write):
    dataset = write({"y": ["a", "b"] * 4, "g": [1, 2, 3, 4] * 2}, split="group", split_by="g")
    assert "path must be a table with a feature" in found(dataset)[0]


def test_dates_sort_as_dates(write):
    when = ["2020-01-09", "2020-01-10", "2020-01-01", "2019-12-31"] * 5
    frame = {"x": np.arange(20) % 4, "when": when, "y": [0, 1, 2, 3] * 5}
    data = generate(
        write(frame, task="regression", split="time", split_by="when", test_fraction=0.25, standardize=False), 1
    )
    assert set(data.y_test) == {1}  # 10 January is the latest


def test_warnings_point_out_skew_and_row_counters(write):
    frame = rows(n=50, index=np.arange(50), y=["no"] * 47 + ["yes"] * 3)
    dataset = write(frame)
    skew, counter = warnings(dataset, generate(dataset, 1))
    told = (
        "The classes are skewed: 94 % of the rows are class 'no'. Accuracy rewards guessing it always; consider score: "
    )
    assert skew.startswith(f"{told}balanced_accuracy or auc")
    assert counter.startswith("'index' counts the rows.")
    dataset = write(frame, score="auc")
    assert warnings(dataset, generate(dataset, 1))[0].endswith("'no'.")
