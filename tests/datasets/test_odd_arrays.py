"""Arrays as people have them: names, layouts, kinds of values and lengths, each with what a person reads."""

import numpy as np
import pytest
import yaml

from noiseflow.base.faults import InvalidInputError
from noiseflow.datasets import faults, generate, warnings
from noiseflow.datasets.facts import what_was_read
from noiseflow.study.draft import draft_study
from noiseflow.study.loading import validate

N = 60
RNG = np.random.default_rng(1)
X = RNG.normal(size=(N, 5))
Y = np.arange(N) % 3
WAVES = np.sin(np.linspace(0, 9, 100) + RNG.normal(size=(N, 3, 1)))


def drafted(tmp_path, **arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    text = draft_study(str(tmp_path / "a.npz"), "")
    (dataset,) = validate(yaml.safe_load(text)).datasets
    assert not faults(dataset, [1], "datasets[0]")
    return dataset, text


def rows_of(values):
    rows = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        rows[i] = value
    return rows


@pytest.mark.parametrize(
    ("names", "is_given"),
    [
        (("data", "target"), False),
        (("images", "labels"), False),
        (("features", "labels"), False),
        (("arr_0", "arr_1"), False),
        (("trainX", "trainy", "testX", "testy"), True),
        (("train_images", "train_labels", "test_images", "test_labels"), True),
    ],
)
def test_arrays_are_known_by_several_names(tmp_path, names, is_given):
    parts = (X[:40], Y[:40], X[40:], Y[40:]) if is_given else (X, Y)
    dataset, _ = drafted(tmp_path, **dict(zip(names, parts, strict=True)))
    assert (dataset.split == "given") is is_given
    data = generate(dataset.model_copy(update={"standardize": False}), 1)
    assert {tuple(row) for row in (*data.X_train, *data.X_test)} == {tuple(row) for row in X}


@pytest.mark.parametrize(
    "values",
    [
        {"X": X.astype(object), "y": Y},
        {"X": rows_of([list(row) for row in X]), "y": Y},
        {"X": X.astype(">f8"), "y": Y.astype(">i4")},
        {"X": np.asfortranarray(X), "y": np.array([b"a", b"b", b"c"])[Y]},
        {"X": X, "y": np.array([b"a", b"b", b"\xe9"])[Y]},
        {"X": X, "y": Y[:, None]},
        {"X": X, "y": Y[None]},
    ],
    ids=["objects", "lists", "order of bytes", "bytes", "bytes of Latin-1", "a column", "a row"],
)
def test_values_of_several_kinds_are_numbers_and_classes(tmp_path, values):
    dataset, _ = drafted(tmp_path, **values)
    data = generate(dataset, 1)
    assert (dataset.task, data.n_classes, data.X_train.shape) == ("classification", 3, (42, 5))


@pytest.mark.parametrize(
    ("shape", "channels"),
    [((2, 16, 16), "first"), ((64, 8, 8), "first"), ((16, 16, 3), None), ((4, 4, 4), None), ((8, 8, 8), None)],
)
def test_square_images_at_the_end_have_their_channels_first(tmp_path, shape, channels):
    dataset, _ = drafted(tmp_path, X=RNG.normal(size=(N, *shape)), y=Y)
    assert dataset.channels == channels
    if channels:
        assert "channels: first" in faults(dataset.model_copy(update={"channels": None}), [1], "datasets[0]")[0]


def test_steps_are_known_by_neighbours_that_are_alike(tmp_path):
    dataset, text = drafted(tmp_path, X=WAVES, y=Y)
    assert dataset.channels == "first"
    assert generate(dataset, 1).X_train.shape[1:] == (100, 3)
    assert "before its height or steps" in text
    plain = dataset.model_copy(update={"channels": None})
    assert any("read as 3 steps of 100 features" in one for one in warnings(plain, generate(plain, 1)))
    meant = dataset.model_copy(update={"channels": "last"})
    assert not warnings(meant, generate(meant, 1))
    assert drafted(tmp_path, X=np.moveaxis(WAVES, 1, 2), y=Y)[0].channels is None


def test_a_few_steps_of_many_features_are_doubted(tmp_path):
    dataset, text = drafted(tmp_path, X=RNG.normal(size=(N, 3, 100)), y=Y)
    assert dataset.channels is None
    assert "Not sure: rows are read as 3 steps of 100 features" in text


LENGTHS = 5 + np.arange(N) % 4
STEPS = np.arange(9)[None, :, None] < LENGTHS[:, None, None]


@pytest.mark.parametrize("form", ["NaN", "lists", "arrays"])
def test_sequences_of_several_lengths_come_in_several_forms(tmp_path, form):
    full = np.where(STEPS, RNG.normal(size=(N, 9, 2)), np.nan)
    cut = [row[:n] for row, n in zip(full, LENGTHS, strict=True)]
    made = {"NaN": full, "lists": rows_of([row[:, 0].tolist() for row in cut]), "arrays": rows_of(cut)}[form]
    dataset, _ = drafted(tmp_path, X=made, y=Y)
    assert dataset.padding == "masked"
    data = generate(dataset, 1)
    assert data.X_train.shape[1:] == (8, 2 if form == "lists" else 3)
    assert {*data.X_train[..., -1].sum(axis=1)} == {5.0, 6.0, 7.0, 8.0}


def test_padded_sequences_that_look_like_an_image_are_sequences(tmp_path):
    dataset, _ = drafted(tmp_path, X=rows_of([RNG.normal(size=(8 + i % 2, 8)) for i in range(N)]), y=Y)
    assert (dataset.channels, dataset.padding) == (None, "masked")


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"X": X, "y": Y, "weather": Y}, "The file also holds 'weather', which nothing reads."),
        ({"X": X, "y": np.array(["a", "a ", "b"])[Y]}, "Labels are nearly equal ('a', 'a ')"),
        ({"X": np.where(STEPS, 1 + RNG.random((N, 9, 2)), 0), "y": Y}, "Most sequences end with zeros"),
    ],
)
def test_what_may_be_meant_otherwise_is_said_by_init_and_by_plan(tmp_path, arrays, says):
    dataset, text = drafted(tmp_path, **arrays)
    assert says in text.replace("\n    # ", " ")
    assert any(says in one for one in warnings(dataset, generate(dataset, 1)))


def test_missing_numbers_are_refused_unless_the_training_rows_fill_them(tmp_path):
    holes = np.where(X > 1.5, np.nan, X)
    dataset, text = drafted(tmp_path, X=holes, y=Y)
    said = f"Missing numbers in X: {np.isnan(holes).sum()} of 300."
    assert dataset.missing == "impute"
    assert said in text
    assert any(said in one for one in warnings(dataset, generate(dataset, 1)))
    (fault,) = faults(dataset.model_copy(update={"missing": None}), [1], "datasets[0]")
    assert "of 300 numbers that are NaN. Set missing: impute" in fault
    data = generate(dataset.model_copy(update={"standardize": False}), 1)
    known = np.isin(data.X_train, X)
    for k in range(5):
        filled = {*data.X_train[~known[:, k], k], *data.X_test[~np.isin(data.X_test[:, k], X), k]}
        assert filled <= {np.median(data.X_train[known[:, k], k])}
    assert (~known).any()


def test_missing_numbers_of_a_masked_sequence_become_the_median_of_its_steps(tmp_path):
    """Steps that are NaN throughout are none; of the others the flag stays, and the padding stays 0 before it is scaled."""
    steps = RNG.normal(5, 1, size=(N, 6, 2))
    steps[::2, :3] = np.nan
    steps[1, 2, 0] = steps[4, 5, 1] = np.nan
    dataset, _ = drafted(tmp_path, X=steps, y=Y)
    data = generate(dataset.model_copy(update={"standardize": False}), 1)
    rows = np.concatenate([data.X_train, data.X_test])
    assert dataset.padding == "masked"
    assert set(np.unique(rows[..., -1])) == {0.0, 1.0}
    assert (rows[rows[..., -1] == 0] == 0).all()
    for k in range(2):
        there, known = rows[rows[..., -1] > 0][:, k], steps[..., k][~np.isnan(steps[..., k])]
        median = np.median(data.X_train[data.X_train[..., -1] > 0][:, k])
        assert sorted(there) == sorted([*known, median])


def test_a_one_hot_code_is_read_as_classes(tmp_path):
    dataset, text = drafted(tmp_path, X=X, y=np.eye(3)[Y])
    assert "y marks one of 3 classes in each row" in text
    assert dataset.task == "classification"
    assert sorted(np.concatenate([generate(dataset, 1).y_train, generate(dataset, 1).y_test])) == sorted(Y)
    regression = dataset.model_copy(update={"task": "regression", "score": None})
    assert "a one-hot code of 3 classes. Set task: classification" in faults(regression, [1], "datasets[0]")[0]


def test_subjects_of_the_file_are_its_groups(tmp_path):
    dataset, _ = drafted(tmp_path, X=X, y=Y, subject=np.repeat(np.arange(10), 6))
    assert dataset.split == "group"


@pytest.mark.parametrize(
    "codes", [RNG.integers(0, 5000, (N, 20)), rows_of([list(RNG.integers(1, 900, 3 + i % 9)) for i in range(N)])]
)
def test_whole_numbers_that_may_be_codes_of_words_are_doubted(tmp_path, codes):
    assert "X holds large whole numbers. If they are codes" in drafted(tmp_path, X=codes, y=Y)[1].replace(
        "\n    # ", " "
    )


def test_rows_on_the_last_axis_are_pointed_out(tmp_path):
    np.savez(tmp_path / "a.npz", X=RNG.normal(size=(8, 8, 3, N)), y=Y)
    with pytest.raises(InvalidInputError, match=r"Rows seem to be on the last axis: save np.moveaxis\(X, -1, 0\)"):
        draft_study(str(tmp_path / "a.npz"), "")


def test_array_that_rows_are_split_by_is_named(tmp_path):
    dataset, _ = drafted(tmp_path, X=X, y=Y * 1.5, time=np.arange(N))
    assert what_was_read(dataset, [1], scored=False).split == "by 'time': the latest rows test"
