"""Finite rows are split so that the parts keep what the split promises, for every data seed."""

import numpy as np
import pytest

from noiseflow.datasets.rows import Rows, group_sizes, inner_split, seed_faults, split, split_faults
from noiseflow.study import Dataset

SEEDS = range(40)


def table(task="classification", **settings):
    return Dataset(kind="table", path="a.csv", target="y", task=task, **settings)


def classes(*counts):
    y = np.repeat(np.arange(len(counts)), counts).astype(float)
    return Rows(np.arange(len(y), dtype=float)[:, None], y, tuple("abcdef"[: len(counts)]))


def grouped(sizes):
    by = np.repeat(np.arange(len(sizes)), sizes)
    return Rows(np.zeros((len(by), 1)), np.arange(len(by)) % 2.0, ("a", "b"), by)


def test_stratified_split_keeps_the_shares_of_the_classes():
    rows = classes(60, 30, 10)
    for seed in SEEDS:
        train, test = split(rows, table(), seed)
        np.testing.assert_array_equal(np.bincount(rows.y[test].astype(int)), [18, 9, 3])
        assert sorted([*train, *test]) == list(range(100))


def test_random_split_is_a_partition_of_fixed_sizes():
    rows = Rows(np.zeros((11, 1)), np.arange(11.0))
    parts = [split(rows, table("regression", test_fraction=0.25), seed) for seed in SEEDS]
    assert {(len(train), len(test)) for train, test in parts} == {(8, 3)}
    assert all(sorted([*train, *test]) == list(range(11)) for train, test in parts)
    assert len({tuple(test) for _, test in parts}) > 20


def test_n_train_keeps_the_test_rows_and_nests_the_training_rows():
    rows = classes(40, 40)
    (all_rows, test), (few, same), (fewer, _) = (split(rows, table(n_train=n), 3) for n in (None, 20, 7))
    np.testing.assert_array_equal(test, same)
    np.testing.assert_array_equal(few, all_rows[:20])
    np.testing.assert_array_equal(fewer, all_rows[:7])


@pytest.mark.parametrize("sizes", [[3] * 20, [1] * 30, [10, 1, 1, 7, 2, 9, 4, 4, 1, 1], [1, 30, 2, 40, 50, 3, 4]])
def test_group_split_keeps_groups_whole_and_sizes_fixed(sizes):
    rows = grouped(sizes)
    dataset = table(split="group", split_by="g", test_fraction=0.2)
    expected = group_sizes(rows, 0.2)
    for seed in SEEDS:
        train, test = split(rows, dataset, seed)
        assert (len(test), len(train)) == expected
        assert not set(rows.by[train]) & set(rows.by[test])
        assert len({*train, *test}) == len(train) + len(test)


def test_group_sizes_by_hand():
    # 20 rows, 4 of them test; the last group of the test may bring 6 more than wanted
    assert group_sizes(grouped([7, 7, 6]), 0.2) == (4, 20 - 4 - 6)


def test_group_split_draws_each_group_alike():
    rows = grouped([2] * 10)
    dataset = table(split="group", split_by="g", test_fraction=0.3)
    drawn = np.bincount([g for seed in range(1000) for g in set(rows.by[split(rows, dataset, seed)[1]])])
    assert drawn.sum() == 3000
    assert np.abs(drawn - 300).max() < 5 * np.sqrt(1000 * 0.3 * 0.7)


def test_time_split_tests_the_latest_rows_whatever_the_seed():
    rows = Rows(np.zeros((6, 1)), np.arange(6.0), (), np.array([5, 0, 4, 1, 3, 2]))
    dataset = table("regression", split="time", split_by="t", test_fraction=0.3)
    for seed in SEEDS:
        train, test = split(rows, dataset, seed)
        assert list(train) == [1, 3, 5, 4]
        assert list(test) == [2, 0]
    latest = table("regression", split="time", split_by="t", test_fraction=0.3, n_train=2)
    assert list(split(rows, latest, 1)[0]) == [5, 4]


@pytest.mark.parametrize(
    ("rows", "settings", "text"),
    [
        (
            classes(5, 1),
            {},
            "target must have at least 2 rows of each class to be split by class; received one of 'b'.",
        ),
        (classes(3, 3, 3), {"test_fraction": 0.1}, "test_fraction must leave at least 3 rows to train and 3 to test; "),
        (classes(50, 50), {"n_train": 71}, "n_train must be at most 70, the rows that test_fraction 0.3 leaves"),
        (grouped([10, 10]), {"split": "group", "split_by": "g", "test_fraction": 0.5}, "where whole groups are kept"),
        (classes(2, 1), {"split": "random", "test_fraction": 0.9}, "leaves 0 and 3 of 3 rows"),
    ],
)
def test_split_faults_say_what_is_lacking(rows, settings, text):
    (fault,) = split_faults(rows, table(**settings))
    assert text in fault


def test_seed_faults_name_the_data_seed():
    rows = classes(30, 2)
    dataset = table(split="random", score="auc")
    first = next(s for s in SEEDS if not rows.y[split(rows, dataset, s)[1]].any())
    (fault,) = seed_faults(rows, dataset, list(SEEDS))
    assert fault.startswith("split must leave each class to test, as the score auc asks; received none of 'b'.")
    assert fault.endswith(f"(data seed {first})")
    assert seed_faults(rows, table(), list(SEEDS)) == []


def test_seed_faults_find_a_constant_part_of_a_regression():
    rows = Rows(np.zeros((8, 1)), np.array([1, 1, 1, 1, 1, 1, 2, 3.0]), (), np.arange(8))
    dataset = table("regression", split="time", split_by="t", test_fraction=0.25)
    assert "targets that differ to train; received 6 rows of 1." in seed_faults(rows, dataset, [1, 2])[0]


def test_inner_split_keeps_the_shares_of_the_classes_and_its_sizes():
    y = np.repeat([0.0, 1.0, 2.0], [12, 20, 8])
    halves = set()
    for seed in SEEDS:
        train, held = inner_split(y, True, [seed, 0])
        np.testing.assert_array_equal(np.sort(np.concatenate([train, held])), np.arange(40))
        counts = np.bincount(y[held].astype(int), minlength=3)
        assert len(held) == 12
        assert (abs(counts - 0.3 * np.array([12, 20, 8])) < 1).all()
        halves.add(tuple(sorted(held)))
    assert len(halves) > 30


def test_inner_split_keeps_groups_whole_and_the_latest_for_last():
    by = np.repeat(np.arange(8), [5, 2, 3, 5, 4, 1, 5, 5])
    sizes = set()
    for seed in SEEDS:
        train, held = inner_split(np.arange(30.0), False, [seed, 1], by, 6)
        assert not set(by[train]) & set(by[held])
        sizes.add((len(train), len(held)))
    assert sizes == {(16, 9)}
    train, held = inner_split(np.arange(30.0), False, [1, 1], ordered=True)
    assert (list(train), list(held)) == (list(range(21)), list(range(21, 30)))
