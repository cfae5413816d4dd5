"""What a study says of a table: how it is read, which part each column plays, which rows test, and which are left out."""

import gzip

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from noiseflow.datasets import dataset_kind, faults, finite, generate, warnings
from noiseflow.datasets.facts import what_was_read
from noiseflow.datasets.rows import Rows
from noiseflow.datasets.rows import split as split_rows
from noiseflow.datasets.table_rows import read
from noiseflow.study import Dataset
from noiseflow.study.dataset import SETTINGS
from noiseflow.study.draft import draft_study
from noiseflow.study.faults import sentences
from noiseflow.study.loading import validate
from noiseflow.trials.plan import make_plan

N = 60
X = np.round(np.random.default_rng(3).normal(size=N), 3)
FRAME = pd.DataFrame(
    {"x": X, "size": ["small", "large", "medium"] * 20, "zip": [101, 202] * 30, "y": ["no", "yes", "no"] * 20}
)


def table(path, **settings):
    return Dataset(**{"kind": "table", "path": str(path), "target": "y", "task": "classification", **settings})


def found(dataset, seeds=(1, 2)):
    return faults(dataset, seeds, "datasets[0]")


@pytest.fixture
def path(tmp_path):
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    return tmp_path / "a.csv"


def rows(dataset):
    return dataset_kind("table").rows(dataset)


def features(dataset):
    """The columns that are learnt from, by name: numbers and texts."""
    table = read(dataset)
    levels = zip(table.categories.items(), table.codes, strict=True)
    columns = {name: np.array([*found, None], dtype=object)[codes] for (name, found), codes in levels}
    return pd.DataFrame(table.rows.X, columns=table.numeric).assign(**columns)


def test_columns_are_what_the_study_says(path):
    dataset = table(path, categorical=["zip"], ordinal={"size": ["small", "medium", "large"]})
    assert found(dataset) == []
    columns = features(dataset)
    assert columns["size"].tolist() == [0, 2, 1] * 20
    assert set(columns["zip"]) == {"101", "202"}
    assert generate(dataset, 1).X_train.shape[1] == 1 + 1 + 2
    used = {column.name: (column.used_as, column.width) for column in what_was_read(dataset, [1], scored=False).columns}
    assert used == {"x": ("number", 1), "size": ("ordered category", 1), "zip": ("category", 2), "y": ("target", 0)}


def test_categories_that_are_large_numbers_with_gaps_stay_apart(tmp_path):
    codes = [1234567.0, 1234568.0, None] * 20
    FRAME.assign(zip=codes).to_csv(tmp_path / "codes.csv", index=False)
    columns = features(table(tmp_path / "codes.csv", categorical=["zip"], missing="impute"))
    assert set(columns["zip"].dropna()) == {"1234567", "1234568"}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"numeric": ["size"]}, "numeric must name columns of numbers, in one unit; received 'size' with 'small'"),
        (
            {"ordinal": {"size": ["small", "large"]}},
            "ordinal must list every value, the least first; received 'size' with 'medium'",
        ),
        ({"categorical": ["zap"]}, "categorical must be a column of the table; received 'zap'"),
    ],
)
def test_columns_that_are_not_what_the_study_says_are_refused(path, settings, says):
    (fault,) = found(table(path, **settings))
    assert says in fault
    assert fault.endswith("(dataset file 'a.csv')")


def test_group_and_time_are_short_for_a_split(path):
    short, long = table(path, group="zip"), table(path, split="group", split_by="zip")
    assert short == long
    assert table(path, time="x") == table(path, split="time", split_by="x")


@pytest.mark.parametrize(
    "settings",
    [
        {"group": "zip", "time": "x"},
        {"group": "zip", "split": "random"},
        {"test_path": "b.csv", "split": "random"},
        {"numeric": ["x"], "categorical": ["x"]},
        {"thousands": ".", "decimal": "."},
        {"split": "given"},
        {"n_splits": 3},
        {"split": "time_series"},
    ],
)
def test_settings_that_contradict_each_other_are_refused(path, settings):
    with pytest.raises(ValidationError) as caught:
        table(path, **settings)
    assert sentences(caught.value, "mine")


def test_names_of_columns_may_be_long_and_have_blanks_around_them(tmp_path):
    name = "a question of a survey " * 10
    frame = FRAME.rename(columns={"y": f" {name} "})
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert found(table(tmp_path / "a.csv", target=name)) == []


# -- reading ---------------------------------------------------------------------------------------------------------------


def write(frame, path):
    if path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(frame.to_csv(index=False, sep="\t" if ".tsv" in path.name else ",").encode()))
    elif path.suffix == ".tsv":
        frame.to_csv(path, sep="\t", index=False)
    elif path.suffix == ".feather":
        frame.to_feather(path)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif path.suffix == ".arff":
        head = "@relation r\n@attribute x numeric\n@attribute size {small,large,medium}\n@attribute zip numeric\n"
        body = "@attribute y {no,yes}\n@data\n" + frame.to_csv(index=False, header=False)
        path.write_text(head + body)
    else:
        frame.to_excel(path, index=False)


@pytest.mark.parametrize("file", ["a.tsv", "a.csv.gz", "a.tsv.gz", "a.feather", "a.jsonl", "a.arff", "a.xlsx"])
def test_files_of_other_kinds_are_read_alike(tmp_path, path, file):
    write(FRAME, tmp_path / file)
    dataset = table(tmp_path / file)
    assert found(dataset) == []
    np.testing.assert_array_equal(generate(dataset, 1).X_train, generate(table(path), 1).X_train)


def test_packed_text_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("noiseflow.datasets.file_limits.MAX_BYTES", 100_000)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"x,y\n" + b"1,2\n" * 100_000))
    assert "once it is unpacked" in found(table(tmp_path / "a.csv.gz"))[0]


def test_text_of_another_encoding_is_read_as_the_study_says(tmp_path):
    FRAME.replace("small", "kl\u00e9in").to_csv(tmp_path / "a.csv", index=False, encoding="latin-1")
    (fault,) = found(table(tmp_path / "a.csv"))
    assert 'Set encoding: "cp1252"' in fault
    assert found(table(tmp_path / "a.csv", encoding="cp1252")) == []


@pytest.mark.parametrize(("end", "names"), [(",", ["x", "z", "y"]), ("", ["row_name", "x", "y"])])
def test_rows_with_one_value_more_than_the_header(tmp_path, end, names):
    """A comma at each line's end, or names of rows, as R writes them."""
    header = "x,z,y" if end else "x,y"
    lines = [f"{'r' * (not end)}{i},{i % 7},{'ab'[i % 2]}{end}" for i in range(N)]
    (tmp_path / "a.csv").write_text("\n".join([header, *lines]))
    dataset = table(tmp_path / "a.csv", drop=None if end else ["row_name"])
    assert found(dataset) == []
    assert [column.name for column in dataset_kind("table").columns(dataset)] == names


# -- rows ------------------------------------------------------------------------------------------------------------------


def test_rows_are_set_aside_and_counted(tmp_path):
    frame = pd.concat([FRAME, FRAME[:5], FRAME[:2].assign(y=None, x=7.5), FRAME[:1].assign(y="once")])
    frame.to_csv(tmp_path / "a.csv", index=False)
    dataset = table(tmp_path / "a.csv", set_aside=["missing_target", "rare_classes", "duplicates"])
    assert found(dataset) == []
    assert dataset_kind("table").aside(dataset) == {"duplicates": 5, "missing_target": 2, "rare_classes": 1}
    assert len(rows(dataset).y) == N
    told = what_was_read(dataset, [1], scored=False).rows
    assert (
        told
        == "42 train and 18 test, 5 set aside (duplicates), 2 set aside (missing target), 1 set aside (rare classes)"
    )


def test_duplicates_are_pointed_out(tmp_path):
    pd.concat([FRAME, FRAME[:5]]).to_csv(tmp_path / "a.csv", index=False)
    dataset = table(tmp_path / "a.csv")
    assert any(
        text.startswith("5 of 65 rows are equal to another one") for text in warnings(dataset, generate(dataset, 1))
    )


def test_given_test_file_tests_and_is_part_of_the_identity(tmp_path, path):
    test = tmp_path / "test.csv"
    pd.concat([FRAME[:4], FRAME[:20].assign(x=9)]).to_csv(test, index=False)
    study = {
        "name": "given",
        "datasets": [table(path, test_path=str(test)).model_dump(exclude_none=True)],
        "architectures": [{"kind": "mlp", "units": [4]}],
        "variants": [{"name": "baseline"}],
    }
    (dataset,) = validate(study).datasets
    assert found(dataset) == []
    data = generate(dataset.model_copy(update={"standardize": False}), 1)
    np.testing.assert_array_equal(data.X_train[:, 0], X)
    np.testing.assert_array_equal(data.X_test[:, 0], [*X[:4], *[9] * 20])
    assert any("4 of the test rows are training rows as well" in text for text in warnings(dataset, data))
    before = make_plan(validate(study), "vectorized").trial_ids
    FRAME.assign(x=8).to_csv(test, index=False)
    assert not set(before) & set(make_plan(validate(study), "vectorized").trial_ids)
    FRAME.drop(columns="zip").to_csv(test, index=False)
    assert "test_path must be a table with the columns of path" in found(dataset)[0]


@pytest.mark.parametrize("marks", [["train", "Test"], [0, 1], ["False", "True"]])
def test_split_column_says_which_rows_test(tmp_path, marks):
    FRAME.assign(part=np.repeat(marks, [45, 15])).to_csv(tmp_path / "a.csv", index=False)
    dataset = table(tmp_path / "a.csv", split="given", split_by="part", standardize=False)
    assert found(dataset) == []
    np.testing.assert_array_equal(generate(dataset, 1).X_test[:, 0], X[45:])
    FRAME.assign(part="a").to_csv(tmp_path / "a.csv", index=False)
    assert "split_by must hold two values where split is given" in found(dataset)[0]


@pytest.mark.parametrize("split", ["k_fold", "stratified_k_fold"])
def test_data_seeds_go_through_the_folds_of_one_shuffle_and_then_the_next(path, split):
    dataset = table(path, split=split, n_splits=4, standardize=False)
    assert found(dataset, range(8)) == []
    tested = [generate(dataset, seed) for seed in range(8)]
    for repetition in (tested[:4], tested[4:]):
        np.testing.assert_array_equal(np.sort(np.concatenate([data.X_test[:, 0] for data in repetition])), np.sort(X))
    assert not np.array_equal(np.sort(tested[0].X_test[:, 0]), np.sort(tested[4].X_test[:, 0]))
    assert {len(data.y_train) for data in tested} == {45}


def test_folds_of_other_sizes_are_cut_to_the_smallest(path):
    dataset = table(path, split="k_fold", n_splits=7)
    assert {(len(d.y_train), len(d.y_test)) for d in (generate(dataset, seed) for seed in range(7))} == {(51, 8)}


@pytest.mark.parametrize("split", ["group_k_fold", "stratified_group_k_fold"])
def test_group_folds_keep_groups_whole_and_sizes_fixed(split):
    sizes = np.random.default_rng(3).integers(1, 9, 40)
    by = np.repeat(np.arange(40), sizes)
    rows = Rows(np.zeros((len(by), 1)), (by % 3 == 0).astype(float), ("a", "b"), by)
    dataset = Dataset(
        kind="table", path="a.csv", target="y", task="classification", split=split, split_by="g", n_splits=4
    )
    parts = [split_rows(rows, dataset, seed) for seed in range(60)]
    ((n_train, n_test),) = {(len(train), len(test)) for train, test in parts}
    assert n_train + n_test > 0.75 * len(by)
    for train, test in parts:
        assert not set(by[train]) & set(by[test])
        assert len({*train, *test}) == n_train + n_test
    for first in range(0, 60, 4):  # a fold's groups test in no other fold of that shuffle
        tested = [set(by[test]) for _, test in parts[first : first + 4]]
        assert sum(map(len, tested)) == len(set.union(*tested))
    assert len({tuple(sorted(test)) for _, test in parts}) == 60


def test_group_folds_are_complete_where_groups_are_of_one_size(tmp_path):
    FRAME.assign(who=np.arange(N) // 5).to_csv(tmp_path / "a.csv", index=False)
    dataset = table(tmp_path / "a.csv", split="group_k_fold", group="who", n_splits=4, standardize=False)
    assert (dataset.split, dataset.split_by, dataset.group) == ("group_k_fold", "who", None)
    assert found(dataset, range(8)) == []
    tested = [generate(dataset, seed).X_test[:, 0] for seed in range(8)]
    np.testing.assert_array_equal(np.sort(np.concatenate(tested[:4])), np.sort(X))
    assert "at least 20 groups" in found(dataset.model_copy(update={"n_splits": 20}))[0]


def test_time_series_windows_are_tested_on_what_follows(tmp_path):
    FRAME.assign(day=np.arange(N)).sample(frac=1, random_state=1).to_csv(tmp_path / "a.csv", index=False)
    dataset = table(tmp_path / "a.csv", split="time_series", split_by="day", n_splits=5, standardize=False)
    assert found(dataset, range(5)) == []
    for seed in range(5):
        data = generate(dataset, seed)
        np.testing.assert_array_equal(data.X_train[:, 0], X[10 * seed : 10 * seed + 10])
        np.testing.assert_array_equal(data.X_test[:, 0], X[10 * seed + 10 : 10 * seed + 20])


def test_new_keys_leave_the_identity_of_other_studies_alone(path):
    """What is not given is no part of a trial's identity."""
    settings = (
        make_plan(
            validate(
                {
                    "name": "a",
                    "datasets": [{"kind": "table", "path": str(path), "target": "y", "task": "classification"}],
                    "architectures": [{"kind": "mlp"}],
                    "variants": [{"name": "baseline"}],
                }
            ),
            "vectorized",
        )
        .cells[0]
        .settings["dataset"]
    )
    known = {"kind", "target", "task", "content", "test_fraction", "standardize", "missing"}
    assert set(settings) == known
    assert known - {"content"} < {*SETTINGS["table"], "kind"}


LARGE = pd.DataFrame({"i": np.arange(3000), "x": np.arange(3000) % 7 / 2, "y": ["no", "yes"] * 1500})


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet", "a.jsonl"])
def test_a_sample_of_a_file_is_drawn_by_the_data_seed(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".parquet"):
        LARGE.to_parquet(path, row_group_size=500)
    elif name.endswith(".jsonl"):
        LARGE.to_json(path, orient="records", lines=True)
    else:
        LARGE.to_csv(path, index=False)
    dataset = table(path, sample=400, standardize=False, task="classification")
    first = features(dataset)
    drawn = first["i"].to_numpy()
    assert len(set(drawn)) == 400
    assert list(drawn) == sorted(drawn)
    assert abs(drawn.mean() - 1500) < 5 * 866 / 20
    np.testing.assert_array_equal(first["x"], drawn % 7 / 2)
    pd.testing.assert_frame_equal(features(dataset), first)
    other = dataset.model_copy(update={"data_seed": 2})
    assert len({*drawn} & {*features(other)["i"]}) < 120
    assert "2,600 set aside (not in the sample)" in what_was_read(dataset, [1], scored=False).rows
    assert len(rows(dataset.model_copy(update={"sample": 5000})).y) == 3000


def test_a_sample_takes_rows_of_several_lines_whole_and_no_blank_ones(tmp_path):
    lines = ["about this file", "x,note,y", *(f'{i},"of {i % 5}\nand, {i % 5}",{i % 2}\n' for i in range(500))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    found = features(table(tmp_path / "a.csv", skip_rows=1, sample=100))
    assert len(found) == 100
    assert list(found["note"]) == [f"of {i % 5:g}\nand, {i % 5:g}" for i in found["x"]]
    (tmp_path / "a.csv").write_text("x,z,y\n" + '"' + "1,2,3\n" * 800_000)
    assert "a quote that is not closed" in faults(table(tmp_path / "a.csv", sample=100), [1], "datasets[0]")[0]


def test_a_file_that_is_too_large_is_read_by_a_sample_and_init_takes_one(tmp_path, monkeypatch):
    monkeypatch.setattr("noiseflow.datasets.file_limits.MAX_BYTES", 20_000)
    LARGE.to_csv(tmp_path / "a.csv", index=False)
    assert "set sample: 50000" in found(table(tmp_path / "a.csv"))[0]
    monkeypatch.setattr("noiseflow.study.choosing_table.SAMPLE", 500)
    text = draft_study(str(tmp_path / "a.csv"), "y")
    assert "sample: 500" in text
    monkeypatch.setattr("noiseflow.datasets.file_limits.MAX_SAMPLED", 20_000)
    assert "have at most 20,000 bytes" in found(table(tmp_path / "a.csv", sample=500))[0]


def test_the_seed_that_draws_a_sample_is_part_of_a_trials_identity(path):
    def ids(**settings):
        datasets = [table(path, **settings).model_dump()]
        study = validate({"name": "a", "n_seeds": 1, "datasets": datasets, "architectures": [{"kind": "mlp"}],
                          "variants": [{"name": "baseline"}]})  # fmt: skip
        (cell,) = make_plan(study, "vectorized").cells
        return cell.trial_id(7, 0)

    assert ids(data_seed=1) == ids(data_seed=2)
    assert ids(data_seed=1, sample=30) != ids(data_seed=2, sample=30)


def test_a_table_is_encoded_as_scikit_learn_does_it(tmp_path):
    """Bit for bit: imputed, standardised, one column a category, those that do not train 0 in the test rows too."""
    rng = np.random.default_rng(1)
    x, level = rng.normal(size=(90, 3)) * [1e-6, 1, 1e6], rng.choice(["a", "b", "c"], 90).astype(object)
    x[rng.random((90, 3)) < 0.2] = np.nan
    level[rng.random(90) < 0.3] = None
    frame = pd.DataFrame(x, columns=["p", "q", "r"]).assign(
        level=level, rare=["once", *["a", "b"] * 44, "last"], y=[0, 1] * 45
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    dataset = table(tmp_path / "a.csv", missing="impute", task="classification")
    table_read = read(dataset)
    pipeline = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["p", "q", "r"]),
            (
                "categories",
                make_pipeline(
                    SimpleImputer(strategy="most_frequent", missing_values=None),
                    OneHotEncoder(
                        categories=[*table_read.categories.values()], handle_unknown="ignore", sparse_output=False
                    ),
                ),
                ["level", "rare"],
            ),
        ]
    )
    for seed in range(4):
        train, test = split_rows(table_read.rows, dataset, seed)
        columns = frame.assign(level=frame["level"].astype(object).where(frame["level"].notna(), None))
        expected = pipeline.fit_transform(columns.iloc[train]), pipeline.transform(columns.iloc[test])
        expected[1][:, 3:] *= expected[0][:, 3:].any(axis=0)
        data = generate(dataset, seed)
        np.testing.assert_array_equal(data.X_train, expected[0])
        np.testing.assert_array_equal(data.X_test, expected[1])


def test_a_split_is_kept_until_the_file_changes(tmp_path):
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    dataset = table(tmp_path / "a.csv", drop=["size", "zip"])
    first = generate(dataset, 1)
    assert generate(dataset, 1) is first
    assert generate(dataset, 2) is not first
    FRAME.assign(x=FRAME["x"] * 2 + 1).iloc[::-1].to_csv(tmp_path / "a.csv", index=False)
    assert not np.array_equal(generate(dataset, 1).X_train, first.X_train)


def test_splits_are_kept_within_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(finite, "MOST_KEPT", 2_000)
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    dataset = table(tmp_path / "a.csv", drop=["size", "zip"])
    for seed in range(9):
        np.testing.assert_array_equal(generate(dataset, seed).X_train, generate(dataset, seed).X_train)
    assert 0 < len(finite._KEPT) < 3
