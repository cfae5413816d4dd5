"""The kinds of noise: each has all its parts; and what the record of an injection takes and refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError
from scipy import stats

from noiseflow.engine.sites import factor
from noiseflow.noise import KINDS, kind_of
from noiseflow.noise.injection import Injection
from noiseflow.noise.shaped import Shaped, mixture
from noiseflow.wording import listed

OF_STATES = [kind.name for kind in KINDS if "recurrent_state" in kind.places]
WITHIN = [kind for kind in KINDS if kind.places != ("labels",)]


class Numbers:
    """Numbers of numpy's, as a stream gives them."""

    scales = ()

    def __init__(self):
        self.generator = np.random.default_rng(4)

    def normal(self, _, shape, dtype):
        return tf.constant(self.generator.normal(size=shape), dtype)

    def uniform(self, _, shape, dtype):
        return tf.constant(self.generator.uniform(size=shape), dtype)


def ramps(n_rows=2000, n_steps=12):
    """Rows (n_rows, n_steps, 2) that go up by a constant at each step."""
    return np.broadcast_to(np.arange(n_steps)[:, None] * [1.0, 0.5] + [0.3, -2.0], (n_rows, n_steps, 2)).copy()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_kind_has_all_its_parts(kind):
    """The contract of a kind: its name, places, what it does, its moments, and Keras code that does the same."""
    assert kind.name
    assert kind.strength in ("stddev", "rate", "alpha")
    assert kind.strength in Injection.model_fields
    assert kind.places
    assert kind.sentence
    assert set(kind.n_axes) <= {2, 3, 4}
    if {"weights", "gradients"} & set(kind.places):
        assert kind.name == "gaussian"  # the engine adds normal numbers there, whatever `apply` does
    if kind not in WITHIN:
        return
    strength, x = 0.3 if kind.elementwise else 0.1, ramps()
    noised = np.asarray(kind.apply(tf.constant(x), strength, Numbers(), "any"))
    mean, variance = (np.broadcast_to(moment, x.shape)[0, 1:-1] for moment in kind.moments(x, strength))
    error = np.sqrt(variance.max() / len(x))
    np.testing.assert_allclose(noised[:, 1:-1].mean(0), mean, atol=6 * error)
    np.testing.assert_allclose(noised[:, 1:-1].var(0), variance, rtol=0.25, atol=1e-12)
    np.testing.assert_allclose(kind.apply(tf.constant(x), 0.0, Numbers(), "any"), x, atol=1e-12)
    if (layer := kind.layer(strength)) or kind.expression(strength):
        keras.utils.set_random_seed(3)
        code = layer or f"lambda x, training: {kind.expression(strength)}"
        theirs = np.asarray(eval(code, {"keras": keras})(tf.constant(x, "float32"), training=True))  # noqa: S307 - ours
        ours = noised.astype("float32")[:, 7, 0]
        assert stats.ks_2samp(ours, theirs[:, 7, 0], method="asymp").pvalue > 1e-5


@pytest.mark.parametrize("kind", [kind for kind in WITHIN if kind.elementwise], ids=lambda kind: kind.name)
def test_kind_takes_a_strength_for_each_column(kind):
    x = tf.constant(ramps())
    noised = np.asarray(kind.apply(x, tf.constant([0.3, 0.0], "float64"), Numbers(), "any"))
    both = np.asarray(kind.apply(x, 0.3, Numbers(), "any"))
    np.testing.assert_allclose(noised[..., 1], x[..., 1], atol=1e-12)
    np.testing.assert_allclose(noised[..., 0], both[..., 0])


def test_gaussian_noise_above_1_is_no_layer_of_keras():
    kind = kind_of("gaussian")
    assert kind.layer(1.0) == "keras.layers.GaussianNoise(1)"
    assert kind.layer(1.5) is None
    with pytest.raises(ValueError, match="stddev"):
        keras.layers.GaussianNoise(1.5)


@pytest.mark.parametrize(
    ("ar1", "length_scale", "expected"), [(0.9, None, 0.9), (-0.5, None, -0.5), (None, 2.0, np.exp(-1 / 8))]
)
def test_mixture_gives_the_correlation_of_neighbours_and_variance_1(ar1, length_scale, expected):
    mixing = mixture(40, ar1, length_scale)
    covariance = mixing @ mixing.T
    np.testing.assert_allclose(np.diag(covariance), 1.0)
    np.testing.assert_allclose(np.diag(covariance, 1)[10:-10], expected, rtol=1e-6)


def test_images_are_correlated_along_both_axes():
    drawn = np.asarray(Shaped(Numbers(), length_scale=2.0).normal("any", (400, 12, 12, 1), "float64"))
    for one, other in ((drawn[:, 4:-5], drawn[:, 5:-4]), (drawn[:, :, 4:-5], drawn[:, :, 5:-4])):
        assert (one * other).mean() == pytest.approx(np.exp(-1 / 8), abs=0.05)


@pytest.mark.parametrize(("draws", "shape"), [("channel", (5, 1, 2)), ("row", (5, 1, 1)), ("element", (5, 7, 2))])
def test_draws_have_the_shape_that_is_asked_for(draws, shape):
    shaped = Shaped(Numbers(), draws)
    assert shaped.normal("any", (5, 7, 2), "float32").shape == shape
    assert shaped.uniform("any", (5, 7, 2), "float32").shape == shape


def test_correlated_uniform_numbers_are_uniform():
    drawn = np.asarray(Shaped(Numbers(), ar1=0.5).uniform("any", (4000, 3, 1), "float64"))
    assert stats.kstest(drawn[:, 2, 0], "uniform").pvalue > 1e-5


def test_time_shift_holds_the_ends_and_a_warp_keeps_them():
    x = ramps(50)
    shifted = np.asarray(kind_of("time_shift").apply(tf.constant(x), 3.0, Numbers(), "any"))
    assert (shifted.min(), shifted.max()) == (x.min(), x.max())
    warped = np.asarray(kind_of("time_warp").apply(tf.constant(x), 0.2, Numbers(), "any"))
    np.testing.assert_allclose(warped[:, [0, -1]], x[:, [0, -1]])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [0.2, 0.6, 1.0, 1.4]),
        ("cosine", [0.2, 0.5, 1.1, 1.4]),
        ("step", [0.2, 0.2, 1.4, 1.4]),
        ("constant", [1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_factor_goes_from_start_to_final(schedule, expected):
    """By hand: shares 0, 1/3, 2/3 and 1 of the epochs, from .2 to 1.4; the cosine of a sixth of a turn is .5."""
    shares = [factor(schedule, 0.2, 1.4, 0.5, t) for t in (0.0, 1 / 3, 2 / 3, 1.0)]
    assert shares == pytest.approx(expected)


MASK = {"place": "input", "kind": "mask", "rate": 0.5}
INPUT = {"place": "input", "stddev": 0.1}
REFUSED = {
    "columns elsewhere": ({"place": "after:a", "stddev": 0.1, "columns": ["a"]}, "at the place input to have columns"),
    "columns of a warp": (INPUT | {"kind": "time_warp", "columns": ["a"]}, "must have no columns"),
    "correlated weights": (INPUT | {"place": "weights", "correlation": {"ar1": 0.5}}, "at the place weights"),
    "two correlations": (INPUT | {"correlation": {"ar1": 0.5, "length_scale": 1}}, "either ar1 or length_scale"),
    "rate that rises to 1": (MASK | {"schedule": "linear", "final": 2}, "must keep the rate below 1"),
    "rate of a column": (MASK | {"columns": {"a": 2}}, "must keep the rate below 1"),
    "mean of a rate": (MASK | {"mean": 1}, "to have a mean"),
    "start without schedule": (INPUT | {"start": 0.5}, "must follow a schedule"),
    "step_at of a cosine": (INPUT | {"schedule": "cosine", "step_at": 0.5}, "must follow the schedule step"),
    "infinite": (INPUT | {"stddev": float("inf")}, "finite number"),
    "labels at test": ({"place": "labels", "kind": "flip", "rate": 0.1, "at": ["train", "test"]}, "to act at test"),
    "never at train": (INPUT | {"at": ["test"]}, "must be at train, or at train and test"),
    "neftune's stddev": ({"place": "after:e", "kind": "neftune", "stddev": 0.1}, "must have an alpha and no stddev"),
    "dropout of a state": (
        {"place": "recurrent_state", "kind": "dropout", "rate": 0.1},
        f"{listed(OF_STATES, last='or')}, at",
    ),
    "all at once": (INPUT | {"kind": "time_warp", "mean": 1, "columns": ["a"]}, "mean; and must have no columns"),
}


@pytest.mark.parametrize(("given", "text"), REFUSED.values(), ids=REFUSED)
def test_injection_refuses_what_does_not_go_together(given, text):
    with pytest.raises(ValidationError, match=text):
        Injection(**given)


@pytest.mark.parametrize(
    ("given", "shape", "text"),
    [
        ({"kind": "time_warp"}, (8, 5), "time_warp for steps and features"),
        ({"draws": "channel"}, (8, 5), "no axis of steps or pixels"),
        ({"correlation": {"ar1": 0.5}}, (8, 5, 5, 1), "ar1 needs rows of steps"),
        ({"correlation": {"length_scale": 2}}, (8, 5), "length_scale needs rows of steps"),
        ({"correlation": {"ar1": 0.5}}, (8, None, 2), "known before"),
        ({"columns": [0, 7]}, (8, 5), "from 0 to 4; received 7"),
    ],
)
def test_injection_refuses_rows_that_lack_its_axis(given, shape, text):
    (fault,) = Injection(**INPUT | given).faults_at(shape)
    assert text in fault


COLUMNS = [("age", True), ("income", True), ("city", False), ("city", False)]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (None, {"0": 1.0, "1": 1.0}),
        ("numeric", {"0": 1.0, "1": 1.0}),
        ("all", None),
        (["age", "city"], {"0": 1.0, "2": 1.0, "3": 1.0}),
        ({"income": 0.5}, {"1": 0.5}),
    ],
)
def test_columns_of_a_table_become_numbers(columns, expected):
    assert Injection(place="input", stddev=0.2, columns=columns).resolved(COLUMNS).columns == expected


def test_columns_have_a_share_each_and_those_that_are_not_named_none():
    assert Injection(**INPUT | {"columns": {1: 0.5}}).shares(3) == (0.0, 0.5, 0.0)
    assert Injection(**INPUT).resolved([("a", True), ("b", True)]).shares(2) is None
    assert Injection(place="input", columns={"age": 0.1, 1: 0.3}).stddev == 1.0
