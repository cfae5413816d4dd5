"""Power that is lost at any moment: every trial that was acknowledged is there."""

import os
import random
import re
import shutil
from pathlib import Path

import pytest

from noiseflow.store import Store, disk, footer
from tests.store.test_store import batch

MARKS = footer("0123", {"keras": "3"})


class Recorded:
    """The system's own calls, in their order, as far as they change what is on the disk."""

    def __init__(self, monkeypatch):
        self.calls, self.handles = [], {}
        real = {name: getattr(os, name) for name in ("open", "fsync", "link", "rename", "unlink", "mkdir")}

        def opened(path, flags, *rest, **named):
            handle = real["open"](path, flags, *rest, **named)
            self.handles[handle] = str(path)
            if flags & os.O_CREAT:
                self.calls.append(("create", str(path)))
            return handle

        def fsync(handle):
            real["fsync"](handle)
            self.calls.append(("fsync", self.handles[handle]))

        def noted(name):
            def call(*paths, **named):
                real[name](*paths, **named)
                self.calls.append((name, *map(str, paths[:2])))

            return call

        for name, call in {
            "open": opened,
            "fsync": fsync,
            **{n: noted(n) for n in ("link", "rename", "unlink", "mkdir")},
        }.items():
            monkeypatch.setattr(disk.os, name, call)


def test_publish_syncs_each_file_before_its_name_and_each_folder_after(tmp_path, monkeypatch):
    store, recorded = Store(tmp_path, "study"), Recorded(monkeypatch)
    store.publish(batch("ab"), MARKS)
    links = [(k, call) for k, call in enumerate(recorded.calls) if call[0] == "link"]
    assert [re.sub("[0-9a-f]{32}", "B", call[2].removeprefix(f"{store.location}/")) for _, call in links] == [
        "_pending/B-curves.parquet",
        "_pending/B-predictions.parquet",
        "trials/00000001.parquet",
        "curves/00000001.parquet",
        "predictions/00000001.parquet",
    ]
    for k, (_, aside, name) in links:
        assert ("fsync", aside) in recorded.calls[:k]
        following = next((j for j, _ in links if j > k), len(recorded.calls))
        assert ("fsync", str(Path(name).parent)) in recorded.calls[k:following]
    for k, call in enumerate(recorded.calls):
        if call[0] == "mkdir":
            assert ("fsync", str(Path(call[1]).parent)) in recorded.calls[k:]


class Shim(disk.System):
    """Keeps a journal of what was not synced; after a power cut any part of it is there."""

    def __init__(self):
        self.unsure = []

    def write(self, path, content):
        super().write(path, content)
        self.unsure.append(("bytes", path, content))

    def sync(self, path):
        super().sync(path)
        self.unsure = [
            one
            for one in self.unsure
            if not (one[1] == path if one[0] == "bytes" else str(Path(one[1]).parent) == path)
        ]

    def link(self, path, name):
        super().link(path, name)
        self.unsure.append(("name", name, None))

    def make_folder(self, path):
        super().make_folder(path)
        self.unsure.append(("folder", path, None))

    def cut(self, rng):
        for kind, path, content in self.unsure:
            if rng.random() < 0.5:
                continue
            if kind == "folder":
                shutil.rmtree(path, ignore_errors=True)
            elif kind == "name":
                Path(path).unlink(missing_ok=True)
            elif Path(path).exists():
                Path(path).write_bytes(content[: rng.randrange(len(content))])


@pytest.mark.parametrize("seed", range(20))
def test_power_cut_at_any_call_loses_no_trial_that_was_acknowledged(tmp_path, seed):
    """On a real folder, by a shim that drops, tears and reorders what was not synced."""
    rng, shim = random.Random(seed), Shim()
    steps = iter(range(rng.randrange(20, 200)))

    def counted(call):
        def step(*arguments):
            if next(steps, None) is None:
                raise KeyboardInterrupt
            return call(*arguments)

        return step

    for name in ("write", "sync", "link", "unlink", "make_folder", "read"):
        setattr(shim, name, counted(getattr(shim, name)))
    place, acknowledged = str(tmp_path / "study"), set()
    store = Store(tmp_path, "study", objects=disk.Disk(place, shim, at_once=1))
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        for k in range(100):
            store.publish(batch([f"{k}-a", f"{k}-b"]), MARKS)
            acknowledged |= {f"{k}-a", f"{k}-b"}
    shim.cut(rng)
    other = Store(tmp_path, "study")
    other.recover()
    assert acknowledged <= other.trial_ids()
    for table in ("curves", "predictions"):
        assert set(other.read(table)["trial_id"]) == other.trial_ids()
    assert not (tmp_path / "study" / "quarantine").exists()
