import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from noiseflow.engine import random


def words(*values):
    return tuple(tf.constant(value, tf.uint32) for value in values)


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [  # the known answers that Random123 publishes with the generator (kat_vectors, threefry 2x32, 20 rounds)
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_published_answers(key, counter, expected):
    got = random.threefry(words(*key), words(*counter))
    assert tuple(int(word) for word in got) == expected


def draw(seed, stream, step, n):
    key = random.stream_key(tf.constant(seed, tf.uint32), stream)
    return random.draw("normal", key, tf.constant(step), n).numpy()


def test_normal_has_standard_normal_distribution():
    draws = draw(7, "noise/input", 3, 1_000_001)
    assert scipy.stats.kstest(draws, "norm").pvalue > 0.001
    assert abs(draws.mean()) < 5 / np.sqrt(draws.size)
    assert abs(draws.var() - 1) < 5 * np.sqrt(2 / draws.size)
    assert abs((draws**4).mean() - 3) < 5 * np.sqrt(96 / draws.size)


def test_uniform_stays_inside_the_open_interval():
    extremes = tf.constant([0, 0xFFFFFFFF], tf.uint32)
    low, high = random._uniform(extremes).numpy()
    assert 0 < low < high < 1
    assert np.isfinite(np.concatenate(random._normal_pair(extremes, extremes[::-1]))).all()


def test_normal_pair_is_box_and_mullers():
    x, y = (tf.constant(np.random.default_rng(i).integers(0, 2**32, 10_000), tf.uint32) for i in (1, 2))
    radius = np.sqrt(-2 * np.log(((x.numpy() >> 9) + 0.5) / 2**23))
    angle = np.pi * (2 * ((y.numpy() >> 9) + 0.5) / 2**23 - 1)
    got = random._normal_pair(x, y)
    np.testing.assert_allclose(got, [radius * np.cos(angle), radius * np.sin(angle)], atol=4e-6)


def test_uniform_has_uniform_distribution():
    key = random.stream_key(tf.constant(7, tf.uint32), "noise/layer_2")
    assert scipy.stats.kstest(random.draw("uniform", key, tf.constant(3), 1_000_001), "uniform").pvalue > 0.001


def test_stream_tells_what_is_asked_for_and_a_layer_called_twice_draws_twice():
    stream = random.Stream([])
    assert (stream.normal("a", (2, 3), tf.float32).numpy() == 0).all()
    stream.uniform("b", (4,), tf.float32)
    stream.normal("a", (2, 3), tf.float32)
    assert [(draw.kind, draw.layer, draw.shape) for draw in stream.asked] == [
        ("normal", "a", (2, 3)),
        ("uniform", "b", (4,)),
        ("normal", "a#1", (2, 3)),
    ]
    first, _, second = random.draw_all(stream.asked, tf.constant([5], tf.uint32), tf.constant(1))
    assert (first.numpy() != second.numpy()).all()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, "noise/a", 1), (2, "noise/a", 1)),  # seeds
        ((1, "noise/a", 1), (1, "noise/b", 1)),  # places and layers
        ((1, "noise/a", 1), (1, "noise/a", 2)),  # steps
    ],
)
def test_streams_are_independent(one, other):
    a, b = draw(*one, 100_000), draw(*other, 100_000)
    for shift in (0, 1, 50_000):  # 50,000: the two words of one call lie half the length apart
        assert abs(np.corrcoef(a, np.roll(b, shift))[0, 1]) < 5 / np.sqrt(a.size)


def test_draws_of_one_call_are_uncorrelated():
    a = draw(3, "noise/a", 1, 100_000)
    for shift in (1, 2, 50_000):
        assert abs(np.corrcoef(a, np.roll(a, shift))[0, 1]) < 5 / np.sqrt(a.size)


def test_normal_repeats_for_equal_key_and_step():
    assert (draw(5, "noise/a", 9, 101) == draw(5, "noise/a", 9, 101)).all()


def test_normal_of_odd_length_starts_as_the_stacked_keys_do():
    seeds = tf.constant([5, 6], tf.uint32)
    both = random.bits(random.stream_key(seeds, "shuffle"), tf.constant(2), 7).numpy()
    alone = random.bits(random.stream_key(tf.constant(6, tf.uint32), "shuffle"), tf.constant(2), 7).numpy()
    assert (both[1] == alone).all()


def test_permutation_orders_every_row_once_and_anew():
    key = random.stream_key(tf.constant([0, 1, 2], tf.uint32), "shuffle")
    first, second = (random.permutation(key, tf.constant(epoch), 50).numpy() for epoch in (1, 2))
    assert (np.sort(first, axis=1) == np.arange(50)).all()
    assert (first[0] != first[1]).any()
    assert (first != second).any(axis=1).all()


def test_permutation_puts_each_row_anywhere_alike():
    key = random.stream_key(tf.cast(tf.range(3000), tf.uint32), "shuffle")
    places = random.permutation(key, tf.constant(1), 5).numpy()
    counts = np.array([[(places[:, column] == row).sum() for column in range(5)] for row in range(5)])
    assert scipy.stats.chisquare(counts.ravel()).pvalue > 0.001
