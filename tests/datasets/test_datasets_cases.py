"""Files as people have them are read as what they are: `init` says what it guessed, and the study that it writes runs."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from noiseflow.base.faults import InvalidInputError
from noiseflow.datasets import columns_of, dataset_kind, faults, generate, warnings
from noiseflow.datasets.table_rows import read
from noiseflow.study import Dataset
from noiseflow.study.draft import draft_study
from noiseflow.study.loading import validate

CASES = Path(__file__).parent / "cases"
PLAIN = {"a": "number", "b": "number", "y": "target"}
READ = {  # file, target: the keys that `init` writes, columns as they are used, classes
    ("adult_spaces.csv", "income"): (
        {"na_values": ("?",), "tidy": True, "missing": "impute"},
        {"age": "number", "workclass": "category", "hours": "number", "income": "target"},
        ("<=50K", ">50K"),
    ),
    ("adult_trailing_dot.csv", "income"): (
        {"tidy": True},
        {"age": "number", "workclass": "category", "hours": "number", "income": "target"},
        ("<=50K", ">50K"),
    ),
    ("class_of_one.csv", "y"): ({"set_aside": ("rare_classes",)}, PLAIN, ("x", "y", "z")),
    ("currency.csv", "y"): (
        {"numeric": ("price",)},
        {"price": "number", "b": "number", "y": "target"},
        ("no", "yes"),
    ),
    ("months.csv", "sales"): (
        {"split": "time", "split_by": "month", "task": "regression"},
        {"month": "time", "b": "number", "a": "number", "sales": "target"},
        (),
    ),
    ("no_header.csv", "column_4"): (
        {"header": "none"},
        {"column_1": "number", "column_2": "number", "column_3": "number", "column_4": "target"},
        ("0", "1"),
    ),
    ("patient_ID_groups.csv", "y"): (
        {"split": "group", "split_by": "Patient ID"},
        {"Patient ID": "group", "a": "number", "y": "target"},
        ("no", "yes"),
    ),
    ("plain.csv", "y"): ({"split": "stratified"}, PLAIN, ("no", "yes")),
    ("pq_decimal.parquet", "y"): ({}, {"c": "number", "a": "number", "y": "target"}, ("no", "yes")),
    ("preamble.csv", "y"): ({"skip_rows": 2}, PLAIN, ("no", "yes")),
    ("prices.csv", "price"): (
        {"task": "regression"},
        {"area": "number", "rooms": "number", "price": "target"},
        (),
    ),
    ("question_mark_few.csv", "y"): (
        {"na_values": ("?",), "missing": "impute"},
        {"vessels": "number", "b": "number", "y": "target"},
        ("no", "yes"),
    ),
    ("quoted_decimal_comma.csv", "y"): ({"decimal": ","}, PLAIN, ("no", "yes")),
    ("semicolon_decimal_comma.csv", "y"): ({"separator": ";", "decimal": ","}, PLAIN, ("no", "yes")),
    ("tab_named.csv", "y"): ({"separator": "\t"}, PLAIN, ("no", "yes")),
    ("text_id_with_gap.csv", "y"): (
        {"drop": ("ref",)},
        {"ref": "dropped", "a": "number", "y": "target"},
        ("no", "yes"),
    ),
    ("thousands.csv", "y"): (
        {"thousands": ","},
        {"sales": "number", "b": "number", "y": "target"},
        ("no", "yes"),
    ),
}


def drafted(path, target, **options):
    """The dataset of the study that `init` writes, which has no fault."""
    text = draft_study(str(path), target, **options)
    study = validate(yaml.safe_load(text))
    (dataset,) = study.datasets
    assert faults(dataset, study.data_seeds(dataset), "datasets[0]") == []
    return dataset, text


@pytest.mark.parametrize(("file", "target"), READ)
def test_file_is_read_as_what_it_is(file, target):
    keys, columns, classes = READ[file, target]
    dataset, text = drafted(CASES / file, target)
    assert {key: getattr(dataset, key) for key in keys} == keys
    assert {column.name: column.used_as for column in dataset_kind("table").columns(dataset)} == columns
    assert dataset_kind("table").labels(dataset) == classes
    guessed = [key for key in keys if key not in ("split_by", "missing") or f"{key}:" not in text]
    lines = text.splitlines()
    for key in guessed:
        if keys[key] != "stratified":
            at = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{key}:"))
            assert lines[at - 1].strip().startswith("#"), f"{key} has no remark"


VALUES = {
    "plain.csv": 10.38,
    "currency.csv": 660.4,
    "thousands.csv": 6604,
    "no_header.csv": 10.38,
    "preamble.csv": 10.38,
}


@pytest.mark.parametrize("file", [*VALUES, "semicolon_decimal_comma.csv", "quoted_decimal_comma.csv", "tab_named.csv"])
def test_numbers_have_the_value_that_a_person_reads(file):
    dataset, _ = drafted(CASES / file, "column_4" if file == "no_header.csv" else "y")
    X = read(dataset).rows.X
    assert X[0, 0] == VALUES.get(file, 10.38)
    assert X[0, 1] == 46.1
    assert len(X) == 60


def test_file_without_a_header_takes_a_target_by_its_first_value_or_its_place():
    for target in ("column_2", "46.1", "2"):
        assert drafted(CASES / "no_header.csv", target)[0].target == "column_2"
    with pytest.raises(InvalidInputError, match=r"columns are column_1, .* The first line looks like values"):
        draft_study(str(CASES / "no_header.csv"), "y")


@pytest.mark.parametrize(
    ("file", "target", "says"),
    [
        ("semicolon_decimal_comma.csv", "y", 'Set separator: ";" (or let `noiseflow init` do it)'),
        ("tab_named.csv", "y", 'Set separator: "\\t"'),
        ("preamble.csv", "y", "Set skip_rows: 2"),
        ("class_of_one.csv", "y", "set_aside: [rare_classes]"),
        ("text_id_with_gap.csv", "y", "name them under drop"),
    ],
)
def test_study_that_lacks_a_key_is_refused_with_it(file, target, says):
    dataset = Dataset(kind="table", path=str(CASES / file), target=target, task="classification")
    assert any(says in fault for fault in faults(dataset, [1], "datasets[0]")), faults(dataset, [1], "datasets[0]")


@pytest.mark.parametrize(
    ("file", "target", "says"),
    [
        ("quoted_decimal_comma.csv", "y", "'a' is read as 5"),
        ("thousands.csv", "y", "They look like numbers: name them under numeric"),
        ("currency.csv", "y", "received 'price' (such as '$660.40'). They look like numbers: name them under numeric"),
        ("adult_trailing_dot.csv", "income", "tidy: true makes them one"),
        ("patient_ID_groups.csv", "y", "set group: Patient ID"),
        ("question_mark_few.csv", "y", "'?' for missing values: name it under numeric"),
    ],
)
def test_study_that_reads_otherwise_than_seems_meant_says_so(file, target, says):
    dataset = Dataset(kind="table", path=str(CASES / file), target=target, task="classification", split="random")
    if not (texts := faults(dataset, [1], "datasets[0]")):
        texts = warnings(dataset, generate(dataset, 1))
    assert any(says in text for text in texts), texts


# -- arrays ----------------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(1)
PIXELS = RNG.integers(0, 256, (60, 28, 28), dtype=np.uint8)
LABELS = np.arange(60) % 3


def save(folder, **arrays):
    np.savez(folder / "a.npz", **arrays)
    return folder / "a.npz"


@pytest.mark.parametrize(
    ("X", "channels", "shape", "network"),
    [
        (np.stack([PIXELS] * 3, axis=1), "first", (28, 28, 3), "cnn"),
        (PIXELS, "none", (28, 28, 1), "cnn"),
        (PIXELS[..., None], None, (28, 28, 1), "cnn"),
        (RNG.normal(size=(60, 1, 24)), "first", (24, 1), "lstm"),
        (RNG.normal(size=(60, 24, 2)), None, (24, 2), "lstm"),
        (RNG.normal(size=(60, 5)), None, (5,), "mlp"),
    ],
)
def test_arrays_are_drafted_with_their_channels(tmp_path, X, channels, shape, network):
    dataset, text = drafted(save(tmp_path, X=X, y=LABELS), "")
    assert dataset.channels == channels
    assert generate(dataset, 1).X_train.shape[1:] == shape
    assert f"{{kind: {network}," in text


@pytest.mark.parametrize("X", [np.stack([PIXELS] * 3, axis=1), RNG.normal(size=(60, 1, 24))])
def test_channels_that_seem_to_come_first_are_asked_about(tmp_path, X):
    path = str(save(tmp_path, X=X, y=LABELS))
    (fault,) = faults(Dataset(kind="arrays", path=path, task="classification"), [1], "datasets[0]")
    assert "Set channels: first, or channels: last if that is meant." in fault
    meant = Dataset(kind="arrays", path=path, task="classification", channels="last")
    assert generate(meant, 1).X_train.shape[1:] == X.shape[1:]


@pytest.mark.parametrize("labels", [["b", "a", "c"], [True, False], ["1", 2]])
def test_labels_that_are_objects_are_read(tmp_path, labels):
    y = np.array((labels * 60)[:60], dtype=object)
    dataset, _ = drafted(save(tmp_path, X=RNG.normal(size=(60, 5)), y=y), "")
    assert len(dataset_kind("arrays").labels(dataset)) == len(labels)


class Harmful:
    def __reduce__(self):
        return print, ("code of the file runs",)


def test_pickled_code_is_not_run(tmp_path, capsys):
    path = save(tmp_path, X=RNG.normal(size=(60, 5)), y=np.array([Harmful()] * 60, dtype=object))
    (fault,) = faults(Dataset(kind="arrays", path=str(path), task="classification"), [1], "datasets[0]")
    assert "asks for builtins.print, which is no part of an array" in fault
    assert "runs" not in capsys.readouterr().out


def test_sequences_of_several_lengths_are_padded_before_and_marked(tmp_path):
    X = np.empty(40, dtype=object)
    for i in range(40):
        X[i] = np.full((1 + i % 4, 2), i + 1.0)
    dataset, _ = drafted(save(tmp_path, X=X, y=np.arange(40) % 2), "")
    raw = dataset_kind("arrays").rows(dataset).X
    assert raw.shape == (40, 4, 3)
    np.testing.assert_array_equal(raw[1], [[0, 0, 0], [0, 0, 0], [2, 2, 1], [2, 2, 1]])
    assert any("padded" in text for text in warnings(dataset, generate(dataset, 1)))


def sequences_file(tmp_path, lengths=(1, 2, 3, 4)):
    X = np.empty(40, dtype=object)
    for i in range(40):
        length = lengths[i % len(lengths)]
        X[i] = np.column_stack([np.full(length, i + 1.0), np.full(length, 100.0)])
    return save(tmp_path, X=X, y=np.arange(40) % 2)


def test_masked_sequences_are_standardised_over_the_steps_that_are_there(tmp_path):
    dataset, text = drafted(sequences_file(tmp_path), "")
    assert dataset.padding == "masked"
    assert "padding: masked" in text
    data = generate(dataset, 1)
    there = data.X_train[..., -1] == 1
    np.testing.assert_allclose(data.X_train[there][:, :2].mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(data.X_train[there][:, 0].std(), 1)
    assert not data.X_train[~there].any()
    assert not data.X_test[data.X_test[..., -1] == 0].any()
    assert columns_of(dataset) == (("feature_1", True), ("feature_2", True), ("is_there", False))
    marked = dataset.model_copy(update={"padding": None})
    assert any("padding: masked has an lstm skip it" in text for text in warnings(marked, generate(marked, 1)))
    assert columns_of(marked) is None


def test_padding_of_sequences_of_one_length_is_refused(tmp_path):
    path = save(tmp_path, X=RNG.normal(size=(60, 5, 2)), y=LABELS)
    dataset = Dataset(kind="arrays", path=str(path), task="classification", padding="masked")
    assert "sequences of several lengths" in faults(dataset, [1], "datasets[0]")[0]


def test_pixels_are_scaled_by_default_and_on_request(tmp_path):
    path = save(tmp_path, X=PIXELS[..., None], y=LABELS)
    dataset, text = drafted(path, "")
    assert "scale: 255 with standardize: false" in text
    assert abs(generate(dataset, 1).X_train.std() - 1) < 1e-9
    plain = dataset.model_copy(update={"standardize": False})
    assert any("scale: 255" in text for text in warnings(plain, generate(plain, 1)))
    scaled = plain.model_copy(update={"scale": 255.0})
    assert generate(scaled, 1).X_train.max() == 1
    assert not warnings(scaled, generate(scaled, 1))


def test_scale_leaves_what_says_which_steps_are_there(tmp_path):
    dataset, _ = drafted(sequences_file(tmp_path), "")
    raw = dataset_kind("arrays").rows(dataset.model_copy(update={"scale": 4.0})).X
    np.testing.assert_array_equal(raw[1], [[0, 0, 0], [0, 0, 0], [0.5, 25, 1], [0.5, 25, 1]])


@pytest.mark.parametrize(
    "names", [("x_train", "y_train", "x_test", "y_test"), ("X_train", "y_train", "X_test", "y_test")]
)
def test_given_test_arrays_test(tmp_path, names):
    X = RNG.normal(size=(60, 5))
    path = save(tmp_path, **dict(zip(names, (X[:40], LABELS[:40], X[40:], LABELS[40:]), strict=True)))
    dataset, text = drafted(path, "")
    assert (dataset.split, "design: replicate" in text) == ("given", True)
    data = generate(dataset.model_copy(update={"standardize": False}), 1)
    np.testing.assert_array_equal(data.X_train, X[:40])
    np.testing.assert_array_equal(data.X_test, X[40:])
    plain = dataset.model_copy(update={"split": None})
    assert "Set split: given" in faults(plain, [1], "datasets[0]")[0]


def test_groups_of_arrays_stay_together(tmp_path):
    groups = np.repeat(np.arange(12), 5)
    dataset, _ = drafted(save(tmp_path, X=groups[:, None] * np.ones((1, 3)), y=LABELS, groups=groups), "")
    assert dataset.split == "group"
    data = generate(dataset, 1)
    assert not {*data.X_train[:, 0]} & {*data.X_test[:, 0]}
