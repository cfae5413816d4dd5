"""Models of keras.io's examples: `fit_seeds` trains each as `Model.fit` does, bare and with noise.

Where an example draws random numbers (dropout, sampling, augmentation), its losses have nothing to be compared with; there it
is checked that it runs on the vectorised engine, repeats, and predicts as Keras does.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from noiseflow import Injection, fit_seeds
from noiseflow.engine.keras_state import build_seeded, floatx, seeded
from tests.keras_examples import EXAMPLES, Example
from tests.series import series

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SEEDS, EPOCHS, BATCH = [3, 4], 3, 8
EACH_TIME = [
    *("structured data with dict inputs", "convnet", "tab transformer", "multitask", "transfer learning"),
    *("loss and metric of a layer", "distillation", "augmentation", "variational autoencoder, own step"),
]
"""One of each kind of model and of part; `make evidence` trains the others too."""


def names(*, random: bool) -> list[Any]:
    """Names of examples, those that are not trained each time marked."""
    found = [name for name, example in EXAMPLES.items() if example.random is random]
    return series(found, [name for name in EACH_TIME if EXAMPLES[name].random is random])


def fit(example: Example, **changes: Any) -> Any:
    """What `fit_seeds` gives, on the engine that the example expects."""
    arguments = {"seeds": SEEDS, "epochs": EPOCHS, "batch_size": BATCH, "shuffle": False, **changes}
    if example.falls_back is None:
        result = fit_seeds(example.build, example.x, example.y, **arguments)
        assert result.engine == "vectorized"
        return result
    with pytest.warns(UserWarning, match=example.falls_back):
        result = fit_seeds(example.build, example.x, example.y, **arguments)
    assert result.engine == "reference"
    return result


def noisy_fit(name: str) -> Any:
    """A fit whose first seed has strong noise, and its second one next to none."""
    example = EXAMPLES[name]
    if example.noise is None:
        return fit(example)
    return fit(example, noise=[Injection(place=example.noise)], strengths=[[0.3], [1e-12]])


def model_fit(example: Example, seed: int) -> dict[str, list[float]]:
    """The history of Keras' own `Model.fit`, operation by operation: nothing of it is compiled."""
    model = build_seeded(example.build, seed)
    model.run_eagerly = True
    x, y = (keras.tree.map_structure(_as_given, part) for part in (example.x, example.y))
    with seeded(seed):
        return dict(model.fit(x, y, epochs=EPOCHS, batch_size=BATCH, shuffle=False, verbose=0).history)


def _as_given(values: Any) -> Any:
    return values.astype(keras.config.floatx()) if np.issubdtype(values.dtype, np.floating) else values


def differences(ours: Any, example: Example, i: int) -> dict[str, float]:
    """The largest relative difference of each quantity of seed i to `Model.fit`."""
    theirs = model_fit(example, SEEDS[i])
    assert sorted(theirs) == sorted(ours.history)
    return {
        name: float(np.max(abs(ours.history[name][i] - expected) / np.maximum(np.abs(expected), 1e-3)))
        for name, expected in theirs.items()
    }


@pytest.mark.parametrize("name", names(random=False))
def test_example_trains_as_in_model_fit_and_with_noise(name: str) -> None:
    """Noise of stddev 0.3 changes a seed's losses, of 1e-12 it leaves them as they are in `Model.fit` without any."""
    dtype, tolerance = ("float64", 1e-9) if EXAMPLES[name].exact else ("float32", 1e-3)
    with floatx(dtype):
        ours = noisy_fit(name)
        assert differences(ours, EXAMPLES[name], 0)["loss"] > 1e-4
        assert not {quantity: off for quantity, off in differences(ours, EXAMPLES[name], 1).items() if off > tolerance}


@pytest.mark.parametrize("name", names(random=True))
def test_random_example_repeats(name: str) -> None:
    """Two fits give the same; and but for a code that is drawn at inference too, they predict as Keras does."""
    example, ours = EXAMPLES[name], noisy_fit(name)
    np.testing.assert_array_equal(noisy_fit(name).history["loss"], ours.history["loss"])
    assert (ours.history["loss"][0] != ours.history["loss"][1]).all()
    if "variational" not in name:
        for i, seed in enumerate(SEEDS):
            expected = ours.to_keras(seed).predict(example.x, verbose=0)
            np.testing.assert_allclose(ours.predict(example.x)[i], expected, atol=1e-5)
