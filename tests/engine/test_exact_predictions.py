"""Predictions in double precision: their loss is the one that Keras computes from the logits."""

import warnings

import numpy as np
import pytest

from noiseflow import fit_seeds
from noiseflow.scores import loss

ROWS = np.array([[1.0], [0.5], [-1.0]])
STEEP = 60.0


def building(units, activation, kind):
    def build():
        import keras

        kernel = keras.initializers.Constant(np.linspace(STEEP, -STEEP, units)[None])
        output = keras.layers.Dense(units, kernel_initializer=kernel)
        layers = [keras.Input((1,)), output, *([keras.layers.Activation(activation)] if activation else [])]
        model = keras.Sequential(layers)
        model.compile(keras.optimizers.SGD(0.0), kind)
        return model

    return build


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["vectorized", "reference"])
@pytest.mark.parametrize(
    ("units", "activation", "kind"),
    [(1, "sigmoid", "binary_crossentropy"), (3, "softmax", "sparse_categorical_crossentropy")],
)
def test_loss_of_confident_mistakes_is_that_of_keras(engine, units, activation, kind):
    y = np.array([0.0, 0.0, 1.0]) if units == 1 else np.array([2.0, 1.0, 0.0])
    build = building(units, activation, kind)
    fit = fit_seeds(build, ROWS, y, seeds=[0], epochs=1, validation_data=(ROWS, y), engine=engine)
    outputs, is_exact = fit.predict_exactly(ROWS)
    assert is_exact
    assert loss(outputs, y, max(units, 2))[0] == pytest.approx(fit.history["val_loss"][0, -1], rel=1e-6)
    assert fit.history["val_loss"][0, -1] > 37
    per_seed, _ = fit.predict_exactly(ROWS[None], per_seed=True)
    np.testing.assert_array_equal(per_seed, outputs)
    np.testing.assert_allclose(outputs[..., -units:], fit.predict(ROWS), atol=1e-6)


def test_outputs_that_end_otherwise_are_as_predicted():
    fit = fit_seeds(building(1, "softplus", "mse"), ROWS, ROWS[:, 0], seeds=[0], epochs=1, engine="vectorized")
    outputs, is_exact = fit.predict_exactly(ROWS)
    assert not is_exact
    np.testing.assert_array_equal(outputs, np.asarray(fit.predict(ROWS), np.float64))


@pytest.mark.slow
def test_model_that_draws_while_it_predicts_is_not_taken_for_wrong():
    import keras

    class Drawn(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.generator = keras.random.SeedGenerator(1)

        def call(self, inputs):
            return inputs + keras.random.normal(keras.ops.shape(inputs), seed=self.generator)

    def build():
        model = keras.Sequential([keras.Input((1,)), Drawn(), keras.layers.Dense(1, activation="sigmoid")])
        model.compile("sgd", "binary_crossentropy")
        return model

    fit = fit_seeds(build, ROWS, np.array([0.0, 0.0, 1.0]), seeds=[0, 1], epochs=1, engine="vectorized")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outputs, is_exact = fit.predict_exactly(ROWS)
    assert is_exact
    assert outputs.shape == (2, 3, 2)
