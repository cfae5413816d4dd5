"""Compiled programs on disk: only sound ones of this user are used, and they give the same numbers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from noiseflow.engine import disk_cache

FLAGS = "TF_XLA_FLAGS"
ROOT = Path(__file__).parents[2]
CODE = """
import sys
import numpy as np
from noiseflow import fit_seeds
def build():
    import keras
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "relu"), keras.layers.Dense(1)])
    model.compile("adam", loss)
    return model
x = np.arange(12, dtype="float32").reshape(4, 3) / 12
for loss in sys.argv[1:]:
    done = fit_seeds(build, x, x[:, :1], seeds=range(2), epochs=3, engine="vectorized")
    print(loss, "".join(w.tobytes().hex() for w in [*done.weights, done.predict(x)]))
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where programs would be kept, of a process that was told of nothing yet."""
    monkeypatch.setenv(disk_cache.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(FLAGS, raising=False)
    disk_cache._folder.cache_clear()
    yield disk_cache._folder()
    disk_cache._folder.cache_clear()


def keep(folder, name, content=b"program", age=0):
    path = folder / f"{name}.pb"
    path.write_bytes(content)
    os.utime(path, (10**9 - age, 10**9 - age))
    return path


def names(folder):
    return sorted(path.name for path in folder.glob("*.pb"))


def test_folder_is_the_users_alone(place):
    disk_cache.keep_programs()
    assert place.stat().st_mode & 0o077 == 0
    assert f"directory={place} " in os.environ[FLAGS]
    assert "device_types=CPU" in os.environ[FLAGS]


@pytest.mark.parametrize("why", ["off", "told of another", "a link", "others may write", "a file", "talks"])
def test_nothing_is_kept_where(place, monkeypatch, tmp_path, why):
    if why == "off":
        monkeypatch.setenv(disk_cache.VARIABLE, "off")
    if why == "told of another":
        monkeypatch.setenv(FLAGS, "--tf_xla_persistent_cache_directory=/elsewhere")
    if why == "talks":
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    place.parent.mkdir()
    if why == "a link":
        (tmp_path / "other").mkdir()
        place.symlink_to(tmp_path / "other")
    if why == "others may write":
        place.mkdir()
        place.chmod(0o777)
    if why == "a file":
        place.touch()
    before = os.environ.get(FLAGS)
    disk_cache.keep_programs()
    assert os.environ.get(FLAGS) == before


def test_unsound_programs_are_dropped_and_the_others_stay(place):
    disk_cache.keep_programs()
    for name in ("sound", "flipped", "cut"):
        keep(place, name)
    disk_cache.seal()
    keep(place, "unsealed")
    keep(place, "flipped", b"Program")
    keep(place, "cut", b"prog")
    disk_cache.keep_programs()
    assert names(place) == ["sound.pb"]


def test_oldest_programs_make_room(place, monkeypatch):
    monkeypatch.setattr(disk_cache, "MOST_BYTES", 20)
    disk_cache.keep_programs()
    for age, name in enumerate(("newest", "newer", "old", "oldest")):
        keep(place, name, age=age)
    disk_cache.seal()
    disk_cache.keep_programs()
    assert names(place) == ["newer.pb", "newest.pb"]


def trained(cache, *losses):
    """A line for each network that a process trained, one after the other."""
    environment = os.environ | {disk_cache.VARIABLE: str(cache), "PYTHONPATH": str(ROOT)}
    environment.pop(FLAGS, None)
    command = [sys.executable, "-c", CODE, *losses]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=True)
    return sorted(done.stdout.splitlines())


@pytest.mark.slow
def test_process_that_trained_others_before_compiles_nothing_and_gets_the_same_numbers(tmp_path):
    first = trained(tmp_path, "mse", "mae")
    programs = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.pb")}
    assert programs
    assert trained(tmp_path, "mae", "mse") == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.pb")} == programs
    assert trained("off", "mse", "mae") == first
