"""Processes that were started earlier, perhaps by another process: are they still there, and how they are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

PROC = Path("/proc")


class Living(NamedTuple):
    """A process that runs now; `began` is fit for comparison only."""

    group: int
    began: str


class Process(BaseModel, frozen=True):
    """A process that was started as the leader of its own group; when it began tells it from a later one of that id."""

    pid: int
    began: str
    mark: str
    """`NAME=value` in its environment, and so in its children's."""

    @classmethod
    def started(cls, pid: int, mark: str) -> Process:
        """The process with this id, which has just been started; it may have ended already."""
        found = living().get(pid)
        return cls(pid=pid, began=found.began if found else "", mark=mark)

    def runs(self) -> bool:
        """Whether it is there itself."""
        found = living().get(self.pid)
        return found is not None and found.began == self.began

    def members(self) -> set[int]:
        """Ids of it and of its group, of those too that outlived it; never those of a later group of that id."""
        there = living()
        group = {pid for pid, process in there.items() if process.group == self.pid}
        if self.pid not in there:
            return {pid for pid in group if _carries(pid, self.mark)}
        return group if there[self.pid].began == self.began else set()


def end(process: Process, grace_seconds: float) -> None:
    """Ends a process and its group: SIGTERM, and SIGKILL for what is left after the grace."""
    _end(process.members, grace_seconds)


def end_marked(mark: str, grace_seconds: float) -> None:
    """Ends the processes that carry the mark, as `end` does: a worker starts each run in a group of its own."""
    _end(lambda: {pid for pid in living() if _carries(pid, mark)}, grace_seconds)


def _end(members: Callable[[], set[int]], grace_seconds: float) -> None:
    deadline = time.monotonic() + grace_seconds
    asked: set[int] = set()
    while left := members():
        late = time.monotonic() > deadline
        _signal(left if late else left - asked, signal.SIGKILL if late else signal.SIGTERM)
        asked |= left
        time.sleep(0.1)


def living() -> dict[int, Living]:
    """Every process of this machine that runs, by its id; zombies have ended."""
    return _from_proc() if PROC.joinpath("self/stat").exists() else _from_ps()


def _from_proc() -> dict[int, Living]:
    boot = PROC.joinpath("sys/kernel/random/boot_id").read_text().strip()
    found = {}
    for folder in PROC.glob("[0-9]*"):
        try:
            state, _, group, *rest = folder.joinpath("stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended while we looked
            continue
        if state not in "ZX":
            found[int(folder.name)] = Living(int(group), f"{boot} {rest[16]}")
    return found


def _from_ps() -> dict[int, Living]:
    """The same where there is no /proc, as on macOS."""
    table = subprocess.run(
        ["/bin/ps", "-A", "-o", "pid=,pgid=,stat=,lstart="], check=True, capture_output=True, text=True
    ).stdout
    rows = [line.split(maxsplit=3) for line in table.splitlines()]
    return {int(pid): Living(int(group), began) for pid, group, state, began in rows if state[0] != "Z"}


def _carries(pid: int, mark: str) -> bool:
    try:
        return mark.encode() in PROC.joinpath(str(pid), "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _signal(pids: Collection[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:  # it ended meanwhile
            continue
