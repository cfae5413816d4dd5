"""What the outputs of a model mean."""

import keras
import numpy as np
import pytest

from noiseflow.architectures.outputs import compiled_loss, output_form, probabilities
from noiseflow.scores import OutputForm

L = keras.layers


def test_probabilities_are_of_the_outputs_form():
    np.testing.assert_allclose(probabilities([[0.0], [np.log(3)]], OutputForm(1, from_logits=True)), [[0.5], [0.75]])
    three = probabilities([[0.0, 0.0, np.log(2)]], OutputForm(3, from_logits=True))
    np.testing.assert_allclose(three, [[0.25, 0.25, 0.5]])
    np.testing.assert_array_equal(probabilities([[0.3]], OutputForm(1)), [[0.3]])


def compiled(loss, units=1, activation=None):
    model = keras.Sequential([keras.Input((2,)), L.Dense(units, activation=activation)])
    model.compile(loss=loss)
    return model


@pytest.mark.parametrize(
    ("loss", "activation", "name", "form"),
    [
        ("binary_crossentropy", "sigmoid", "binary_crossentropy", OutputForm(1)),
        ("bce", "sigmoid", "binary_crossentropy", OutputForm(1)),
        (keras.losses.BinaryCrossentropy(), "sigmoid", "binary_crossentropy", OutputForm(1)),
        (keras.losses.BinaryCrossentropy(from_logits=True), None, "binary_crossentropy", OutputForm(1, True)),
        (
            keras.losses.BinaryFocalCrossentropy(from_logits=True),
            None,
            "binary_focal_crossentropy",
            OutputForm(1, True),
        ),
        ([keras.losses.BinaryCrossentropy(from_logits=True)], None, "binary_crossentropy", OutputForm(1, True)),
        ("mse", None, "mean_squared_error", OutputForm(1)),
        (keras.losses.Huber(), None, "huber", OutputForm(1)),
        (lambda y, p: (y - p) ** 2, None, None, OutputForm(1, True)),
        (lambda y, p: (y - p) ** 2, "sigmoid", None, OutputForm(1)),
    ],
)
def test_output_form_is_read_from_loss_and_last_activation(loss, activation, name, form):
    model = compiled(loss, activation=activation)
    assert compiled_loss(model).name == name
    assert output_form(model) == form


def test_compiled_loss_refuses_none():
    with pytest.raises(ValueError, match="one loss; received 0"):
        compiled_loss(compiled(None))
