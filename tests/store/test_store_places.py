"""Where results may lie: paths, URLs, and what is refused of them."""

import pickle
from pathlib import Path

import pandas as pd
import pytest

from noiseflow.store import Store, find_store
from noiseflow.study.faults import results_faults
from noiseflow.study.result_places import study_place
from tests.store.test_store import batch


@pytest.mark.parametrize(
    ("results", "place"),
    [
        ("results", "results/s"),
        ("/data/results/", "/data/results/s"),
        ("s3://bucket", "s3://bucket/s"),
        ("s3://bucket/pre/fix/", "s3://bucket/pre/fix/s"),
        ("abfs://container@account.dfs.core.windows.net/p", "abfs://container@account.dfs.core.windows.net/p/s"),
        ("file:///data/my%20results", "/data/my results/s"),
    ],
)
def test_study_place_is_a_path_or_a_url(results, place):
    assert study_place(results, "s") == place


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://host/results", "received ftp://"),
        ("https://bucket.s3.amazonaws.com/x", "received https://"),
        ("memory://x/y", "received memory://"),
        ("s3:///prefix", "must name a bucket"),
        ("s3://", "must name a bucket"),
        ("s3://[::1/x", "cannot be parsed"),
        ("s3://bucket/../other", "not . or .."),
        ("s3://bucket/a b", "letters, digits"),
        ("s3://bucket/a%2e%2e", "letters, digits"),
        ("s3://bucket/x\0y", "letters, digits"),
        ("s3://key:hunter2@bucket/x", "without credentials"),
        ("s3://hunter2@bucket/x", "without credentials"),
        ("abfs://container:hunter2@account/x", "without credentials"),
        ("s3://bucket/x?secret_key=hunter2", "without credentials or parameters"),
        ("s3://bucket/x#hunter2", "without credentials or parameters"),
        ("file://other-machine/results", "of this machine"),
    ],
)
def test_results_faults_of_a_url_name_it_and_repeat_no_secret(url, says):
    (fault,) = results_faults(url)
    assert says in fault
    assert "hunter2" not in fault


@pytest.mark.parametrize(
    "url",
    ["s3://bucket", "s3://bucket/a/b=c/", "gs://bucket/p", "az://container/p", "abfs://c@account/p", "s3a://b-1/x"],
)
def test_results_faults_of_a_url_that_may_hold_results_are_none(url):
    assert results_faults(url) == []


def test_store_under_a_url_of_a_file_is_the_folder(tmp_path):
    store = Store(f"file://{tmp_path}/results", "study")
    store.publish(batch("ab"), {})
    assert store.location == str(tmp_path / "results" / "study")
    assert store.page() == str(tmp_path / "results" / "study" / "report" / "index.html")
    assert len(pd.read_parquet(tmp_path / "results" / "study" / "trials")) == 2


def test_store_travels_and_keeps_no_credentials(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "hunter1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    assert b"hunter" not in pickle.dumps(Store("s3://bucket/prefix", "study"))
    store = Store(tmp_path, "study")
    store.publish(batch("ab"), {})
    assert pickle.loads(pickle.dumps(store)).trial_ids() == {"a", "b"}  # noqa: S301 - our own bytes


def test_find_store_makes_nothing(tmp_path):
    assert find_store(tmp_path / "results", "study") is None
    assert list(tmp_path.iterdir()) == []
    Store(tmp_path / "results", "study").publish(batch("a"), {})
    found = find_store(tmp_path / "results", "study")
    assert found is not None
    assert Path(found.location).is_dir()


def test_write_report_drops_pictures_of_an_earlier_one(tmp_path):
    store = Store(tmp_path, "study")
    store.write_report(
        {"index.html": b"1", "report.md": b"![](gap.png) ![](gap-2.png)", "gap.png": b"1", "gap-2.png": b"1"}
    )
    (tmp_path / "study" / "report" / "mine.png").write_bytes(b"not ours")
    store.write_report({"index.html": b"2", "report.md": b"2", "gap.png": b"2"})
    assert sorted(path.name for path in (tmp_path / "study" / "report").iterdir()) == [
        "gap.png",
        "index.html",
        "mine.png",
        "report.md",
    ]


def test_write_report_replaces_what_was_there(tmp_path):
    store = Store(tmp_path, "study")
    for content in (b"first", b"second"):
        store.write_report({"index.html": content, "report.md": content})
    assert Path(store.page()).read_bytes() == b"second"
    assert sorted(path.name for path in Path(store.page()).parent.iterdir()) == ["index.html", "report.md"]
