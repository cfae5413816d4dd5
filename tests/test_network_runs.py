"""What a run that came over the network may do: what it reads, where it writes, how much it unpacks, whom it asks."""

import io
import json
import os
import socket
import threading
import zipfile
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from noiseflow.architectures import architecture_kind
from noiseflow.base.faults import InvalidInputError, in_terminal
from noiseflow.base.user_files import DataFolder, check_directory, open_file
from noiseflow.campaigns.rounds import FIRST_DAY, LAST_DAY, campaign_faults, campaign_name, campaign_round, seed_faults
from noiseflow.datasets.archives import read_archive
from noiseflow.datasets.files import read_table
from noiseflow.engine.model_file import ModelFile
from noiseflow.store.bucket import Bucket
from noiseflow.store.objects import StoreError
from noiseflow.study import result_places as places
from noiseflow.study.faults import results_faults
from noiseflow.study.loading import FOLDER, confined, load
from noiseflow.study.result_places import allowed_faults, real_place, study_place

SMOKE = yaml.safe_load((FOLDER / "smoke.yaml").read_text())
MY, SECRET = "x,y\n" + "1,2\n" * 60, "x,y\n" + "3,4\n" * 60


# -- what it reads -------------------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path, monkeypatch):
    """What NOISEFLOW_DATA names, with a table in a folder in it, and a secret one outside."""
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "my.csv").write_text(MY)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "my.csv").write_text(SECRET)
    monkeypatch.setenv("NOISEFLOW_DATA", str(folder))
    return folder


def inline(path):
    return SMOKE | {"datasets": [{"kind": "table", "path": str(path), "target": "y", "task": "classification"}]}


def test_file_that_is_swapped_for_a_link_after_it_was_allowed_is_not_read(data):
    path = confined(inline("deep/my.csv")).datasets[0].path
    assert read_table(path)["x"].tolist() == [1] * 60
    (data / "deep" / "my.csv").unlink()
    (data / "deep" / "my.csv").symlink_to(data.parent / "outside" / "my.csv")
    with pytest.raises(InvalidInputError, match="cannot be looked at"):
        read_table(path)


def test_folder_that_is_swapped_for_a_link_after_it_was_allowed_is_not_read(data):
    path = confined(inline("deep/my.csv")).datasets[0].path
    (data / "deep").rename(data / "was")
    (data / "deep").symlink_to(data.parent / "outside")
    with pytest.raises(InvalidInputError, match=r"cannot be looked at|does not exist"):
        read_table(path)


def test_data_folder_itself_is_read_through_its_handle(data):
    path = confined(inline("deep/my.csv")).datasets[0].path
    data.rename(data.parent / "was")
    (data.parent / "outside" / "deep").mkdir()
    (data.parent / "outside" / "deep" / "my.csv").write_text(SECRET)
    data.symlink_to(data.parent / "outside")
    assert read_table(path)["x"].tolist() == [1] * 60


def test_link_within_the_data_folder_is_followed_as_it_was(data):
    (data / "newest.csv").symlink_to("deep/my.csv")
    path = confined(inline("newest.csv")).datasets[0].path
    (data / "newest.csv").unlink()
    (data / "newest.csv").symlink_to(data.parent / "outside" / "my.csv")
    assert read_table(path)["x"].tolist() == [1] * 60


def test_circle_of_links_lies_nowhere(data):
    (data / "a.csv").symlink_to("b.csv")
    (data / "b.csv").symlink_to("a.csv")
    with pytest.raises(InvalidInputError, match=r"must lie under|cannot be looked at"):
        read_table(confined(inline("a.csv")).datasets[0].path)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_not_opened(tmp_path, kind):
    path = tmp_path / "my.csv"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(OSError, match="is no file"):
        open_file(path)


def test_study_file_below_the_data_folder_stands_for_the_study(data):
    (data / "deep" / "wide.yaml").write_text(yaml.safe_dump(inline("my.csv") | {"name": "wide"}))
    study = confined("deep/wide.yaml", n_seeds=3)
    assert (study.name, study.n_seeds, study.datasets[0].path) == ("wide", 3, str(data / "deep" / "my.csv"))
    assert confined(str(data / "deep" / "wide.yaml")) == confined("deep/wide.yaml")


def test_study_file_elsewhere_is_refused(data, monkeypatch):
    (data.parent / "outside" / "wide.yaml").write_text(yaml.safe_dump(SMOKE))
    (data / "link.yaml").symlink_to(data.parent / "outside" / "wide.yaml")
    (data / "far.yaml").write_text(yaml.safe_dump(inline("../outside/my.csv")))
    for path in ("../outside/wide.yaml", "link.yaml", "far.yaml", "/etc/passwd.yaml"):
        with pytest.raises(InvalidInputError, match="must lie under the folder that NOISEFLOW_DATA names"):
            confined(path)
    monkeypatch.delenv("NOISEFLOW_DATA")
    with pytest.raises(InvalidInputError, match="it is not set"):
        confined("deep/wide.yaml")


def test_data_folder_that_is_a_file_allows_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        DataFolder(str(tmp_path / "file"))


# -- where it writes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("results", "allowed", "fine"),
    [
        ("/srv/results", "/srv/results", True),
        ("/srv/results/a/b", "/srv/results", True),
        ("file:///srv/results/a", "/srv/results", True),
        ("/srv/results-of-others", "/srv/results", False),
        ("/srv/results/../other", "/srv/results", False),
        ("/etc", "/srv/results, s3://bucket/a", False),
        ("s3://bucket/a/b", "/srv/results, s3://bucket/a", True),
        ("s3://bucket/a", "s3://bucket/a/", True),
        ("s3://bucket/ab", "s3://bucket/a", False),
        ("s3://other/a", "s3://bucket/a", False),
        ("gs://bucket/a", "s3://bucket/a", False),
        ("/srv", "", False),
    ],
)
def test_results_lie_in_allowed_places_alone(results, allowed, fine):
    assert (allowed_faults(results, allowed) == []) is fine


def test_results_of_a_link_that_leads_out_are_refused(tmp_path):
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "out").symlink_to(tmp_path)
    (fault,) = allowed_faults(str(tmp_path / "allowed" / "out" / "x"), str(tmp_path / "allowed"))
    assert "NOISEFLOW_RESULTS" in fault
    assert real_place(str(tmp_path / "allowed" / "out")) == str(tmp_path)


def test_file_url_of_another_host_is_no_folder_of_this_one():
    assert study_place("file://localhost/data", "a") == study_place("file:///data", "a") == "/data/a"
    with pytest.raises(ValueError, match="received the host 'otherhost'"):
        study_place("file://otherhost/data", "a")
    assert "received the host 'otherhost'" in results_faults("file://otherhost/data")[0]


# -- how much it unpacks -------------------------------------------------------------------------------------------------


def refused(read, path):
    with pytest.raises(InvalidInputError) as caught:
        read(str(path))
    return str(caught.value)


@pytest.mark.slow
def test_small_parquet_file_of_many_rows_is_refused_before_it_is_read(tmp_path):
    zeros = pa.array(np.zeros(2_000_000))
    with pq.ParquetWriter(tmp_path / "a.parquet", pa.schema({name: pa.float64() for name in "abcdefgy"})) as writer:
        for _ in range(9):
            writer.write_table(pa.table(dict.fromkeys("abcdefgy", zeros)))
    assert (tmp_path / "a.parquet").stat().st_size < 2**20
    assert "once it is unpacked" in refused(read_table, tmp_path / "a.parquet")


def test_small_parquet_file_of_one_long_text_is_refused_before_it_is_written_out(tmp_path, monkeypatch):
    """The footer says some kilobytes: the text stands there once."""
    monkeypatch.setattr("noiseflow.datasets.file_limits.MAX_BYTES", 10_000_000)
    rows = pa.table({"x": pa.array(["a" * 10_000] * 1_100), "y": np.zeros(1_100)})
    pq.write_table(rows, tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 10_000
    assert "once it is unpacked" in refused(read_table, tmp_path / "a.parquet")


@pytest.mark.parametrize("x", [[[1.0], [2.0, 3.0]], [["a"], ["b"]], [{"a": 1}, {"a": 2}], [[1.0], None]])
def test_parquet_file_with_lists_of_no_one_length_is_refused(tmp_path, x):
    pq.write_table(pa.table({"x": x, "y": [0, 1]}), tmp_path / "a.parquet")
    assert "must have columns of single values" in refused(read_table, tmp_path / "a.parquet")


def test_parquet_file_is_read_as_before(tmp_path):
    rows = pa.table({"x": ["a", None, "b"], "n": [1, 2, 3], "y": [0.5, None, 1.0]})
    pq.write_table(rows, tmp_path / "a.parquet")
    frame = read_table(str(tmp_path / "a.parquet"))
    assert [str(dtype) for dtype in frame.dtypes] == ["object", "int64", "float64"]
    assert frame["n"].tolist() == [1, 2, 3]


@pytest.mark.slow
def test_small_archive_of_many_numbers_is_refused_before_it_is_unpacked(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (250_000, 1_000)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("X.npy", "y.npy"):
            archive.writestr(name, header.getvalue() + bytes(250_000_000))
    assert (tmp_path / "a.npz").stat().st_size < 2**20
    assert "at most 200,000,000 numbers" in refused(read_archive, tmp_path / "a.npz")


def test_archive_with_a_long_table_of_contents_is_refused(tmp_path):
    end = b"PK\5\6" + bytes(8) + (2**31).to_bytes(4, "little") + bytes(6)
    (tmp_path / "a.npz").write_bytes(bytes(100) + end)
    with (tmp_path / "a.npz").open("rb") as file, pytest.raises(ValueError, match="table of contents"):
        check_directory(file)
    assert "table of contents" in refused(read_archive, tmp_path / "a.npz")
    with pytest.raises(ValueError, match="table of contents"):
        architecture_kind("file").source(SimpleNamespace(path=str(tmp_path / "a.npz")))


def keras_file(path, units):
    """What `model.save` writes of a network of two such layers, by changing the configuration of a small one."""
    layers = [keras.layers.Dense(4, name="a"), keras.layers.Dense(4, name="b"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile("adam", "mse")
    config = keras.saving.serialize_keras_object(model)
    for layer in config["config"]["layers"][1:3]:
        layer["config"]["units"] = units
    for layer in config["config"]["layers"]:
        layer.pop("build_config", None)
    config.pop("build_config", None)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return path


def test_small_model_file_of_many_weights_is_refused_before_they_are_made(tmp_path, monkeypatch):
    path = keras_file(tmp_path / "a.keras", 45_000)
    made = []
    initialize = keras.initializers.GlorotUniform.__call__
    monkeypatch.setattr(
        keras.initializers.GlorotUniform,
        "__call__",
        lambda self, shape, **given: made.append(shape) or initialize(self, shape, **given),
    )
    with pytest.raises(ValueError, match=r"at least 2,025,\d{3},\d{3} weights, at most 100,000,000"):
        architecture_kind("file").source(SimpleNamespace(path=str(path)))
    assert all(np.prod(shape) < 1_000_000 for shape in made)


def test_optimizers_own_variables_do_not_count_as_weights(tmp_path):
    assert ModelFile.read(keras_file(tmp_path / "a.keras", 5), most_weights=60)().count_params() == 15 + 30 + 6
    with pytest.raises(ValueError, match="at most 60"):
        ModelFile.read(keras_file(tmp_path / "b.keras", 6), most_weights=60)


# -- campaigns -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", [FIRST_DAY - timedelta(1), FIRST_DAY, LAST_DAY + timedelta(1), date(9999, 12, 31)])
def test_campaign_without_seeds_is_refused_however_it_is_named(day):
    study = load("circles")
    assert f"up to {LAST_DAY}" in campaign_faults(study, day.isoformat())[0]
    scheduled = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    for call in (
        lambda: campaign_name("UTC", scheduled),
        lambda: campaign_name(day.isoformat(), scheduled),
        lambda: campaign_round(day.isoformat(), 3),
    ):
        with pytest.raises(InvalidInputError, match=f"after {FIRST_DAY} and up to {LAST_DAY}"):
            call()


def test_last_campaign_has_seeds_that_keras_takes():
    last = campaign_round(LAST_DAY.isoformat(), 10_000).seeds[-1]
    assert last < 2**32 <= last + 1 + 10_000
    assert campaign_faults(load("circles"), LAST_DAY.isoformat()) == []
    keras.utils.set_random_seed(last)


def test_data_seeds_stay_within_32_bits():
    study = load("circles")
    late = study.model_copy(update={"datasets": (study.datasets[0].model_copy(update={"data_seed": 2**32 - 5}),)})
    assert seed_faults(study, None) == []
    assert "must leave room for the seeds that are added to it" in seed_faults(late, None)[0]
    assert "must leave room" in seed_faults(late, campaign_round("2026-11-23", 3).seeds)[0]


# -- whom it asks --------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_keys(monkeypatch):
    """An environment without keys, on a machine without a role of Amazon's."""
    for name in [name for name in os.environ if name.upper().startswith("AWS_")]:
        monkeypatch.delenv(name)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens
        monkeypatch.setattr(places, "ROLE_ADDRESS", closed.getsockname())
        places._has_role.cache_clear()
        yield
    places._has_role.cache_clear()


@pytest.mark.usefixtures("no_keys")
def test_s3_without_keys_is_refused_at_once_by_their_names(monkeypatch):
    (fault,) = results_faults("s3://bucket/a")
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not in the environment" in fault
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    assert "need keys; AWS_SECRET_ACCESS_KEY are not" in results_faults("s3://bucket/a")[0]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    assert results_faults("s3://bucket/a") == []


@pytest.mark.usefixtures("no_keys")
def test_role_of_the_machine_stands_for_keys(monkeypatch):
    with socket.socket() as role:
        role.bind(("127.0.0.1", 0))
        role.listen()
        monkeypatch.setattr(places, "ROLE_ADDRESS", role.getsockname())
        assert results_faults("s3://bucket/a") == []


@contextmanager
def s3_that_answers(monkeypatch, answer):
    """A server in place of S3; answer: from the number of a request to a status and a body."""

    class Handler(BaseHTTPRequestHandler):
        n = 0

        def do_GET(self):
            Handler.n += 1
            status, body = answer(Handler.n)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_PUT(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        keys = {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "us-east-1", "ENDPOINT_URL": endpoint}
        for name, value in keys.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        try:
            yield Bucket("s3://bucket/results/study")
        finally:
            server.shutdown()
            thread.join()


def listing(first):
    """A page of a listing that goes on."""
    facts = "<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>a</ETag><Size>1</Size>"
    paths = (f"<Key>results/study/trials/{first + i:09d}.parquet</Key>" for i in range(100))
    head = "<Name>bucket</Name><KeyCount>100</KeyCount><IsTruncated>true</IsTruncated>"
    head += "<NextContinuationToken>a</NextContinuationToken>"
    body = "".join(f"<Contents>{path}{facts}</Contents>" for path in paths)
    return f"<ListBucketResult>{head}{body}</ListBucketResult>".encode()


def test_listing_without_an_end_is_given_up(monkeypatch):
    monkeypatch.setattr("noiseflow.store.bucket.MOST_LISTED", 1_000)
    with (
        s3_that_answers(monkeypatch, lambda n: (200, listing(100 * n))) as objects,
        pytest.raises(StoreError, match="more than 1,000 files"),
    ):
        objects.listed("trials")


def test_listing_that_repeats_itself_is_given_up(monkeypatch):
    with (
        s3_that_answers(monkeypatch, lambda n: (200, listing(0))) as objects,
        pytest.raises(StoreError, match="the same files again"),
    ):
        objects.listed("trials")


def test_bucket_that_is_not_there_is_called_so(monkeypatch):
    missing = b"<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>"
    with s3_that_answers(monkeypatch, lambda n: (404, missing)) as objects:
        for call in (lambda: objects.listed("trials"), lambda: objects.create("trials/1.parquet", b"")):
            with pytest.raises(StoreError, match="no bucket of that name"):
                call()


def test_text_of_a_server_cannot_steer_a_terminal_and_a_refusal_is_not_asked_again(monkeypatch):
    with s3_that_answers(monkeypatch, lambda n: (403, b"\x1b]0;evil\x07\x1b[2Jdenied")) as objects:
        for call in (lambda: objects.listed("trials"), lambda: objects.create("trials/1.parquet", b"")):
            with pytest.raises(StoreError) as caught:
                call()
            assert "403 Forbidden" in str(caught.value)
            assert str(caught.value).isprintable()


def test_error_in_a_terminal_is_short_and_inert():
    text = in_terminal(ValueError("a\x1b[31m\n" + "b" * 2_000_000))
    assert text.splitlines()[0] == "a\N{REPLACEMENT CHARACTER}[31m"
    assert len(text) < 5_000
