"""Steps of a sequence that are not there change nothing, in either engine."""

import numpy as np
import pytest

from noiseflow import Injection, fit_seeds
from noiseflow.architectures.builder import Builder
from noiseflow.engine.fingerprint import fingerprint
from noiseflow.engine.keras_state import build_seeded
from noiseflow.engine.noise_at_test import noised
from noiseflow.study import Architecture, Training

LENGTHS = np.array([1, 2, 4, 6, 3, 5, 6, 2])


def builder(kind="lstm", steps=6, units=(4, 3)):
    return Builder(Architecture(kind=kind, units=units), Training(), (steps, 3), 2, "accuracy", masked=True)


@pytest.fixture
def sequences(rng):
    """Sequences of two features and LENGTHS steps, zeros before them, and the feature that says which are there."""
    X = np.zeros((len(LENGTHS), 6, 3))
    for row, length in zip(X, LENGTHS, strict=True):
        row[6 - length :] = np.column_stack([rng.normal(size=(length, 2)), np.ones(length)])
    return X


def weights_of(model, rng):
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model.get_weights()


@pytest.mark.parametrize("kind", ["lstm", "mlp"])
def test_what_lies_in_the_padding_changes_no_output(kind, sequences, rng):
    model = builder(kind)()
    weights_of(model, rng)
    other = sequences.copy()
    other[..., :2] += 9 * (sequences[..., -1:] == 0)
    np.testing.assert_array_equal(model(sequences), model(other))


@pytest.mark.slow
def test_a_padded_sequence_gives_what_it_gives_alone(sequences, rng):
    model = builder()()
    weights = weights_of(model, rng)
    outputs = np.asarray(model(sequences))
    for row, length, output in zip(sequences, LENGTHS, outputs, strict=True):
        alone = builder(steps=int(length))()
        alone.set_weights(weights)
        np.testing.assert_allclose(alone(row[None, 6 - length :])[0], output, rtol=1e-5)


@pytest.mark.slow
def test_engines_train_alike_and_alike_whatever_lies_in_the_padding(sequences):
    y = LENGTHS % 2
    other = sequences + 9 * (sequences[..., -1:] == 0) * np.array([1.0, 1.0, 0.0])
    fits = [
        fit_seeds(builder(units=(3,)), X, y, seeds=[0, 1], epochs=4, batch_size=8, engine=engine)
        for X, engine in ((sequences, "vectorized"), (sequences, "reference"), (other, "vectorized"))
    ]
    for others in fits[1:]:
        for ours, theirs in zip(fits[0].weights, others.weights, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)


@pytest.mark.slow
def test_noise_on_the_input_leaves_the_mask_as_it_is(sequences):
    """With noise on the features alone, a network that only sees padding gives the same for any strength."""
    noise = Injection(place="input", stddev=0.5).resolved((("a", True), ("b", True), ("is_there", False)))
    empty = np.concatenate([np.zeros_like(sequences)[:4], sequences[4:]])
    fit = fit_seeds(
        builder(units=(3,)), empty, LENGTHS % 2, seeds=[0], epochs=1, batch_size=4, noise=[noise], engine="reference"
    )
    assert np.ptp(fit.predict(empty[:4])) == 0
    assert noise.columns == {"0": 1.0, "1": 1.0}


def test_builds_are_recognised_as_the_same_model():
    assert fingerprint(build_seeded(builder(), 0)) == fingerprint(build_seeded(builder(), 0))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["reference", "vectorized"])
def test_spread_of_a_signal_is_that_of_the_steps_that_are_there(sequences, engine):
    there = sequences[..., -1] > 0
    noise = [Injection(place="input", stddev=0.5, columns=("0", "1")), Injection(place="after:lstm", stddev=0.5)]
    fit = fit_seeds(builder(), sequences, LENGTHS % 2, seeds=[0], epochs=1, noise=noise, engine=engine)
    model = build_seeded(builder(), 0)
    signals = sequences[..., :2], np.asarray(model.get_layer("lstm")(model.layers[0](sequences)))
    for found, signal in zip(fit.signal_to_noise[0], signals, strict=True):
        assert found == pytest.approx(signal[there].std() / 0.5, rel=1e-5)
        assert found != pytest.approx(signal.std() / 0.5, rel=0.05)


def test_relative_noise_at_test_counts_in_the_steps_that_are_there(sequences):
    noise = Injection(place="input", stddev=1.0, relative=True, columns=("0", "1"))
    rng = np.random.default_rng(0)
    added = noised(np.zeros((500, 6, 3)), [noise], sequences, rng, masked=True)[..., :2]
    assert added.std() == pytest.approx(sequences[sequences[..., -1] > 0][:, :2].std(), rel=0.05)
