"""Bad files become sentences, whatever is in them."""

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from noiseflow.datasets import faults, file_limits, files, generate, text_files
from noiseflow.study import Dataset

GOOD = b"x,y\n" + b"".join(b"%d,%d\n" % (i * i, i % 2) for i in range(30))


def table(path, **settings):
    return Dataset(**{"kind": "table", "path": str(path), "target": "y", "task": "classification", **settings})


def arrays(path, task="classification", **settings):
    return Dataset(kind="arrays", path=str(path), task=task, **settings)


def found(dataset):
    return faults(dataset, [1, 2], "datasets[0]")


def test_a_good_file_has_no_faults(tmp_path):
    for content in (GOOD, b"\xef\xbb\xbf" + GOOD, GOOD.replace(b"\n", b"\r\n"), b'"x","y"\n' + GOOD[4:]):
        (tmp_path / "a.csv").write_bytes(content)
        assert found(table(tmp_path / "a.csv")) == []


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "which is empty"),
        (b"x,y\n", "which has a header only"),
        (b"\n\n\n", "which cannot be read"),
        (b"\x00\x01\x02\xff" * 50, "which holds binary data"),
        (b"x,y\n\xff\xfe,1\n", "whose text is not UTF-8"),
        (GOOD + b"1,2,3\n", "which cannot be read: Expected 2 fields in line 32, saw 3. See that each row has"),
        (b"x,y\n1,2,3,4\n4,5,6,7\n", "a row has more values than the header has names"),
        (GOOD.replace(b",", b";"), "values were separated by semicolons"),
        (b",".join(b"c%d" % i for i in range(10_001)) + b"\n1\n", "which has 10,001"),
        (b"x" * (text_files.MAX_HEADER + 5), "whose first line is over"),
        (b'"x,y\n1,2\n', "which cannot be read"),
        (b"x,\x1b[31my\n1,2\n", "printable names"),
        (b"<html><body>,</body>\n<p>a,b</p>\n", "target must be a column of the table"),
        (json.dumps({"x": 1, "y": 2}).encode(), "which has a header only"),
    ],
)
def test_bad_csv_files_are_said_in_a_sentence(tmp_path, content, text):
    (tmp_path / "a.csv").write_bytes(content)
    (fault,) = found(table(tmp_path / "a.csv"))
    assert text in fault
    assert fault.startswith("datasets[0].")
    assert "\n" not in fault


def parquet():
    file = io.BytesIO()
    pd.DataFrame({"x": range(30), "y": [0, 1] * 15}).to_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "which is empty"),
        (b"abc", "which cannot be read"),
        (b"no parquet file, for sure", "which is no Parquet file"),
        (b"\xff\xff\xff\x7fPAR1", "whose footer has 2,147,483,647 bytes"),
        (parquet()[:-200] + parquet()[-8:], "which cannot be read"),
        (parquet()[:40] + parquet()[90:], ""),
    ],
)
def test_bad_parquet_files_are_said_in_a_sentence(tmp_path, content, text):
    (tmp_path / "a.parquet").write_bytes(content)
    (fault,) = found(table(tmp_path / "a.parquet"))
    assert text in fault
    assert "\n" not in fault


def test_text_of_parquet_that_is_no_utf8(tmp_path):
    file = io.BytesIO()
    pd.DataFrame({"x": ["caf\u00e9"] * 15 + ["tea"] * 15, "y": [0, 1] * 15}).to_parquet(file, compression=None)
    (tmp_path / "a.parquet").write_bytes(file.getvalue().replace("\u00e9".encode(), b"\xe9\xe9"))
    (fault,) = found(table(tmp_path / "a.parquet"))
    assert fault.startswith("datasets[0].path must be a table; received ")


def test_paths_that_are_no_files(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "a.xlsx").write_bytes(GOOD)
    (tmp_path / "a.pickle").write_bytes(GOOD)
    for path, text in [
        (tmp_path / "none.csv", "which does not exist"),
        (tmp_path / "folder.csv", "which is no file"),
        (tmp_path / "a.xlsx", "File is not a zip file"),
        (tmp_path / "a.pickle", "of the kind .pickle"),
        ("https://example.org/a.csv", "which does not exist"),
        ("/dev/zero", "which is no file"),
        ("x" * 4000 + ".csv", "File name too long"),
    ]:
        (fault,) = found(table(path))
        assert text in fault


def test_files_that_are_too_large_are_refused(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_bytes(GOOD)
    monkeypatch.setattr(file_limits, "MAX_BYTES", 100)
    assert "have at most 100 bytes" in found(table(tmp_path / "a.csv"))[0]


def test_a_file_is_parsed_once(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_bytes(GOOD)
    calls = []
    read = files._read_text
    monkeypatch.setitem(files.FORMATS, ".csv", lambda *arguments: calls.append(1) or read(*arguments))
    for seed in range(5):
        generate(table(tmp_path / "a.csv"), seed)
    assert len(calls) == 1


def save(path, **content):
    np.savez(path, **content)
    return path


IMAGES = np.random.default_rng(1).normal(size=(40, 6, 6, 2))


@pytest.mark.parametrize("X", [IMAGES, IMAGES[..., 0], IMAGES[:, 0, :, 0], (10 * IMAGES).astype(np.int8)])
def test_arrays_are_split_and_standardized(tmp_path, X):
    y = np.array(["b", "a"] * 20)
    dataset = arrays(save(tmp_path / "a.npz", X=X, y=y), test_fraction=0.25)
    assert found(dataset) == []
    data = generate(dataset, 1)
    assert data.X_train.shape == (30, *X.shape[1:])
    np.testing.assert_allclose(data.X_train.reshape(-1, X.shape[-1]).mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(data.X_train.reshape(-1, X.shape[-1]).std(0), 1)
    assert data.n_classes == 2


def test_arrays_of_a_regression_have_a_scale(tmp_path):
    y = np.arange(40.0)
    data = generate(arrays(save(tmp_path / "a.npz", X=IMAGES, y=y), "regression"), 1)
    assert data.n_classes == 0
    assert data.y_train.std() == pytest.approx(1)
    assert np.ptp(np.concatenate([data.y_train, data.y_test])) * data.target_scale == pytest.approx(39)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            {"pictures": IMAGES, "y": np.arange(40)},
            "hold the arrays X and y, or x_train, y_train, x_test and y_test; received",
        ),
        ({"X": IMAGES, "y": np.array([{}] * 40)}, "a y of numbers or text; received object"),
        ({"X": np.arange(40), "y": np.arange(40)}, "received (40,)"),
        ({"X": IMAGES[None], "y": np.arange(40)}, "received (1, 40, 6, 6, 2)"),
        ({"X": IMAGES[:30], "y": np.arange(40)}, "as many rows in X as in y; received 30 and 40"),
        ({"X": IMAGES.astype(str), "y": np.arange(40)}, "an X of numbers; received <U"),
        ({"X": np.where(IMAGES > 1, np.inf, IMAGES), "y": np.arange(40) % 2}, "an X of finite numbers"),
        ({"X": IMAGES, "y": np.full(40, np.nan)}, "a y of finite numbers; received 40 others"),
        ({"X": IMAGES, "y": np.zeros(40)}, "a y that differs between rows; received 1 value only"),
        ({"X": IMAGES, "y": np.linspace(0, 1, 40)}, "classes in y; received numbers with decimals of 40 values"),
        ({"X": IMAGES, "y": np.array(3.0)}, "as many rows in X as in y; received 40 and 0"),
        ({"X": IMAGES, "y": np.arange(40) == 0}, "target must have at least 2 rows of each class"),
        ({"X": IMAGES[:0], "y": np.arange(0)}, "received (0, 6, 6, 2)"),
        ({"X": IMAGES * 1j, "y": np.arange(40) % 2}, "an X of numbers; received complex128"),
    ],
)
def test_bad_arrays_are_said_in_a_sentence(tmp_path, content, text):
    texts = found(arrays(save(tmp_path / "a.npz", **content)))
    assert any(text in fault for fault in texts)


def test_archives_that_are_none(tmp_path):
    path = tmp_path / "a.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 10)})
    for content, text in [
        (b"abc", "File is not a zip file"),
        (header.getvalue(), "not a zip"),
        (b"", "which is empty"),
    ]:
        path.write_bytes(content)
        assert text in found(arrays(path))[0]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", b"abc")
        archive.writestr("a\n\x1b[31m.npy", b"abc")
    (fault,) = found(arrays(path))
    assert fault.isprintable()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", header.getvalue())
        archive.writestr("y.npy", header.getvalue())
    assert "whose array of shape (1000000000000, 10) has" in found(arrays(path))[0]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", b"abc")
        archive.writestr("y.npy", b"abc")
    assert "which cannot be read" in found(arrays(path))[0]
