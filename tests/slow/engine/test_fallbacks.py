"""The layers of Keras that docs/engine.md lists as trained by `Model.fit`, and those that no longer are."""

import keras
import numpy as np
import pytest

from noiseflow import NotVectorizableError, fit_seeds
from tests.series import series

pytestmark = pytest.mark.slow
L = keras.layers
IMAGE, VECTOR, WORDS, SOUND = (8, 8, 3), (5,), (4,), (4096,)


class Doubled(keras.Model):
    """A model with a train step of its own."""

    def __init__(self):
        super().__init__()
        self.dense = L.Dense(1)

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        return super().train_step(data)


FALL_BACK = {
    "RandomRotation": (IMAGE, lambda: [L.RandomRotation(0.1), L.Flatten()]),
    "RandomZoom": (IMAGE, lambda: [L.RandomZoom(0.1), L.Flatten()]),
    "RandomTranslation": (IMAGE, lambda: [L.RandomTranslation(0.1, 0.1), L.Flatten()]),
    "RandomShear": (IMAGE, lambda: [L.RandomShear(0.1), L.Flatten()]),
    "RandomPerspective": (IMAGE, lambda: [L.RandomPerspective(), L.Flatten()]),
    "RandomElasticTransform": (IMAGE, lambda: [L.RandomElasticTransform(), L.Flatten()]),
    "RandAugment": (IMAGE, lambda: [L.RandAugment(value_range=(0, 1)), L.Flatten()]),
    "AugMix": (IMAGE, lambda: [L.AugMix(value_range=(0, 1)), L.Flatten()]),
    "SpectralNormalization": (VECTOR, lambda: [L.SpectralNormalization(L.Dense(3))]),
    "CategoryEncoding": (WORDS, lambda: [L.CategoryEncoding(3, output_mode="multi_hot")]),
    "Hashing": (WORDS, lambda: [L.Hashing(3), L.CategoryEncoding(3, output_mode="multi_hot")]),
    "IntegerLookup": (
        WORDS,
        lambda: [L.IntegerLookup(vocabulary=[1, 2]), L.CategoryEncoding(4, output_mode="multi_hot")],
    ),
    "MelSpectrogram": (SOUND, lambda: [L.MelSpectrogram(), L.Flatten()]),
    "RNN of 70 steps": ((70, 2), lambda: [L.RNN(L.SimpleRNNCell(3))]),
    "ConvLSTM2D": ((70, 4, 4, 1), lambda: [L.ConvLSTM2D(2, 2), L.Flatten()]),
}
VECTORISED = {
    "RandomFlip": (IMAGE, lambda: [L.RandomFlip(), L.Flatten()]),
    "RandomGrayscale": (IMAGE, lambda: [L.RandomGrayscale(0.5), L.Flatten()]),
    "LSTM of 70 steps": ((70, 2), lambda: [L.LSTM(3)]),
    "GRU of 70 steps": ((70, 2), lambda: [L.GRU(3)]),
    "RNN of 8 steps": ((8, 2), lambda: [L.RNN(L.SimpleRNNCell(3))]),
    "RandomBrightness": (IMAGE, lambda: [L.RandomBrightness(0.1, value_range=(0, 1)), L.Flatten()]),
    "RandomContrast": (IMAGE, lambda: [L.RandomContrast(0.1), L.Flatten()]),
    "RandomErasing": (IMAGE, lambda: [L.RandomErasing(value_range=(0, 1)), L.Flatten()]),
    "GaussianNoise": (VECTOR, lambda: [L.GaussianNoise(0.1)]),
    "SeparableConv2D": (IMAGE, lambda: [L.SeparableConv2D(2, 3), L.Flatten()]),
    "Conv2DTranspose": (IMAGE, lambda: [L.Conv2DTranspose(2, 3), L.Flatten()]),
    "Conv3D": ((4, 4, 4, 1), lambda: [L.Conv3D(2, 2), L.Flatten()]),
    "MaxPooling3D": ((4, 4, 4, 1), lambda: [L.MaxPooling3D(), L.Flatten()]),
    "Masking": ((6, 2), lambda: [L.Masking(), L.LSTM(3)]),
    "Normalization": (VECTOR, lambda: [L.Normalization(mean=0.5, variance=0.2)]),
    "Lambda": (VECTOR, lambda: [L.Lambda(lambda x: x * 2)]),
    "TimeDistributed": ((3, *IMAGE), lambda: [L.TimeDistributed(L.Conv2D(2, 3)), L.Flatten()]),
    "LSTM with dropout": ((6, 2), lambda: [L.LSTM(3, dropout=0.1)]),
    "GroupNormalization": (IMAGE, lambda: [L.GroupNormalization(3), L.Flatten()]),
    "Resizing": (IMAGE, lambda: [L.Resizing(4, 4), L.Flatten()]),
}


def fitted(shape, layers, engine):
    words = shape is WORDS

    def build():
        dtype = "int32" if words else None
        model = keras.Sequential([keras.Input(shape, dtype=dtype), *layers(), L.Dense(1)])
        model.compile("sgd", "mse")
        return model

    rng = np.random.default_rng(0)
    filled = tuple(size or 65 for size in shape)
    x = rng.integers(0, 3, size=(6, *filled)) if words else rng.uniform(size=(6, *filled)).astype("float32")
    return fit_seeds(build, x, np.ones((6, 1), np.float32), seeds=range(2), epochs=1, engine=engine)


ALIKE = {"RandAugment", "RandomShear", "RandomTranslation", "RandomPerspective"}
"""Which transform images by the operation that RandomRotation and RandomZoom are refused for."""


@pytest.mark.parametrize("name", series(FALL_BACK, FALL_BACK.keys() - ALIKE))
def test_layer_is_refused_by_name_of_what_does_not_vectorise(name):
    with pytest.raises(NotVectorizableError) as refused:
        fitted(*FALL_BACK[name], engine="vectorized")
    assert len(str(refused.value)) < 400, str(refused.value)
    assert not set("\x1b\n") & set(str(refused.value))


COVERED = {
    *(
        "GaussianNoise",
        "Masking",
        "Normalization",
        "Lambda",
        "LSTM with dropout",
        "GroupNormalization",
    ),
    *("GRU of 70 steps", "RNN of 8 steps"),
}
"""Which test_coverage.py, test_model_cases.py and tests/engine/test_twins.py train too."""


@pytest.mark.parametrize("name", series(VECTORISED, VECTORISED.keys() - COVERED))
def test_layer_vectorises(name):
    assert fitted(*VECTORISED[name], engine="vectorized").proof.largest < 1e-3


def test_recurrence_that_is_too_long_says_how_long():
    with pytest.raises(NotVectorizableError, match=r"layer 'rnn\w*' \(RNN\) does not vectorise: it runs over 70 steps"):
        fitted(*FALL_BACK["RNN of 70 steps"], engine="vectorized")


def test_own_train_step_is_refused():
    def build():
        model = Doubled()
        model.compile("sgd", "mse")
        return model

    with pytest.raises(NotVectorizableError, match="train_step"):
        fit_seeds(build, np.ones((4, 2)), np.ones((4, 1)), seeds=[0], epochs=1, engine="vectorized")
