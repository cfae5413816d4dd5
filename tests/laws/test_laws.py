"""The laws hold on the vectorised engine, and a wrong noise breaks them; in full: tests/slow/engine/test_all_laws.py."""

from dataclasses import fields
from importlib import import_module

import numpy as np
import pytest
from scipy import stats

from noiseflow import fit_seeds
from noiseflow.engine.result import SeedsFit
from noiseflow.laws import LAWS, Figure, Law, draws, printing
from noiseflow.laws.distribution import distribution
from noiseflow.laws.independent_draws import independent_draws
from noiseflow.laws.law import chance_of_mean, equality_figure, mean_figure
from noiseflow.laws.repeated_streams import repeated_streams

BY_NAME = {law.name: law for law in LAWS}


def test_law_is_named_as_its_file():
    """The contract of a law, as far as it can be told without training; tests/slow/engine/test_all_laws.py checks the rest."""
    for name, law in BY_NAME.items():
        assert import_module(f"noiseflow.laws.{name.replace(' ', '_').replace('-', '_')}").LAW is law
        assert callable(law.figures)


def train(*arguments, **options):
    """`fit_seeds` with few seeds: what takes the time is the compilation."""
    return fit_seeds(*arguments, **({"seeds": range(8), "engine": "vectorized"} | options))


def train_with_wrong_stddev(*arguments, noise, **options):
    """As an engine that makes the noise 1.3 times as large as it was asked to."""
    wrong = [injection.of_strength(1.3 * injection.strength) for injection in noise]
    return train(*arguments, noise=wrong, **options)


def broken(records):
    return [record.name for record in records if not record.holds]


@pytest.mark.slow
def test_law_holds():
    assert not broken(BY_NAME["input loss"].figures(train))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "breaks"),
    [
        ("before-relu moments", ["noise before a relu: mean", "noise before a relu: second moment"]),
        ("distribution", ["draws: variance", "draws: fourth moment", "draws: Kolmogorov-Smirnov"]),
    ],
)
def test_law_breaks_where_the_stddev_is_wrong(name, breaks):
    assert broken(BY_NAME[name].figures(train_with_wrong_stddev)) == breaks


def drawn(make):
    """A fit whose weights are draws that `make(rng, shape)` makes, as an engine's would be."""

    def trained(*_, seeds=range(8), **__):
        shape = (len(seeds), draws.N_UNITS, draws.N_COLUMNS)
        known = {"weights": [-draws.STDDEV * make(np.random.default_rng(1), shape)], "seeds": tuple(seeds)}
        return SeedsFit(**{field.name: known.get(field.name) for field in fields(SeedsFit)})

    return trained


def alike_along(axis):
    """Half of each draw is its neighbour's along an axis."""

    def make(rng, shape):
        normal = rng.normal(size=shape)
        return np.sqrt(0.5) * (normal + np.roll(normal, 1, axis))

    return make


@pytest.mark.parametrize(
    ("make", "breaks"),
    [
        (lambda rng, shape: rng.normal(size=shape), []),
        (lambda rng, shape: rng.normal(0.02, size=shape), ["draws: mean", "draws: Kolmogorov-Smirnov"]),
        (
            lambda rng, shape: rng.uniform(-(3**0.5), 3**0.5, shape),
            ["draws: fourth moment", "draws: Kolmogorov-Smirnov"],
        ),
    ],
)
def test_distribution_breaks_at_the_right_figure(make, breaks):
    assert broken(distribution(drawn(make))) == breaks


@pytest.mark.parametrize(
    ("make", "breaks"),
    [
        (
            lambda rng, shape: rng.normal(size=shape),
            ["two epochs"],
        ),  # twice the same fit: its second epoch has no draws
        (alike_along(0), ["two epochs", "all pairs of seeds"]),
        (alike_along(1), ["two epochs", "numbers of one step, at any lag"]),
        (alike_along(2), ["rows of one step", "two epochs", "numbers of one step, at any lag"]),
    ],
)
def test_independent_draws_breaks_at_the_right_figure(make, breaks):
    assert broken(independent_draws(drawn(make))) == breaks


def test_repeated_streams_breaks_where_draws_depend_on_the_batch():
    def trained(*_, seeds=range(8), **__):
        rng = np.random.default_rng(len(seeds))
        return drawn(lambda _, shape: rng.normal(size=shape))(seeds=seeds)

    (record,) = repeated_streams(trained)
    assert record.measured == 4 * draws.N_UNITS * draws.N_COLUMNS
    assert not record.holds


def figure(**changes):
    words = {"name": "a law", "statement": "it is so", "reference": "a book"}
    return Figure(**(words | {"expected": 1.0, "measured": 1.0, "tolerance": 0.1} | changes))


@pytest.mark.parametrize(
    ("measured", "holds"), [(1.0, True), (1.0999, True), (1.11, False), (0.89, False), (np.nan, False), (np.inf, False)]
)
def test_figure_holds_within_its_tolerance_and_where_finite(measured, holds):
    assert figure(measured=measured).holds == holds


def test_chance_of_mean_is_five_standard_errors_of_many_draws(rng):
    values = rng.normal(3.0, 2.0, 100_000)
    assert chance_of_mean(values) == pytest.approx(5 * 2.0 / np.sqrt(100_000), rel=0.02)


def test_chance_of_mean_of_few_draws_leaves_the_same_chance():
    """By hand, from the definition of Student's t: the mean of 4 over their standard error, with 3 degrees of freedom."""
    values = np.array([1.0, 2.0, 3.0, 4.0])
    in_standard_errors = chance_of_mean(values) / (values.std(ddof=1) / 2)
    assert stats.t.sf(in_standard_errors, 3) == pytest.approx(stats.norm.sf(5))


def test_mean_figure_compares_one_mean_over_all_draws(rng):
    expected = np.array([[1.0], [5.0]])
    record = mean_figure(rng.normal(expected, 0.1, (2, 50)), expected, 1, name="", statement="", reference="")
    assert record.expected == 3.0
    assert record.holds
    assert record.tolerance == pytest.approx(0.05, rel=0.3)  # the spread about each mean, not that of the means


def test_equality_figure_counts_what_differs():
    pairs = [(np.array([1.0, 2.0]), np.array([1.0, 2.0])), (np.array([1.0, np.nan]), np.array([1.5, np.nan]))]
    record = equality_figure(pairs, name="", statement="", reference="")
    assert (record.measured, record.holds) == (2.0, False)


@pytest.mark.parametrize(("measured", "status"), [(1.0, 0), (2.0, 1)])
def test_check_prints_each_figure_and_tells_by_its_status(monkeypatch, capsys, measured, status):
    first = Law("first", lambda train: [figure(), figure(measured=measured)], finds_wrong_stddev=True)
    second = Law("second", lambda train: [figure(name="n" * 35)], finds_wrong_stddev=True)
    monkeypatch.setattr(printing, "LAWS", (first, second))
    assert printing.print_laws("vectorized", "cpu") == status
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == ["a", "law", "1", "1", "0.1", "holds"]
    assert lines[2].split()[-1] == ("FAILS" if status else "holds")
    assert f"engine vectorized: {3 - status} of 3 hold" in "\n".join(lines)
    assert ("it is so" in "\n".join(lines)) == bool(status)


def test_check_that_cannot_run_says_why_in_a_line(monkeypatch, capsys):
    def fail(_):
        raise RuntimeError("no such device")

    monkeypatch.setattr(printing, "LAWS", (Law("first", fail, finds_wrong_stddev=True),))
    assert printing.print_laws("auto", "gpu") == 1
    assert capsys.readouterr().err == "noiseflow: the check failed. no such device\n"
