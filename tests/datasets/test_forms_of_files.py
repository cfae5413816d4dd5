"""Tables in many encodings and packings, with names that are there twice: each is drafted and read as a person reads it."""

import bz2
import gzip
import lzma
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml

from noiseflow.base.faults import InvalidInputError
from noiseflow.datasets import faults, generate, warnings
from noiseflow.datasets.files import read_table
from noiseflow.datasets.text_files import Reading, distinct
from noiseflow.study import Dataset
from noiseflow.study.draft import draft_study
from noiseflow.study.loading import validate

N = 60
RNG = np.random.default_rng(1)
FRAME = pd.DataFrame({"x": RNG.normal(size=N).round(3), "g": list("abc") * 20, "y": [0, 1] * 30})
TEXT = FRAME.to_csv(index=False)


def drafted(path):
    text = draft_study(str(path), "y")
    (dataset,) = validate(yaml.safe_load(text)).datasets
    assert not faults(dataset, [1], "datasets[0]")
    return dataset, text, read_table(str(path), Reading.of(dataset))


CITIES = {
    "shift_jis": ("東京", "大阪", "京都"),
    "euc_jp": ("東京", "大阪", "京都"),
    "gbk": ("北京", "上海", "广州"),
    "big5": ("臺北", "高雄", "臺中"),
    "euc_kr": ("서울", "부산", "대구"),
    "cp1251": ("Москва", "Казань", "Пермь"),
    "utf-16": ("東京", "大阪", "京都"),
    "utf-16-le": ("Köln", "Bonn", "Ulm"),
    "cp1252": ("Köln", "5 €", "Zürich"),
    "latin-1": ("Köln", "\x81", "Zürich"),
    "windows-1252": ("Größe", "Süße", "Maß"),
}


@pytest.mark.parametrize("encoding", CITIES)
def test_letters_of_many_encodings_are_read(tmp_path, encoding):
    cities = dict(zip("abc", CITIES[encoding], strict=True))
    text = FRAME.assign(g=FRAME["g"].map(cities)).rename(columns={"g": cities["a"]}).to_csv(index=False)
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    dataset, text, frame = drafted(tmp_path / "a.csv")
    assert f"{cities['a']!r} is in the text if it is right" in text
    assert list(frame[cities["a"]]) == list(FRAME["g"].map(cities))
    plain = Dataset(kind="table", path=dataset.path, target="y", task="classification")
    (fault,) = faults(plain, [1], "datasets[0]")
    assert f'Set encoding: "{dataset.encoding}"' in fault or encoding == "utf-16-le"


def packed(path):
    body = TEXT.encode()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("in/a.tsv", body.replace(b",", b"\t"))
            archive.writestr("__MACOSX/._a.tsv", "of no use")
    else:
        path.write_bytes({".bz2": bz2.compress, ".xz": lzma.compress}[path.suffix](body))
    return path


@pytest.mark.parametrize("name", ["a.csv.bz2", "a.txt.xz", "a.csv.zip", "a.zip"])
def test_packed_text_is_read(tmp_path, name):
    dataset, _, frame = drafted(packed(tmp_path / name))
    pd.testing.assert_frame_equal(frame, FRAME)
    sampled = read_table(dataset.path, Reading(separator=dataset.separator, sample=20))
    assert len(sampled) == 20


def test_archive_of_several_files_is_refused_with_their_names(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("train.csv", TEXT)
        archive.writestr("test.csv", TEXT)
    with pytest.raises(
        InvalidInputError, match=r"one text file in it; received an archive with 'train.csv', 'test.csv'"
    ):
        draft_study(str(tmp_path / "a.zip"), "y")


@pytest.mark.parametrize(("separator", "said"), [(":", "colons"), ("^", "carets")])
def test_seldom_separators_are_found(tmp_path, separator, said):
    FRAME.to_csv(tmp_path / "a.csv", index=False, sep=separator)
    _, text, frame = drafted(tmp_path / "a.csv")
    assert f"Values are between {said}." in text
    pd.testing.assert_frame_equal(frame, FRAME)


def test_colons_of_times_separate_nothing(tmp_path):
    times = [f"2020-01-{i % 28 + 1:02d} 12:{i:02d}" for i in range(N)]
    FRAME.assign(when=times).to_csv(tmp_path / "a.csv", index=False)
    assert drafted(tmp_path / "a.csv")[0].separator is None


def test_stata_file_has_its_labels(tmp_path):
    """Codes with labels are categories; where two codes share a label they are numbers."""
    frame = FRAME.assign(level=pd.Categorical(np.where(FRAME["g"] == "a", "low", "high")))
    frame.to_stata(tmp_path / "a.dta", write_index=False)
    read = drafted(tmp_path / "a.dta")[2]
    assert list(read["level"]) == list(frame["level"])
    labels = {"x": {}, "y": {0: "same", 1: "same"}}
    FRAME[["x", "y"]].to_stata(tmp_path / "b.dta", write_index=False, value_labels=labels)
    assert list(read_table(str(tmp_path / "b.dta"))["y"]) == [0, 1] * 30


@pytest.mark.parametrize("header", ["x,x,y", "x, x,y", '"x","x ","y"'])
def test_names_that_are_there_twice_are_numbered_and_said(tmp_path, header):
    rows = "".join(f"{a},{2 * a:.3f},{b}\n" for a, b in zip(FRAME["x"], FRAME["y"], strict=True))
    (tmp_path / "a.csv").write_text(f"{header}\n{rows}")
    dataset, text, frame = drafted(tmp_path / "a.csv")
    assert list(frame) == ["x", "x.1", "y"]
    for said in (text, "".join(warnings(dataset, generate(dataset, 1)))):
        assert "'x.1' is called like another column, with a number" in said


def test_names_are_numbered_as_pandas_does():
    assert distinct(["x", "x", "x.1", "y", "x"]) == ["x", "x.2", "x.1", "y", "x.3"]


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_word_for_missing_may_be_a_category(tmp_path, suffix):
    """Among numbers it still means that one is missing."""
    pool = ["None", "big", "NA"] * 20
    frame = FRAME.assign(pool=pool, x=["NA", *FRAME["x"][1:]])
    path = tmp_path / f"a{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_excel(path, index=False)
    kept = read_table(str(path), Reading(not_missing=("None", "NA")))
    assert list(kept["pool"]) == pool
    assert kept["x"].isna().sum() == 1
    assert kept["x"].dtype == np.float64
    assert read_table(str(path), Reading(not_missing=("None",)))["pool"].isna().sum() == 20
    assert read_table(str(path))["pool"].isna().sum() == 40


@pytest.mark.parametrize("name", ["a.sav", "a.rds", "a.xls"])
def test_other_kinds_of_files_are_refused_with_those_that_are_read(tmp_path, name):
    (tmp_path / name).write_bytes(b"of no use")
    with pytest.raises(
        InvalidInputError, match=r"Save it as .csv. Read are .csv, .*\.dta.*text also as .gz, .bz2, .xz, .zip"
    ):
        draft_study(str(tmp_path / name), "y")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
@pytest.mark.parametrize(
    "spoil", [lambda c: c[: len(c) // 2], lambda c: b"hello" * 30, lambda c: c[:30] + b"!" + c[31:]]
)
def test_a_broken_packed_file_is_refused_in_a_sentence(tmp_path, pack, spoil):
    path = tmp_path / f"a.csv.{ {gzip.compress: 'gz', bz2.compress: 'bz2', lzma.compress: 'xz'}[pack] }"
    path.write_bytes(spoil(pack(TEXT.encode())))
    with pytest.raises(InvalidInputError, match="Pack it again, or fetch it again"):
        draft_study(str(path), "y")


def test_a_broken_archive_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"hello" * 30)
    with pytest.raises(InvalidInputError, match="Pack it again, or fetch it again"):
        draft_study(str(tmp_path / "a.zip"), "y")


def test_packed_rows_without_end_are_sampled_and_not_read_whole(tmp_path, monkeypatch):
    """Few bytes, also unpacked, but more values than memory: 87 kB of .xz took 8 GB."""
    rows = "".join(f"{i % 7},{i % 2}\n" for i in range(120_000))
    (tmp_path / "a.csv.xz").write_bytes(lzma.compress(f"x,y\n{rows}".encode()))
    monkeypatch.setattr("noiseflow.datasets.file_limits.MAX_BYTES", 1_000_000)
    with pytest.raises(
        InvalidInputError, match=r"hold at most 125,000 values.*which holds some 240,002.*set sample: 50000"
    ):
        read_table(str(tmp_path / "a.csv.xz"))
    assert "sample: 50000" in draft_study(str(tmp_path / "a.csv.xz"), "y")
