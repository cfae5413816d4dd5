"""Models that keep a state from one batch to the next are trained by `Model.fit`, and our measuring leaves the state alone."""

import keras
import numpy as np
import pytest

from noiseflow import NotVectorizableError, fit_seeds

pytestmark = pytest.mark.slow
L = keras.layers
FALLS_BACK = "falls back to 'reference'"
ROWS = np.random.default_rng(0).normal(size=(32, 5, 2)).astype("float32")
TARGETS = ROWS.sum((1, 2))[:, None]


class Counts(L.Layer):
    """Adds the number of its calls, those in inference mode too."""

    def build(self, shape):
        del shape
        self.calls = self.add_weight(initializer="zeros", trainable=False, name="calls")

    def call(self, x):
        self.calls.assign_add(1.0)
        return x + self.calls / 100


KINDS = {
    "SimpleRNN": lambda: L.SimpleRNN(4, stateful=True),
    "LSTM": lambda: L.LSTM(4, stateful=True),
    "GRU": lambda: L.GRU(4, stateful=True),
    "Bidirectional": lambda: L.Bidirectional(L.LSTM(2, stateful=True)),
    "own layer": lambda: keras.Sequential([Counts(), L.Flatten()]),
}


def builder(kind):
    def build():
        model = keras.Sequential([keras.Input(batch_shape=(8, 5, 2)), KINDS[kind](), L.Dense(1)])
        model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
        return model

    return build


@pytest.mark.parametrize("kind", KINDS)
def test_state_that_goes_on_is_that_of_model_fit(kind):
    arguments = {"epochs": 3, "batch_size": 8, "shuffle": False, "validation_data": (ROWS[:16], TARGETS[:16])}
    with pytest.warns(UserWarning, match=FALLS_BACK):
        fit = fit_seeds(builder(kind), ROWS, TARGETS, seeds=[1], **arguments)
    keras.utils.set_random_seed(1)
    expected = builder(kind)().fit(ROWS, TARGETS, verbose=0, **arguments).history
    assert fit.engine == "reference"
    for name in ("loss", "mae", "val_loss", "val_mae"):
        np.testing.assert_allclose(fit.history[name][0], expected[name], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize(("kind", "why"), [("GRU", r"\(GRU\) keeps its state"), ("own layer", "weight '.*calls'")])
def test_state_that_goes_on_is_not_vectorised(kind, why):
    with pytest.raises(NotVectorizableError, match=why):
        fit_seeds(
            builder(kind),
            ROWS,
            TARGETS,
            seeds=[1],
            epochs=1,
            batch_size=8,
            engine="vectorized",
            validation_data=(ROWS[:16], TARGETS[:16]),
        )
