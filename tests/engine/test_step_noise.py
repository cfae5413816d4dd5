"""Noise outside a model, schedules and early stopping as pure functions, against values by hand and against chance."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from noiseflow.engine.random import Stream, draw_all
from noiseflow.engine.sites import Site, Sites, Target, factor, scales_at, sites_of
from noiseflow.engine.step_noise import StepNoise
from noiseflow.engine.stopping import after_epoch, begin
from noiseflow.noise.flip import flipped


def noisy(site, strength, act):
    """What `act(noise)` gives for the replica of seed 3, at one step."""
    sites = Sites((site,))
    noting = Stream([tf.constant(strength)])
    act(StepNoise(sites, noting, ()))
    drawn = [numbers[0] for numbers in draw_all(noting.asked, tf.constant([3], tf.uint32), tf.constant(1))]
    stream = Stream(noting.scales, dict(zip(noting.asked, drawn, strict=True)))
    return act(StepNoise(sites, stream, ()))


def test_flipped_binary_is_one_less_the_target():
    y = tf.constant([0.0, 1.0, 1.0])
    found = flipped(y, Target("binary"), tf.constant([True, True, False]), tf.zeros(3, tf.int32))
    assert found.numpy().tolist() == [1.0, 0.0, 1.0]


def test_flipped_classes_are_others_counted_from_the_own_one():
    y = tf.constant([0, 2, 3, 1])
    found = flipped(y, Target("classes", 4), tf.constant([True, True, True, False]), tf.constant([0, 1, 2, 2]))
    assert found.numpy().tolist() == [1, 0, 2, 1]


def test_flipped_one_hot_rows_stay_one_hot():
    y = tf.eye(3)
    found = flipped(y, Target("one_hot", 3), tf.constant([True, True, False]), tf.constant([0, 1, 1]))
    assert found.numpy().tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("target", "y"),
    [
        (Target("binary"), np.ones((20_000, 1), "float32")),
        (Target("classes", 5), np.full(20_000, 3)),
        (Target("one_hot", 5), np.eye(5, dtype="float32")[np.full(20_000, 3)]),
    ],
)
def test_labels_flip_at_the_rate_and_to_all_others_alike(target, y):
    """A χ² test of the counts of each class, at a chance of 1e-6."""
    site = Site(0, "labels_0_0", "flip", "labels", target=target)
    found = noisy(site, 0.3, lambda noise: noise.targets(tf.constant(y))).numpy()
    classes = found.argmax(axis=1) if target.form == "one_hot" else found.ravel().astype(int)
    own = 1 if target.form == "binary" else 3
    expected = np.full(target.n_classes, 0.3 / (target.n_classes - 1))
    expected[own] = 0.7
    counts = np.bincount(classes, minlength=target.n_classes)
    assert stats.chisquare(counts, expected * 20_000).pvalue > 1e-6


@pytest.mark.parametrize(("place", "act"), [("weights", StepNoise.weights), ("gradients", StepNoise.gradients)])
def test_weights_and_gradients_get_gaussian_noise_of_their_own(place, act):
    site = Site(0, f"{place}_0_0", "gaussian", place)
    one, other = noisy(site, 0.5, lambda noise: act(noise, [tf.zeros([100, 50]), tf.zeros([5000])]))
    noise = np.concatenate([one.numpy().ravel(), other.numpy()])
    assert stats.kstest(noise / 0.5, "norm").pvalue > 1e-6
    assert abs(np.corrcoef(one.numpy().ravel(), other.numpy())[0, 1]) < 5 / np.sqrt(5000)


def test_step_noise_without_a_site_returns_what_it_was_given():
    noise = StepNoise(Sites(), Stream([]), ())
    values = [tf.ones(2)]
    assert noise.weights(values) is values
    assert noise.gradients(values) is values
    assert noise.loss(values[0], values) is values[0]


def test_l2_counts_weights_of_two_axes_or_more():
    """Loss 1, a kernel of squares 1 + 4, a bias left out, a filter of eight twos: 1 + 0.1 × (5 + 32)."""
    noise = StepNoise(Sites(step_controls=("l2",)), Stream([]), (tf.constant(0.1),))
    weights = [tf.constant([[1.0, 2.0]]), tf.constant([7.0]), tf.fill([2, 2, 2], 2.0)]
    assert float(noise.loss(tf.constant(1.0), weights)) == pytest.approx(4.7)


@pytest.mark.parametrize(
    ("schedule", "final", "at"),
    [
        ("constant", 0.0, [1, 1, 1]),
        ("linear", 0.0, [1, 0.5, 0]),
        ("linear", 0.2, [1, 0.6, 0.2]),
        ("cosine", 0.0, [1, 0.5, 0]),
        ("cosine", 0.4, [1, 0.7, 0.4]),
        ("step", 0.2, [1, 0.2, 0.2]),
    ],
)
def test_factor_goes_from_one_to_final(schedule, final, at):
    assert [factor(schedule, 1.0, final, 0.5, t) for t in (0.0, 0.5, 1.0)] == pytest.approx(at)


class Run:
    scales = tf.constant([[0.5, 2.0], [1.0, 3.0]])
    schedules = tf.constant([[1.0, 0.0, 0.5], [1.0, 0.0, 0.5]])  # start, final, step_at of each site
    decays = tf.constant([0.0, 0.5])
    epochs = tf.constant(5)


def test_scales_at_follow_schedule_and_decay():
    sites = (Site(0, "a", "gaussian", "input", "linear"), Site(1, "b", "gaussian", "gradients", decays=True))
    found = scales_at(Sites(sites), Run, tf.constant(2), tf.constant(15))
    np.testing.assert_allclose(found, Run.scales.numpy() * [0.75, 16.0**-0.25], rtol=1e-6)


def test_scales_at_are_untouched_where_nothing_changes():
    sites = (Site(0, "a", "gaussian", "input"), Site(1, "b", "gaussian", "input", "linear", used=False))
    assert scales_at(Sites(sites), Run, tf.constant(2), tf.constant(15)) is Run.scales


def stopped(losses, patience, epochs):
    """Per replica: (epochs trained, best epoch, weight at the end); the weight of an epoch is its number."""
    losses = np.asarray(losses, "float32")
    stopping = begin([tf.zeros([len(losses), 1])], len(losses), tf.float32)
    values = [tf.zeros([len(losses), 1])]
    for epoch in range(1, epochs + 1):
        new = [tf.fill([len(losses), 1], float(epoch))]
        stopping, values = after_epoch(
            stopping, new, tf.constant(losses[:, epoch - 1]), *map(tf.constant, (epoch, epochs, patience))
        )
    return list(zip(stopping.epochs.numpy(), stopping.best_epoch.numpy(), values[0].numpy()[:, 0], strict=True))


def test_early_stopping_is_keras_own_case_by_case():
    """By hand from Keras' rules: strictly lower counts, the first epoch always does, the best weights come back at the end."""
    nan = np.nan
    losses = [
        [3, 2, 1, 2, 2, 0],  # stops after two epochs without a lower one
        [3, 3, 3, 0, 0, 0],  # an equal loss is not lower
        [3, 4, 2, 3, 1, 2],  # never waits for two; the last epoch is not the best
        [6, 5, 4, 3, 2, 1],  # the last epoch is the best
        [nan, 1, 1, 1, 1, 1],  # nothing is lower than NaN
    ]
    assert stopped(losses, 2, 6) == [(5, 3, 3), (3, 1, 1), (6, 5, 5), (6, 6, 6), (3, 1, 1)]


def test_control_that_mixes_is_named_where_rows_are_words():
    words = SimpleNamespace(names=lambda: ["embed"], words=True, floats=True, positions=[], find=lambda _: [])
    for name in ("mixup", "another"):
        problem = SimpleNamespace(noise=(), used=[], mixing=(name,))
        with pytest.raises(ValueError, match=f"controls: {name} blends rows: 'input' must be noise on real numbers"):
            sites_of(problem, words, [])
