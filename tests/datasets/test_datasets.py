"""Rows that are made, and the best rule where it is known."""

import numpy as np
import pytest
from scipy.stats import rice
from sklearn.datasets import load_diabetes, load_digits, make_circles, make_friedman1, make_moons

from noiseflow.datasets import DATASETS, bayes_accuracy, ceiling, faults, generate, to_frame, warnings
from noiseflow.datasets.data import standardize_features
from noiseflow.study import Dataset

MADE = [kind.name for kind in DATASETS if "n_eval" in kind.settings]
WHOLE = [kind.name for kind in DATASETS if ... not in kind.settings.values()]
"""Kinds that need no setting."""
RULES = [{"kind": name} for name in MADE if bayes_accuracy(Dataset(kind=name)) is not None]
"""Datasets whose best rule is known, first each kind as it is without settings."""
RULES += [
    {"kind": "circles", "noise": 0.2},
    {"kind": "waves", "noise": 1.5, "length": 13},
    {"kind": "xor", "spread": 1.3},
]


ALL = pytest.mark.parametrize("kind", DATASETS, ids=lambda kind: kind.name)


@ALL
def test_dataset_has_all_its_parts(kind):
    """The contract of a kind of dataset: its settings and fields; its rows; below, a rule that is right as often as it says."""
    assert kind.name.isidentifier()
    assert kind.sentence
    assert set(kind.settings) == set(kind.fields)
    for annotation, field in kind.fields.values():
        assert type(None) in annotation.__args__
        assert field.default is None
        assert field.description
        assert field.examples
    assert (kind.task is None) == ("task" in kind.settings)
    if kind.name not in WHOLE:
        return
    dataset = Dataset(kind=kind.name)
    assert {key: getattr(dataset, key) for key in kind.settings} == dict(kind.settings)
    data = generate(dataset, 3)
    assert len(data.X_train) == len(data.y_train) > len(data.X_test) / 3
    assert data.X_train.shape[1:] == data.X_test.shape[1:]
    assert (data.n_classes > 0) == (dataset.of_task == "classification")
    assert dataset.is_finite == ("n_eval" not in kind.settings)
    labels = kind.labels(dataset)
    assert len(labels) in (0, data.n_classes)
    assert not kind.cautions(dataset)
    if kind.has_rule(dataset):
        assert kind.name in {rule["kind"] for rule in RULES}
        assert set(kind.rule(dataset, data.X_test)) <= set(range(data.n_classes))
        assert 1 / data.n_classes < kind.rule_accuracy(dataset) <= 1


def test_fields_of_datasets_are_the_same_wherever_they_are():
    found = {}
    for kind in DATASETS:
        for name, field in kind.fields.items():
            assert found.setdefault(name, field) is field, f"{name} of {kind.name} differs from the others'"
    assert len({kind.name for kind in DATASETS}) == len(DATASETS)


def fields(data):
    return [data.X_train, data.y_train, data.X_test, data.y_test]


@pytest.mark.parametrize("n_eval", [None, 200])
def test_circles_are_those_of_scikit_learn(n_eval):
    X, y = make_circles(100, noise=0.1, factor=0.8, random_state=1)
    data = generate(Dataset(kind="circles", n_eval=n_eval), 1)
    for found, expected in zip(fields(data), (X[:30], y[:30], X[30:], y[30:]), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert data.grid.shape == (2500, 2)
    assert data.grid.max() == 1.1 * np.abs(X).max()


def test_moons_are_those_of_scikit_learn():
    X, y = make_moons(100, noise=0.3, random_state=7)
    data = generate(Dataset(kind="moons"), 7)
    np.testing.assert_array_equal(data.X_test, X[30:])
    np.testing.assert_array_equal(data.y_train, y[:30])


def test_friedman1_is_standardized_on_its_training_rows():
    X, y = make_friedman1(150, 10, noise=1.0, random_state=3)
    data = generate(Dataset(kind="friedman1", n_eval=100), 3)
    np.testing.assert_allclose(data.X_test, (X[50:] - X[:50].mean(0)) / X[:50].std(0))
    np.testing.assert_allclose(data.y_train, (y[:50] - y[:50].mean()) / y[:50].std())
    assert data.target_scale == pytest.approx(y[:50].std())
    assert data.n_classes == 0
    raw = generate(Dataset(kind="friedman1", n_eval=100, standardize=False), 3)
    np.testing.assert_array_equal(raw.y_test, y[50:])
    np.testing.assert_allclose(data.y_eval, (raw.y_eval - y[:50].mean()) / y[:50].std())


@pytest.mark.parametrize("kind", MADE)
def test_fresh_rows_leave_the_others_as_they_are(kind):
    without, with_fresh = (generate(Dataset(kind=kind, n_eval=n), 5) for n in (None, 300))
    for a, b in zip(fields(without), fields(with_fresh), strict=True):
        np.testing.assert_array_equal(a, b)
    assert without.X_eval is None
    assert len(with_fresh.X_eval) == len(with_fresh.y_eval) == 300


@pytest.mark.parametrize("kind", MADE)
def test_fresh_rows_are_nobodys_training_rows(kind):
    n = 200
    dataset = Dataset(kind=kind, n_samples=n, n_train=n - 2, n_eval=n)
    fresh = {seed: generate(dataset, seed).X_eval.reshape(n, -1)[:, 0] for seed in range(6)}
    rows = [generate(dataset, seed).X_train.reshape(n - 2, -1)[:, 0] for seed in range(6)]
    everything = np.concatenate([*fresh.values(), *rows])
    assert len(np.unique(everything)) > 0.99 * len(everything)


@pytest.mark.parametrize("kind", WHOLE)
def test_generate_repeats_itself_and_follows_the_data_seed(kind):
    dataset = Dataset(kind=kind)
    first, again, other = (generate(dataset, seed) for seed in (4, 4, 9))
    for a, b, c in zip(fields(first), fields(again), fields(other), strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.shape == c.shape
        assert a.dtype == np.float64
    assert not np.array_equal(first.X_train, other.X_train)
    assert faults(dataset, [4, 9], "datasets[0]") == []


def test_waves_without_noise_are_whole_cycles():
    data = generate(Dataset(kind="waves", noise=0, length=20), 2)
    assert data.X_train.shape == (60, 20, 1)
    spectrum = np.abs(np.fft.rfft(data.X_train[..., 0], axis=1))
    np.testing.assert_array_equal(spectrum.argmax(axis=1), 1 + data.y_train)
    np.testing.assert_allclose((data.X_train**2).sum(axis=(1, 2)), 10)  # length / 2, whatever phase and class


def test_waves_have_the_noise_that_is_asked_for():
    data = generate(Dataset(kind="waves", n_samples=4000, n_train=3900, noise=0.7, length=32), 2)
    spectrum = np.fft.rfft(data.X_train[..., 0], axis=1)[:, 4:16]  # bins without signal: variance length noise²
    assert np.mean(np.abs(spectrum) ** 2) / 32 == pytest.approx(0.49, rel=0.03)


def test_bayes_accuracy_of_circles_is_that_of_the_two_rice_laws():
    assert bayes_accuracy(Dataset(kind="circles")) == pytest.approx(0.8406, abs=5e-5)  # the best radius of a fine grid


@pytest.mark.parametrize(
    ("noise", "factor"), [(0.1, 0.8), (0.3, 0.5), (2.0, 0.8), (100.0, 0.0), (0.05, 0.0), (0.01, 0.9)]
)
def test_bayes_accuracy_of_circles_is_the_best_threshold(noise, factor):
    radius = np.linspace(0, 1 + 10 * noise, 40_001)
    inner = rice(factor / noise, scale=noise).cdf(radius)
    outer = rice(1 / noise, scale=noise).cdf(radius)
    best = np.max((inner + 1 - outer) / 2)
    assert bayes_accuracy(Dataset(kind="circles", noise=noise, factor=factor)) == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("dataset", RULES, ids=lambda rule: " ".join(map(str, rule.values())))
def test_bayes_accuracy_is_what_the_rule_reaches_on_many_rows(dataset):
    dataset = Dataset(**dataset, n_eval=100_000)
    data = generate(dataset, 1)
    expected = bayes_accuracy(dataset)
    error = np.sqrt(expected * (1 - expected) / 100_000)
    assert ceiling(dataset, data.X_eval, data.y_eval) == pytest.approx(expected, abs=5 * error)


def test_bayes_accuracy_of_xor_is_that_of_two_signs():
    """By hand: of a cloud of stddev 1 a sign is right with chance .8413, and the rule where both are right or both wrong."""
    assert bayes_accuracy(Dataset(kind="xor", spread=1)) == pytest.approx(0.8413447**2 + 0.1586553**2, abs=1e-6)


def test_xor_is_four_clouds_whose_class_is_a_sign():
    data = generate(Dataset(kind="xor", n_samples=4000, n_train=3900, spread=0.1), 2)
    signs = np.sign(data.X_train)
    np.testing.assert_array_equal(data.y_train, signs[:, 0] != signs[:, 1])
    np.testing.assert_allclose((data.X_train * signs).mean(0), 1, atol=0.01)
    np.testing.assert_allclose((data.X_train * signs).std(0), 0.1, atol=0.01)
    assert len(np.unique(signs, axis=0)) == 4


@pytest.mark.parametrize("kind", ["circles", "waves"])
def test_bayes_accuracy_without_noise_is_one(kind):
    assert bayes_accuracy(Dataset(kind=kind, noise=0)) == 1.0


def test_ceiling_is_none_where_no_rule_is_known():
    for dataset in (Dataset(kind="wine"), Dataset(kind="waves", length=4)):
        data = generate(dataset, 1)
        assert ceiling(dataset, data.X_test, data.y_test) is None
        assert bayes_accuracy(dataset) is None


def test_digits_are_images_standardized_over_all_pixels():
    data = generate(Dataset(kind="digits"), 1)
    assert data.X_train.shape == (1257, 8, 8, 1)
    assert data.n_classes == 10
    assert data.X_train.mean() == pytest.approx(0)
    assert data.X_train.std() == pytest.approx(1)
    raw = generate(Dataset(kind="digits", standardize=False), 1)
    together = np.concatenate([raw.X_train, raw.X_test])[..., 0]
    np.testing.assert_array_equal(np.sort(together.sum((1, 2))), np.sort(load_digits().images.sum((1, 2))))


def test_diabetes_target_is_standardized_and_its_scale_told():
    raw = generate(Dataset(kind="diabetes", standardize=False), 1)
    data = generate(Dataset(kind="diabetes"), 1)
    np.testing.assert_allclose(data.y_test * data.target_scale + raw.y_train.mean(), raw.y_test)
    assert raw.target_scale == 1.0
    y = np.concatenate([raw.y_train, raw.y_test])
    np.testing.assert_array_equal(np.sort(y), np.sort(load_diabetes().target))


def test_standardize_features_leaves_constant_ones_at_zero():
    train, test = standardize_features(np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([[2.0, 5.0], [4.0, 6.0]]))
    np.testing.assert_array_equal(train, [[-1, 0], [1, 0]])
    np.testing.assert_array_equal(test, [[0, 0], [2, 1]])


def test_to_frame_flattens_images():
    dataset = Dataset(kind="digits", n_train=40)
    frame = to_frame(dataset, [1])
    assert list(frame.columns) == ["dataset", "data_seed", "split", "row", "X", "y", "targets"]
    assert frame["split"].value_counts().to_dict() == {"test": 540, "train": 40}
    assert len(frame.loc[0, "X"]) == 64


def test_faults_find_a_training_part_of_one_class():
    dataset = Dataset(kind="circles", n_samples=20, n_train=2)
    expected = [s for s in range(20) if len(set(generate(dataset, s).y_train)) == 1]
    assert expected
    (fault,) = faults(dataset, range(20), "datasets[3]")
    assert fault.startswith("datasets[3].n_train must leave at least two classes to train; received")
    assert f"(data seed {expected[0]})" in fault


def test_faults_find_data_seeds_that_are_too_large():
    for kind in ("circles", "wine"):
        dataset = Dataset(kind=kind, data_seed=2**32 - 1)
        (fault,) = faults(dataset, [2**32 - 1, 2**32], "datasets[0]")
        assert fault.startswith("datasets[0].data_seed must leave the last data seed below 4,294,967,296; ")
        assert faults(dataset, [2**32 - 1], "datasets[0]") == []


def test_warnings_say_nothing_of_balanced_classes():
    dataset = Dataset(kind="circles")
    assert warnings(dataset, generate(dataset, 1)) == []
    dataset = Dataset(kind="diabetes")
    assert warnings(dataset, generate(dataset, 1)) == []
