"""Out of memory: wherever it strikes, the batch is halved and its rows are those of an undisturbed run."""

from collections import OrderedDict
from dataclasses import fields

import pandas as pd
import pytest
import tensorflow as tf

import noiseflow.trials.training as trials_module
from noiseflow.engine import compilation, reference, vectorized
from noiseflow.engine.memory import SeedTooLargeError, halves
from noiseflow.trials import rows
from noiseflow.trials.plan import make_plan
from noiseflow.trials.training import train_trials
from tests.conftest import SMALL

NOT_COMPARED = ["train_seconds", "finished_at"]


def trained(engine, n=8):
    """The tables of so many trials of the noisy cell."""
    batch = make_plan(SMALL.model_copy(update={"n_seeds": n}), engine).batches(set(), 100)[1]
    records = train_trials(batch, study="small", device="cpu", progress=lambda _: None)
    tables = {field.name: getattr(records, field.name) for field in fields(records)}
    tables["trials"] = tables["trials"].drop(columns=NOT_COMPARED)
    return {name: table.sort_values("trial_id", kind="stable", ignore_index=True) for name, table in tables.items()}


def exhausted(*_):
    return tf.errors.ResourceExhaustedError(None, None, "out of memory")


def failing(monkeypatch, owner, name, when, error):
    """Has a function run out of memory where its arguments say so; how often it has."""
    original, count = getattr(owner, name), []

    def short_of_memory(*arguments, **named):
        if when(*arguments, **named):
            count.append(1)
            raise error()
        return original(*arguments, **named)

    monkeypatch.setattr(owner, name, short_of_memory)
    return count


PLACES = {
    "the rows": (rows, "generate", None),
    "stacking the rows": (rows.BatchRows, "_stacked", lambda self, *parts: len(self.data) > 4),
    "initial weights": (vectorized, "initial_weights", lambda build, seeds, key: len(seeds) > 4),
    "running": (vectorized.Program, "advance", lambda program, state, run, first, last: program.form.width > 4),
    "predicting": (trials_module, "_outputs", lambda fit, *rest, **named: len(fit.seeds) > 4),
    # last, for programs are compiled anew then
    "compiling": (vectorized.Compiler, "program", lambda compiler, form, run: form.width > 4),
    "tracing": (compilation.Program, "trace", lambda program, *rest: program.form.width > 4),
}


@pytest.fixture(scope="module")
def whole():
    """The tables of an undisturbed run."""
    return trained("vectorized")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "error"),
    [("the rows", MemoryError), ("running", MemoryError), *((place, exhausted) for place in PLACES)],
    ids=lambda value: "" if callable(value) else value,
)
def test_batch_without_memory_is_halved_and_its_rows_are_the_same(whole, place, error, monkeypatch):
    """Both errors are caught in one place, so each is tried in all places or in two."""
    if place in ("compiling", "tracing"):
        compilation._programs.clear()
    owner, name, when = PLACES[place]
    if when is None:
        begun = []
        when = lambda *_: not begun and (begun.append(1) or True)  # noqa: E731
    count = failing(monkeypatch, owner, name, when, error)
    halved = trained("vectorized")
    assert count
    for table, frame in whole.items():
        pd.testing.assert_frame_equal(halved[table], frame)


@pytest.mark.slow
def test_batch_of_the_reference_engine_is_halved_where_its_rows_do_not_fit(monkeypatch):
    whole = trained("reference", 2)
    count = failing(monkeypatch, rows.BatchRows, "_stacked", lambda self, *_: len(self.data) > 1, MemoryError)
    halved = trained("reference", 2)
    assert count
    for table, frame in whole.items():
        pd.testing.assert_frame_equal(halved[table], frame)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "owner", "name"),
    [("vectorized", vectorized.Program, "advance"), ("reference", reference, "_train_one")],
)
def test_seed_that_does_not_fit_names_the_mend_and_is_tried_no_more(engine, owner, name, monkeypatch):
    monkeypatch.setattr(compilation, "_programs", OrderedDict())  # a program that was proven before fails later
    count = failing(monkeypatch, owner, name, lambda *_, **__: True, exhausted)
    with pytest.raises(SeedTooLargeError, match="does not hold the training of one seed; use a smaller batch_size"):
        trained(engine, 2)
    assert len(count) <= 4  # a program of eight places, halved down to one


def test_halves_of_five_are_two_and_three(caplog):
    assert halves([1, 2, 3, 4, 5], "batch", "here", MemoryError()) == ([1, 2], [3, 4, 5])
    assert "out of memory with 5 seeds in one batch; going on with 2" in caplog.text
