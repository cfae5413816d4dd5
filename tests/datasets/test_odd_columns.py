"""Columns and files of kinds that were read as something else without a word, each with what a person reads."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from noiseflow.base.faults import InvalidInputError
from noiseflow.datasets import faults, generate, warnings
from noiseflow.datasets.columns import times
from noiseflow.datasets.doubts import doubts
from noiseflow.datasets.files import read_table
from noiseflow.datasets.guesses import gives_target_away, guess_column, nearly_equal
from noiseflow.datasets.number_text import parse
from noiseflow.datasets.preparation import prepare_table
from noiseflow.datasets.text_files import Reading
from noiseflow.study import Dataset
from noiseflow.study.draft import draft_study
from noiseflow.study.loading import validate

N = 60
RNG = np.random.default_rng(1)
A, B = RNG.normal(50, 10, N).round(2), RNG.normal(5, 1, N).round(2)
Y = np.array(["no", "yes"] * (N // 2))
BODY = "\n".join(f"{a},{b},{y}" for a, b, y in zip(A, B, Y, strict=True))
MIXED = RNG.permutation(np.arange(1000, 1000 + N))
MONTHS = pd.period_range("1949-01", periods=N, freq="M")
DAYS = pd.date_range("2019-11-01", periods=N)


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["$(1,234.50)", "$2,000.00"], [-1234.5, 2000]),
        (["1,234.50-", "2,000.00"], [-1234.5, 2000]),
        (["1,23,456", "12,34,567", "999"], [123456, 1234567, 999]),
        (["19M", "201k"], [19e6, 201e3]),
        (["1.2k", "950"], [1200, 950]),
        (["12.5*", "7[1]", "8 †", "9"], [12.5, 7, 8, 9]),
        (["1.5k", "2k"], [1.5, 2]),
        (["12:30", "1:15"], [12.5, 1.25]),
        (["1:15 PM", "12:30 AM"], [13.25, 0.5]),
        (["01:30:36"], [1.51]),
        (["12:30", "1:02:03"], None),
        (["2-", "3+"], None),
        (["120/80"], None),
    ],
)
def test_numbers_in_many_forms_have_the_value_that_a_person_reads(texts, numbers):
    parsed = parse(texts)
    assert [parsed.numbers.get(text) for text in texts] == (numbers or [None] * len(texts))


def test_numbers_of_which_some_have_a_unit_are_doubted():
    guess = guess_column(pd.Series(["3.5%", "0.04", "7.1%", "0.11"] * 5 + [f"{i}.5%" for i in range(9, 20)], name="p"))
    assert guess.kind == "number"
    assert "Not sure: 2 of 15 values have no unit" in guess.why


@pytest.mark.parametrize(
    "name",
    "rowid Pat.-Nr. Lfd._Nr. record obs nummer SSN S.No sl_no serial MRN account CaseID No.".split(),  # noqa: SIM905
)
def test_numbers_that_name_each_row_are_no_feature(name):
    assert guess_column(pd.Series(MIXED, name=name)).kind == "identifier"


@pytest.mark.parametrize(
    "name",
    "hhid pat_nr Pat.-Nr. Subj ptid hospid twin_pair VP schoolid famid USUBJID idno case ticker permno psu".split(),  # noqa: SIM905
)
def test_numbers_that_rows_share_are_a_group(name):
    guess = guess_column(pd.Series(np.repeat(np.arange(101, 113), 5), name=name))
    assert (guess.kind, guess.sure) == ("group", True)


@pytest.mark.parametrize("name", ["acid", "s", "grid", "MPG.city", "patient age", "paid"])
def test_words_within_a_name_make_no_group_of_measurements(name):
    assert guess_column(pd.Series(RNG.poisson(20, N), name=name)).kind == "number"


TIMES = {
    "1949M01": [f"{p.year}M{p.month:02d}" for p in MONTHS],
    "1949:1": [f"{p.year}:{p.month}" for p in MONTHS],
    "194901": [p.year * 100 + p.month for p in MONTHS],
    "20191101": [int(d.strftime("%Y%m%d")) for d in DAYS],
    "seconds": [1572566400 + 3600 * i + i * i % 7 for i in range(N)],
    "milliseconds": [1572566400000 + 60000 * i + i * i % 11 for i in range(N)],
    "week 12": [f"week {i}" for i in range(1, N + 1)],
    "FY1960": [f"FY{1960 + i}" for i in range(N)],
    "German": [f"{d.day}. {['November', 'Dezember'][d.month - 11]} {d.year}" for d in DAYS if d.month > 10][:40],
    "German March": ["28. Februar 2020", "1. März 2020", "3. Mai 2020", "5. Oktober 2020"],
    "French": ["28 févr. 2020", "1 mars 2020", "3 avril 2020", "5 août 2020", "6 décembre 2020"],
}


@pytest.mark.parametrize("form", TIMES)
def test_times_in_many_forms_order_the_rows(form):
    column = pd.Series(TIMES[form], name="t")
    assert guess_column(column).kind in ("time", "date")
    found = times(column)
    assert not pd.isna(found).any()
    assert pd.Series(found).is_monotonic_increasing
    assert pd.Series(found).is_unique


def test_a_date_of_birth_is_no_time():
    guess = guess_column(pd.Series(DAYS.astype(str), name="birth_date"))
    assert (guess.kind, guess.why) == ("other", "holds dates of birth")


@pytest.mark.parametrize(
    "texts",
    [("non-smoker", "non smoker", "Non_Smoker"), ("male", "male\u00a0"), ("male", "male\u200b"), ("A", '"A"')],
)
def test_texts_that_only_look_different_are_nearly_equal(texts):
    assert nearly_equal(pd.Series([*texts, "other"])) == [texts]


@pytest.mark.parametrize("texts", [("A+", "A", "A-"), ("1-2", "12"), ("male", "female")])
def test_texts_that_mean_something_else_are_not_nearly_equal(texts):
    assert not nearly_equal(pd.Series(texts))


SENTINEL = "Values far from all others"
CODES = "Numbers that may be codes"
COUNTS = "Numbers that may only number the rows"
ROLE = "Columns that may say how rows are split or weighted"
WORDS = "Words that are read as a category"


def some(value, others):
    return np.where(np.arange(N) % 7 == 0, value, others)


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        *(("v", some(value, A / 3), SENTINEL) for value in (-999, 9999, -1, -9, 999, 99, -99, 99999)),
        ("v", some(9, np.arange(N) % 2 + 1), SENTINEL),
        ("v", A, None),
        ("v", some(99, np.arange(N) + 60), None),
        ("v", np.array([1, 2, 3, 88, 99])[np.arange(N) % 5], SENTINEL),
        ("v", np.arange(N) % 3 - 1, None),
        ("race", np.arange(N) % 3 + 1, CODES),
        ("zip_code", MIXED * 7, CODES),
        ("height", MIXED * 7, None),
        ("order", MIXED, COUNTS),
        ("step", np.arange(N) * 10, COUNTS),
        ("LGA", np.repeat(np.arange(12), 5), "Numbers that count blocks of rows"),
        ("dose", np.repeat(np.arange(4), 15), None),
        ("part", np.where(np.arange(N) < 40, "train", "test"), ROLE),
        ("is_test", np.arange(N) // 40, ROLE),
        ("fold", np.arange(N) % 5, ROLE),
        ("sample_weight", B, ROLE),
        ("weight", B, None),
        ("v", some("unknown", np.array(["a", "b"])[np.arange(N) % 2]), WORDS),
        ("v", some("nicht bekannt", (np.arange(N) % 3).astype(str)), WORDS),
        ("height", [f"{5 + i % 2}'{i % 12}\"" for i in range(N)], "Texts that begin with digits"),
        ("v", [["yes", "y", "no", "n"][i % 4] for i in range(N)], "Values that may be one"),
        ("v", ["male"] * 30 + ["female"] * 28 + ["femal"] * 2, "Values that may be one"),
        ("v", ["child", "adult", "elder"] * 20, None),
        ("region", [*np.array(["north", "south"])[np.arange(N - 1) % 2], "Total"], "The last row may be a total"),
    ],
)
def test_column_that_may_be_something_else_is_doubted(name, values, says):
    column = pd.Series(values, name=name)
    found = doubts([column], {name: guess_column(column)})
    assert len(found) == (says is not None)
    assert says is None or found[0].startswith(says)


def test_doubts_are_said_by_init_and_by_plan_until_the_study_says_what_is_meant(tmp_path):
    frame = pd.DataFrame({"v": some(-999, A), "race": np.arange(N) % 3 + 1, "b": B, "y": Y})
    frame.to_csv(tmp_path / "a.csv", index=False)
    text = draft_study(str(tmp_path / "a.csv"), "y")
    (dataset,) = validate(yaml.safe_load(text)).datasets
    said = warnings(dataset, generate(dataset, 1))
    for doubt in ("'v' (-999 in 9 rows). Name them", "'race' (3 whole numbers). Name them"):
        assert doubt.split("Name")[0] in text
        assert any(doubt in one for one in said)
    meant = dataset.model_copy(update={"na_values": ("-999",), "categorical": ("race",), "missing": "impute"})
    assert not warnings(meant, generate(meant, 1))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_number_that_means_missing_is_missing_in_every_kind_of_file(tmp_path, suffix):
    frame = pd.DataFrame({"v": some(-999, A), "b": B, "y": Y})
    path = tmp_path / f"a.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    settings = {"kind": "table", "path": str(path), "target": "y", "task": "classification", "na_values": ["-999"]}
    (fault,) = faults(Dataset(**settings), [1], "datasets[0]")
    assert "without missing values; received 'v' (9 of 60)" in fault


def test_a_feature_that_is_a_function_of_the_target_tells_it():
    assert gives_target_away(pd.Series(np.exp(B)), pd.Series(B), is_class=False)


ROWS = [line.split(",") for line in BODY.splitlines()]
FILES = {  # content, and the keys that are written
    "two lines of names": (f"x,x,z\na,b,y\n{BODY}", {"skip_rows": 1}),
    "a separator in the first line": (f"sep=;\na;b;y\n{BODY.replace(',', ';')}", {"separator": ";", "skip_rows": 1}),
    "a title and commas": (f"My table of things,,\n,,\na,b,y\n{BODY}", {"skip_rows": 2}),
    "UTF-16 without a mark": (f"a,b,y\n{BODY}".encode("utf-16-le"), {"encoding": "utf-16-le"}),
    "a name of two lines": (f'"a\n(cm)",b,y\n{BODY}', {}),
    "values of two lines": (
        "a,b,note,y\n" + "\n".join(f'{a},{b},"one\nline {i % 3}",{y}' for i, (a, b, y) in enumerate(ROWS)),
        {"skip_rows": None, "drop": None},
    ),
}


@pytest.mark.parametrize("form", FILES)
def test_file_of_an_odd_form_is_read(form, tmp_path):
    content, keys = FILES[form]
    path = tmp_path / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (dataset,) = validate(yaml.safe_load(draft_study(str(path), "y"))).datasets
    assert {key: getattr(dataset, key) for key in keys} == keys
    frame = read_table(str(path), Reading.of(dataset))
    assert len(frame) == N
    assert frame.columns[0] == ("a (cm)" if "a name" in form else "a")
    np.testing.assert_array_equal(frame.iloc[:, 0], A)


def test_thousands_in_some_numbers_of_one_column_are_read_beside_a_column_with_decimals_alone(tmp_path):
    lines = [f"{i % 7},{i % 9};{('137,50', '1.174,50')[i % 2]};{y}" for i, y in enumerate(Y)]
    (tmp_path / "a.csv").write_text("\n".join(["size;price;y", *lines]))
    (dataset,) = validate(yaml.safe_load(draft_study(str(tmp_path / "a.csv"), "y"))).datasets
    assert (dataset.decimal, dataset.thousands) == (",", ".")
    prices = prepare_table(dataset).frame["price"]
    assert set(prices) == {137.5, 1174.5}


def test_text_without_a_header_is_known_by_its_values(tmp_path):
    lines = [f"{'abc'[i % 3]},{'uv'[i % 2]},{y}" for i, y in enumerate(Y)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    (dataset,) = validate(yaml.safe_load(draft_study(str(tmp_path / "a.csv"), "column_3"))).datasets
    assert dataset.header == "none"
    (tmp_path / "b.csv").write_text("\n".join(["kind,side,y", *lines]))
    assert validate(yaml.safe_load(draft_study(str(tmp_path / "b.csv"), "y"))).datasets[0].header is None


def test_what_may_be_thousands_or_a_category_called_none_is_said(tmp_path):
    sums = [f"{n // 1000}.{n % 1000:03d}" for n in MIXED * 7]
    frame = pd.DataFrame({"sum": sums, "pool": np.array(["None", "small", "large"])[np.arange(N) % 3], "y": Y})
    frame.to_csv(tmp_path / "a.csv", index=False, sep=";")
    text = draft_study(str(tmp_path / "a.csv"), "y")
    assert "Not sure: 'sum' has three digits after each point." in text
    assert (
        "Words that are read as missing: 'None' in 'pool'. If one is a category: not_missing: [None]."
        in text.replace("\n    # ", " ")
    )


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("day", "received 'day', which holds dates. Turn it into numbers, such as days since the first"),
        ("rare", "at least 2 rows of each class; received 'rare' with 1 of 'w'"),
        ("y,a", "received 'y' of text and 'a' of numbers. One network learns one kind: name targets of one kind"),
        ("y,three", "received 'three' of more classes. One network learns one kind"),
    ],
)
def test_target_that_cannot_be_learnt_is_refused_with_the_reason(tmp_path, target, says):
    frame = pd.DataFrame(
        {"a": A, "day": DAYS.astype(str), "rare": ["v"] * (N - 1) + ["w"], "three": ["u", "v", "w"] * 20}
    )
    frame.assign(y=Y).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InvalidInputError) as refused:
        draft_study(str(tmp_path / "a.csv"), target)
    assert says in refused.value.faults[0]


def test_rows_that_are_set_aside_count_for_no_column(tmp_path):
    frame = pd.DataFrame(
        {"a": A, "note": [f"n{i}" if i < 30 else "-" for i in range(N)], "late": [np.nan] * 30 + [1, 2] * 15}
    )
    frame.assign(y=[*Y[:30], *[None] * 30]).to_csv(tmp_path / "a.csv", index=False)
    (dataset,) = validate(yaml.safe_load(draft_study(str(tmp_path / "a.csv"), "y"))).datasets
    assert {*(dataset.drop or ())} == {"note", "late"}
    assert not faults(dataset, [1], "datasets[0]")


def test_few_rows_of_which_a_third_may_all_be_alike_test_a_half(tmp_path):
    y = [0, 0, 0, 0, 0, 1, 2, 3, 0, 5, 6, 0]
    pd.DataFrame({"a": A[:12], "y": y}).to_csv(tmp_path / "a.csv", index=False)
    text = draft_study(str(tmp_path / "a.csv"), "y", task="regression")
    assert "test_fraction: 0.5" in text
    assert "Of so few rows" in text


def test_a_workbook_is_read_below_its_title_and_from_the_sheet_with_a_table(tmp_path):
    frame = pd.DataFrame({"a": A, "b": B, "y": Y})
    with pd.ExcelWriter(tmp_path / "a.xlsx") as book:
        pd.DataFrame({"About this file": []}).to_excel(book, sheet_name="About", index=False)
        frame.to_excel(book, sheet_name="Data", startrow=2, index=False)
        book.sheets["Data"]["A1"] = "Report of 2020"
    (dataset,) = validate(yaml.safe_load(draft_study(str(tmp_path / "a.xlsx"), "y"))).datasets
    assert (dataset.sheet, dataset.skip_rows) == ("Data", 2)
    pd.testing.assert_frame_equal(read_table(str(tmp_path / "a.xlsx"), Reading.of(dataset)), frame, check_dtype=False)


@pytest.mark.parametrize("form", ["wrapped", "columns", "nested"])
def test_json_in_several_forms_is_a_table(tmp_path, form):
    rows = pd.DataFrame({"a": A, "y": Y}).to_dict("records")
    content = {
        "wrapped": {"version": 2, "rows": rows},
        "columns": {"a": [*A], "y": [*Y]},
        "nested": [{"y": row["y"], "a": {"mean": row["a"]}} for row in rows],
    }[form]
    (tmp_path / "a.json").write_text(json.dumps(content))
    frame = read_table(str(tmp_path / "a.json"))
    np.testing.assert_array_equal(frame["a.mean" if form == "nested" else "a"], A)


def test_durations_are_seconds(tmp_path):
    pd.DataFrame({"t": pd.to_timedelta(A, unit="s"), "y": Y}).to_parquet(tmp_path / "a.parquet")
    np.testing.assert_allclose(read_table(str(tmp_path / "a.parquet"))["t"], A)


@pytest.mark.parametrize(
    "content", [b"a,b,y", b"\x1f\x8b\x08\x00cut", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff"]
)
def test_a_packed_file_that_is_broken_is_refused(tmp_path, content):
    (tmp_path / "a.csv.gz").write_bytes(content)
    with pytest.raises(InvalidInputError, match="which cannot be read"):
        draft_study(str(tmp_path / "a.csv.gz"), "y")


@pytest.mark.parametrize("name", ["x", "zip"])
def test_infinite_numbers_are_guessed_and_doubted_without_a_warning(name):
    """NumPy's warnings are errors here."""
    column = pd.Series([*map(float, range(202001, 202013)), np.inf], name=name)
    guess = guess_column(column)
    assert guess.kind == "number"
    assert doubts([column], {name: guess}) == []


YEARS = [str(year) for year in range(2000, 2012)]
FORMS = {
    "thousands and dates": (
        "day;sales;y\n" + "".join(f"{day:%d.%m.%Y};1.{100 + i * 7 % 60},5;{i % 2}\n" for i, day in enumerate(DAYS)),
        {"thousands": ".", "split_by": "day"},
        {"sales": (1100.5, 1159.5)},
    ),
    "dots between hours": (
        "time;v;y\n" + "".join(f"{i % 24:02d}.{i % 4 * 15:02d}.00;{i},5;{i % 2}\n" for i in range(N)),
        {"numeric": ("time",), "thousands": None},
        {"time": (0.0, 23.75)},
    ),
    "units below the names": (
        "t,p,y\ns,bar,-\n" + "".join(f"{i * 0.5},{1 + i % 7 / 10:.1f},{'no' if i % 2 else 'yes'}\n" for i in range(N)),
        {"numeric": ("t", "p"), "set_aside": ("missing_target",)},
        {"p": (1.0, 1.6)},
    ),
    "exponents of Fortran": (
        "x,w,y\n" + "".join(f"{i}.5D-03,{i % 5},{i % 2}\n" for i in range(N)),
        {"numeric": ("x",)},
        {"x": (0.0005, 0.0595)},
    ),
    "years as names": (
        f"Country Name,{','.join(YEARS)},\n"
        + "".join(f"Land {i},{','.join(str(i * 2 + k) for k in range(12))},\n" for i in range(N)),
        {"header": None, "drop": ("Country Name",)},
        {"2003": (3.0, 121.0)},
    ),
    "columns without a name": (
        ",,y\n" + "".join(f"{i % 9 + i / 7:.3f},{i % 5},{i % 2}\n" for i in range(N)),
        {"header": None, "skip_rows": None},
        {"Unnamed: 1": (0.0, 4.0)},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_text_of_an_odd_form_is_read_as_a_person_reads_it(form, tmp_path):
    content, settings, ranges = FORMS[form]
    (tmp_path / "a.csv").write_text(content)
    target = "2011" if form.startswith("years") else "y"
    (dataset,) = validate(yaml.safe_load(draft_study(str(tmp_path / "a.csv"), target))).datasets
    assert not faults(dataset, [1], "datasets[0]")
    assert {key: getattr(dataset, key) for key in settings} == settings
    frame = prepare_table(dataset).frame
    for name, (least, most) in ranges.items():
        assert frame[name].min() == pytest.approx(least)
        assert frame[name].max() == pytest.approx(most)


def test_columns_of_a_file_without_a_header_are_no_twins_of_the_target(tmp_path):
    rows = "".join(f"{i * 1.5},{i % 7}.5,{i * 3.0 + i % 2}\n" for i in range(N))
    (tmp_path / "a.csv").write_text(rows)
    text = draft_study(str(tmp_path / "a.csv"), "3")
    assert "drop:" not in text
    assert "'column_1' alone gives 'column_3' away" in text


def test_a_record_number_that_rows_share_is_a_group():
    frame = pd.DataFrame({"MRN": np.repeat(RNG.permutation(9000)[:15], 4), "bp": A, "y": Y})
    assert guess_column(frame["MRN"]).kind == "group"
    assert guess_column(frame["MRN"].drop_duplicates()).kind == "identifier"


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([["a", "b"], ["a"]], ['["a", "b"]', '["a"]']),
        ([[1, 2], [3]], ["[1, 2]", "[3]"]),
        ([{"a": 1}, {"a": 2}], ['{"a": 1}', '{"a": 2}']),
    ],
)
def test_lists_and_tables_within_a_column_are_text(values, texts, tmp_path):
    frame = pd.DataFrame({"x": [1.0, 2.0], "v": values})
    if isinstance(values[0], dict):
        frame = frame.assign(v=[[value] for value in values])
        texts = [f"[{text}]" for text in texts]
    (tmp_path / "a.jsonl").write_text(frame.to_json(orient="records", lines=True))
    assert list(read_table(str(tmp_path / "a.jsonl"))["v"]) == texts


def test_no_target_is_found_below_lines_of_other_widths(tmp_path):
    """The first line has fewer cells than the table; it was a traceback."""
    (tmp_path / "a.csv").write_text("made by us,x\n\n" + "".join(f"{i},{i % 5}.5,{i % 3},{i}\n" for i in range(N)))
    with pytest.raises(InvalidInputError, match="target must be a column of the table"):
        draft_study(str(tmp_path / "a.csv"), "price")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_infinite_numbers_are_drafted_as_missing(suffix, tmp_path):
    frame = pd.DataFrame({"a": [np.inf, -np.inf, *A[2:]], "b": B, "y": Y})
    path = tmp_path / f"a.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    text = draft_study(str(path), "y")
    (dataset,) = validate(yaml.safe_load(text)).datasets
    assert not faults(dataset, [1], "datasets[0]")
    assert "'a': infinite numbers are taken for missing." in text
    assert prepare_table(dataset).frame["a"].isna().sum() == 2


def test_numbers_that_begin_with_zeros_may_be_codes(tmp_path):
    pd.DataFrame({"a": A, "plz": [f"{n:05d}" for n in MIXED], "y": Y}).to_csv(tmp_path / "a.csv", index=False)
    said = draft_study(str(tmp_path / "a.csv"), "y").replace("\n    # ", " ")
    assert "numbers of 'plz' begin with zeros, as codes do. If they are codes, set categorical: [plz]" in said


def test_recordings_that_rows_share_are_a_group():
    assert guess_column(pd.Series(np.repeat([f"{i}.wav" for i in range(12)], 5), name="filename")).kind == "group"
    assert guess_column(pd.Series(np.repeat([f"{i}.wav" for i in range(12)], 5), name="filename")).sure
