"""Names of rows and of columns as files have them, identifiers that few rows share, and features that tell the target."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import yaml

from noiseflow.datasets import faults, generate, warnings
from noiseflow.datasets.facts import what_was_read
from noiseflow.datasets.files import read_table
from noiseflow.datasets.guesses import gives_target_away, guess_column
from noiseflow.datasets.text_files import Reading
from noiseflow.study import Dataset
from noiseflow.study.draft import draft_study
from noiseflow.study.loading import validate

N = 40
RNG = np.random.default_rng(1)
FRAME = pd.DataFrame(
    {"age": RNG.integers(20, 60, N), "job": RNG.choice(["a, b", "c"], N), "y": ["no", "yes"] * (N // 2)}
)


def drafted(path, target="y"):
    text = draft_study(str(path), target)
    (dataset,) = validate(yaml.safe_load(text)).datasets
    assert faults(dataset, (1, 2), "datasets[0]") == []
    return dataset, text


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_names_and_texts_between_single_quotes_are_read(separator, tmp_path):
    FRAME.to_csv(tmp_path / "a.csv", index=False, sep=separator, quotechar="'", quoting=2)
    dataset, _ = drafted(tmp_path / "a.csv")
    frame = read_table(str(tmp_path / "a.csv"), Reading.of(dataset))
    assert list(frame.columns) == ["age", "job", "y"]
    assert set(frame["job"]) == {"a, b", "c"}


def test_names_between_single_quotes_and_blanks_are_read(tmp_path):
    lines = ["'OBS' 'GPA' 'y'", *(f"{i} {2 + i % 7} {i % 2}" for i in range(1, N))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    dataset, text = drafted(tmp_path / "a.csv")
    assert dataset.drop == ("OBS",)
    assert "'OBS' seems to number the rows" in text


def test_an_apostrophe_in_a_name_is_no_quote(tmp_path):
    FRAME.rename(columns={"age": "driver's age"}).to_csv(tmp_path / "a.csv", index=False)
    assert "driver's age" in read_table(str(tmp_path / "a.csv")).columns


@pytest.mark.parametrize(
    "names",
    [
        [f"Car {i}" for i in range(N)],
        [85 + 3 * i for i in range(N)],
        [f"{i}" for i in reversed(range(N))],
        [f"{i}a" for i in range(N)],
    ],
    ids=["texts", "numbers with gaps", "numbers that go down", "mixed"],
)
def test_names_of_rows_without_a_heading_are_dropped_with_a_remark(names, tmp_path):
    FRAME.set_axis(names).to_csv(tmp_path / "a.csv")
    dataset, text = drafted(tmp_path / "a.csv")
    assert dataset.drop == ("Unnamed: 0",)
    assert "'Unnamed: 0' has no name and differs in each row" in text


def test_names_of_rows_that_the_header_lacks_are_dropped(tmp_path):
    out = io.StringIO()
    FRAME.set_axis([100 + 7 * i for i in range(N)]).to_csv(out)
    (tmp_path / "a.csv").write_text(out.getvalue().removeprefix(","))
    dataset, text = drafted(tmp_path / "a.csv")
    assert dataset.drop == ("row_name",)
    assert "'row_name' has no name" in text


def test_a_first_column_without_a_name_may_hold_dates_or_a_feature(tmp_path):
    FRAME.set_axis(pd.date_range("2020-01-01", periods=N)).to_csv(tmp_path / "a.csv")
    assert drafted(tmp_path / "a.csv")[0].split_by == "Unnamed: 0"
    FRAME.set_axis(RNG.normal(size=N)).to_csv(tmp_path / "b.csv")
    assert drafted(tmp_path / "b.csv")[0].drop is None


@pytest.mark.parametrize("of", [int, "p{}".format])
def test_an_identifier_that_few_rows_share_is_a_group(of):
    values = [of(1000 + i - (i % 9 == 0)) for i in range(N)]
    guess = guess_column(pd.Series(values, name="Patient ID"))
    assert (guess.kind, guess.sure) == ("group", True)


def test_answers_of_a_few_numbers_are_no_group_though_called_pid():
    codes = pd.Series(RNG.permutation(np.repeat(range(7), [200, 180, 108, 37, 94, 150, 175])), name="PID")
    assert guess_column(codes).kind == "number"


@pytest.mark.parametrize(
    ("feature", "target", "is_class", "told"),
    [
        (np.arange(N), np.arange(N) >= 9, True, True),
        (np.arange(N), np.arange(N) % 2, True, False),
        (np.arange(N), np.arange(N) // 10, True, True),
        (np.where(np.arange(N) < 9, 0, 5), np.arange(N) >= 9, True, True),
        (np.where(np.arange(N) < 9, 0, 5), np.arange(N) >= 8, True, False),
        (np.array(["a", "b"])[np.arange(N) % 2], np.arange(N) % 2, True, True),
        (np.array(["a", "b"])[np.arange(N) % 2], np.arange(N) % 4 == 1, True, False),
        (np.arange(N), 3 - 2.5 * np.arange(N) + np.sin(np.arange(N)), False, True),
        (np.arange(N), np.sin(np.arange(N)), False, False),
        (np.arange(8), np.arange(8) >= 3, True, False),
        (np.where(np.arange(N) % 2, RNG.normal(size=N), np.nan), np.arange(N) % 2, True, True),
        (np.where(np.arange(N) % 4, RNG.normal(size=N), np.nan), np.arange(N) % 2, True, False),
        (np.where(np.arange(N) == 3, np.nan, RNG.normal(size=N)), np.arange(N) == 3, True, False),
        (np.where(np.arange(N) % 3, RNG.normal(size=N), np.nan), np.arange(N) % 3, True, False),
    ],
)
def test_a_feature_that_alone_tells_the_target(feature, target, is_class, told):
    assert gives_target_away(pd.Series(feature), pd.Series(target), is_class=is_class) is told


def test_init_drops_a_twin_of_the_target_and_points_out_what_tells_it(tmp_path):
    price = RNG.normal(size=N) * 10
    frame = FRAME.drop(columns="y").assign(
        weight=2 * price, **{"Min.Price": price - 1, "Price": price + RNG.normal(size=N) * 0.1}
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    dataset, text = drafted(tmp_path / "a.csv", "Price")
    assert dataset.drop == ("Min.Price",)
    assert "'Min.Price' is called like 'Price' and gives it away" in text
    assert "'weight' alone gives 'Price' away" in text
    assert any("'weight' alone gives 'Price' away" in one for one in warnings(dataset, generate(dataset, 1)))
    assert any("note: 'weight' alone gives 'Price' away" in line for line in what_was_read(dataset, [1, 2]).lines())


def test_what_is_read_says_that_features_give_the_target_away_together(tmp_path):
    """A total less one of its parts: no column alone is the target."""
    part, price = RNG.normal(size=(2, 500))
    pd.DataFrame({"part": part, "rest": price - part, "price": price}).to_csv(tmp_path / "a.csv", index=False)
    lines = what_was_read(drafted(tmp_path / "a.csv", "price")[0], [1, 2]).lines()
    (note,) = (line for line in lines if "note: " in line)
    assert "Ridge regression makes hardly a mistake on 150 test rows" in note


def test_a_list_of_rows_in_json_is_a_table(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(FRAME.to_dict("records")))
    pd.testing.assert_frame_equal(read_table(str(tmp_path / "a.json")), FRAME, check_dtype=False)
    (tmp_path / "b.json").write_text('{"a": 1}')
    dataset = Dataset(kind="table", path=str(tmp_path / "b.json"), target="y", task="classification")
    (fault,) = faults(dataset, (1,), "datasets[0]")
    assert "path must be a list of rows; received" in fault
