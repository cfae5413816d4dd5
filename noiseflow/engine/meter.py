"""How far a fit has come, and how fast it goes."""

from __future__ import annotations

import time
from threading import Lock

from noiseflow.engine.problem import Problem
from noiseflow.engine.progress import Progress


class Meter:
    """Adds up what the shards have done and calls the problem's listener, from the thread that did it."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._done: dict[int, int] = {}
        self._began: tuple[float, int] | None = None
        self._lock = Lock()

    def add(self, shard: int, n_seeds: int, epochs_done: int) -> None:
        """A shard, named by its first seed's index, has done so many epochs."""
        with self._lock:
            self._done[shard] = n_seeds * epochs_done
            done, now = sum(self._done.values()), time.perf_counter()
            if self._began is None and epochs_done:
                self._began = now, done  # what was done before counts the compilation
            began, before = self._began or (now, done)
            speed = (done - before) / self.problem.epochs / (now - began) if now > began else 0.0
            self.problem.progress(Progress(done // len(self.problem.seeds), speed))
