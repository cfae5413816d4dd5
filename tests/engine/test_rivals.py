"""The rivals to noise: what Keras gives where it has them; both engines: tests/slow/engine/test_parity.py."""

import keras
import numpy as np
import pytest

from noiseflow import Control, fit_seeds
from noiseflow.controls import control_kind

pytestmark = pytest.mark.slow
L = keras.layers
rng = np.random.default_rng(2)
X = rng.normal(size=(40, 3)).astype("float32")
Y = (X.sum(axis=1) + rng.normal(size=40) > 0).astype(int)


def build(loss="binary_crossentropy", units=1, activation="sigmoid", constraint=None):
    layers = [
        L.Dense(5, "tanh", kernel_constraint=constraint),
        L.Dense(units, activation, kernel_constraint=constraint),
    ]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile(loss=loss, optimizer=keras.optimizers.SGD(0.5))
    return model


def fit(engine, controls=(), model=build, epochs=6, **options):
    return fit_seeds(
        model,
        X,
        Y,
        seeds=[1, 2],
        epochs=epochs,
        batch_size=20,
        controls=controls,
        engine=engine,
        shuffle=False,
        **options,
    )


def alike(one, other):
    for ours, theirs in zip(one.weights, other.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_label_smoothing_is_that_of_keras():
    loss = keras.losses.BinaryCrossentropy(label_smoothing=0.2)
    control = Control(kind="label_smoothing", smoothing=0.2)
    alike(fit("vectorized", [control]), fit("vectorized", model=lambda: build(loss)))


def test_label_smoothing_of_class_numbers_is_that_of_one_hot_targets():
    control = Control(kind="label_smoothing", smoothing=0.2)
    sparse = fit("vectorized", [control], model=lambda: build("sparse_categorical_crossentropy", 2, "softmax"))
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.2)
    given = {"seeds": [1, 2], "epochs": 6, "batch_size": 20, "shuffle": False, "engine": "vectorized"}
    alike(sparse, fit_seeds(lambda: build(loss, 2, "softmax"), X, np.eye(2)[Y], **given))


def test_max_norm_is_the_constraint_of_keras():
    constraint = keras.constraints.MaxNorm(0.5)
    ours = fit("vectorized", [Control(kind="max_norm", max_value=0.5)])
    alike(ours, fit("vectorized", model=lambda: build(constraint=constraint)))


def test_weight_averaging_is_the_mean_of_the_last_epochs():
    ends = [fit("vectorized", epochs=n) for n in (5, 6)]
    ours = fit("vectorized", [Control(kind="weight_averaging", last=1 / 3)])
    for i, weights in enumerate(ours.weights):
        np.testing.assert_allclose(weights, (ends[0].weights[i] + ends[1].weights[i]) / 2, atol=1e-6)


def test_sam_climbs_by_rho_along_the_gradient():
    climb = control_kind("sam").climb(0.1, [np.array([3.0]), None, np.array([[4.0]])])
    np.testing.assert_allclose(climb[0], [0.06])
    assert climb[1] is None
    np.testing.assert_allclose(climb[2], [[0.08]])


def test_mixup_draws_from_the_beta_distribution():
    kind = control_kind("mixup")
    shares = [float(kind.share(kind.argument(0.4), np.float64(u))) for u in np.linspace(0.001, 0.999, 401)]
    assert np.mean(shares) == pytest.approx(0.5, abs=1e-3)
    assert np.var(shares) == pytest.approx(1 / (4 * 1.8), rel=0.03)  # of Beta(a, a): 1 / (4 (2a + 1))


@pytest.mark.parametrize("engine", ["vectorized", "reference"])
def test_mixup_of_a_linear_model_under_squared_error(engine):
    """With weights of 0, the expected loss is mean(y²), whatever is blended; with blended rows the gradient is smaller."""

    def model():
        made = keras.Sequential([keras.Input((3,)), L.Dense(1, use_bias=False, kernel_initializer="zeros")])
        made.compile(loss="mse", optimizer=keras.optimizers.SGD(1.0))
        return made

    controls = [Control(kind="mixup", alpha=100.0)]  # the share is near a half
    given = {
        "seeds": range(30 if engine == "vectorized" else 6),
        "epochs": 1,
        "batch_size": 40,
        "shuffle": False,
        "engine": engine,
    }
    found = fit_seeds(model, X, X[:, 0], controls=controls, **given)
    bare = fit_seeds(model, X, X[:, 0], **given)
    assert found.history["loss"].mean() == pytest.approx(float((X[:, 0] ** 2).mean()), rel=1e-4)
    gradient, expected = found.weights[0][:, 0, 0].mean(), bare.weights[0][0, 0, 0]
    assert 0.4 * expected < gradient < 0.65 * expected  # E[x̃ ỹ] = (λ² + (1-λ)²) E[x y] + 2 λ (1-λ) E[x] E[y]


def test_what_cannot_be_done_is_refused():
    with pytest.raises(ValueError, match="label_smoothing needs classes"):
        fit_seeds(
            lambda: build("mse", 1, "linear"),
            X,
            X[:, 0],
            seeds=[1],
            controls=[Control(kind="label_smoothing", smoothing=0.1)],
        )
    with pytest.raises(ValueError, match="part of the network"):
        fit("vectorized", [Control(kind="batch_normalization", momentum=0.9)])
    with pytest.raises(ValueError, match="or average weights, once"):
        fit(
            "vectorized",
            [Control(kind="weight_averaging", last=0.5), Control(kind="best_epoch", validation_fraction=0.2)],
        )
