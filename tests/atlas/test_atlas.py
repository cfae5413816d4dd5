"""The atlas says what noise did on similar datasets, without flattery, and ships whole."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from noiseflow.atlas import FILE, Traits, advise, read_atlas, strengths_for, traits_of
from noiseflow.cli import app
from noiseflow.study import Dataset
from noiseflow.study.draft import STRENGTHS, draft_and_look

GRID = list(product(("input", "before_activation"), (0.1, 0.3)))


def traits(n_train, task="classification"):
    return Traits(task, n_train, width=10, n_classes=2 * (task == "classification"), constant=0.5, plain=0.8)


def made_atlas(gain, n=16, std=0.02):
    """Datasets of 20, 24 … rows; gain: of a dataset's number, place and strength to what it gains there."""
    rows = []
    for at in range(n):
        for place, strength in GRID:
            mean = gain(at, place, strength)
            told = {"dataset": f"d{at}", "place": place, "strength": strength, "gain": mean, "std": std}
            rows.append(vars(traits(20 * 10 ** (at // 8) + at)) | told | {"low": mean - 0.02, "high": mean + 0.02})
    return pd.DataFrame(rows)


def test_start_is_what_helped_the_similar_ones():
    def gain(at, place, strength):
        small = at < 8
        return 0.05 if (place == "input") == small and strength == 0.3 else -0.05

    atlas = made_atlas(gain)
    few, many = advise(traits(22), atlas), advise(traits(220), atlas)
    assert (few.place, few.strength, many.place, many.strength) == ("input", 0.3, "before_activation", 0.3)
    assert set(few.like) <= {f"d{at}" for at in range(8)}
    assert few.strengths == {"input": 0.3, "before_activation": 0.1}
    assert (few.n_helped, few.n_hurt, few.n_all, few.n_gained) == (7, 0, 16, 16)
    assert few.gain == pytest.approx(0.05)
    assert few.low == pytest.approx(0.05)
    assert few.high == pytest.approx(0.05)


def test_where_all_noise_hurts_it_says_so():
    advice = advise(traits(22), made_atlas(lambda at, *_: -0.05))
    assert (advice.n_helped, advice.n_hurt, advice.n_gained) == (0, 7, 0)
    assert "On 0 of these 7 some noise clearly helped, on 7 it only hurt." in advice.lines()


@pytest.mark.slow
def test_the_choice_of_the_best_does_not_flatter():
    rng = np.random.default_rng(0)
    gains, naive = [], []
    for _ in range(60):
        atlas = made_atlas(lambda *_: rng.normal(0, 0.02), n=8)
        advice = advise(traits(22), atlas)
        gains.append(advice.gain)
        near = atlas[atlas["dataset"].isin(advice.like)]
        naive.append(near.groupby(["place", "strength"])["gain"].mean().max())
    error = np.std(gains, ddof=1) / np.sqrt(len(gains))
    assert abs(np.mean(gains)) < 3 * error
    assert np.mean(naive) > 3 * error


def test_splits_of_few_rows_find_no_small_difference():
    atlas = made_atlas(lambda *_: 0.01)
    assert "To find a difference of a point takes about 34 seeds" in " ".join(advise(traits(22), atlas).lines())
    again = advise(replace(traits(22), ratio=3 / 7), atlas)
    assert "No number of splits of so few rows finds a difference of a point: more rows would." in again.lines()


def test_another_task_is_not_like_it():
    atlas = pd.concat([made_atlas(lambda *_: 0.01), made_atlas(lambda *_: 0.3).assign(task="regression", n_classes=0)])
    advice = advise(traits(22), atlas)
    assert advice.n_all == 16
    assert advice.gain == pytest.approx(0.01)


def test_traits_are_of_the_rows_that_train():
    found = traits_of(Dataset(kind="wine", n_train=60))
    assert (found.task, found.n_train, found.width, found.n_classes) == ("classification", 60, 13, 3)
    assert 0.3 < found.constant < 0.5
    assert found.plain > 0.9


def test_shipped_atlas_is_whole():
    atlas = read_atlas()
    assert FILE.stat().st_size < 100_000
    assert atlas["dataset"].nunique() >= 20
    assert (atlas.groupby("dataset").size() == 9).all()
    assert not atlas.isna().any().any()
    assert set(atlas["task"]) == {"classification", "regression"}
    assert (atlas["low"] <= atlas["gain"]).all()
    assert (atlas["gain"] <= atlas["high"]).all()


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(80, 4)), columns=list("abcd"))
    frame["y"] = np.where(frame["a"] + 0.5 * rng.normal(size=80) > 0, "yes", "no")
    path = tmp_path / "plain.csv"
    frame.to_csv(path, index=False)
    return path


def test_command_advises_and_trains_nothing(table):
    shown = CliRunner().invoke(app, ["advise", str(table), "--target", "y"])
    assert shown.exit_code == 0, shown.output
    assert "tart with gaussian noise at" in shown.output
    assert "This is weak evidence" in shown.output
    told = json.loads(CliRunner().invoke(app, ["advise", str(table), "--target", "y", "--json"]).output)
    assert told["traits"]["width"] == 4
    assert told["low"] <= told["gain"] <= told["high"]
    assert [path.name for path in table.parent.iterdir()] == ["plain.csv"]


def test_command_refuses_what_init_refuses(table):
    refused = CliRunner().invoke(app, ["advise", str(table), "--target", "z"])
    assert refused.exit_code == 2
    assert "target must be a column of the table" in refused.output


def test_drafted_study_begins_with_the_strengths_of_similar_data(table):
    text, _ = draft_and_look(str(table), "y", suggest=strengths_for)
    study = yaml.safe_load(text)
    strengths, why = strengths_for(Dataset(kind="table", path=str(table), target="y", task="classification"))
    drafted = {v["injections"][0]["place"]: v["injections"][0]["stddev"] for v in study["variants"][1:4]}
    assert drafted == strengths
    assert why in text


def test_unlike_data_begins_with_the_usual_strengths(tmp_path):
    path = tmp_path / "two.csv"
    pd.DataFrame({"a": range(40), "y": np.arange(40) * 0.5, "z": np.arange(40) * 0.7}).to_csv(path, index=False)
    dataset = Dataset(kind="table", path=str(path), target=("y", "z"), task="regression", score="r2")
    assert strengths_for(dataset) == (STRENGTHS, "")
    with pytest.raises(ValueError, match="one target; this one has several"):
        traits_of(dataset)
