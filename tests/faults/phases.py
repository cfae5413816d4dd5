"""What a run is doing, told from outside: by the files of its results and by what it logs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from tests.faults.study import N_DATASETS, N_TRIALS, NAME

PHASES = ("data", "training", "writing", "aggregating", "rendering")
USUAL_SECONDS = {"data": 0.05, "training": 3.0, "writing": 0.02, "aggregating": 0.3, "rendering": 3.0}
"""How long each lasts here, roughly; a kill comes at a random moment of it."""
PLANNED = "trained before"
"""In the line that the flow logs when it knows what is missing."""


@dataclass
class Watch:
    """A run that began at `began`, by the clock of the files, on these results; log: what it and its worker write."""

    results: Path
    log: Path
    began: float = field(default_factory=time.time)
    _rows: dict[Path, int] = field(default_factory=dict)
    _offset: int = 0
    _planned: bool = False

    def __post_init__(self) -> None:
        self._offset = self.log.stat().st_size if self.log.exists() else 0

    def phase(self) -> str:
        """One of PHASES, `starting` before, `ending` when the report is written."""
        folder = self.results / NAME
        if self._is_new(folder / "report" / "index.html"):
            return "ending"
        if self._is_new(folder / "summary.parquet"):
            return "rendering"
        if self._n_trials() >= N_TRIALS:
            return "aggregating" if self._is_new(folder / "trials") else "starting"
        if len(list((folder / "datasets").glob("*.parquet"))) < N_DATASETS:
            return "data" if self._is_new(folder) or self._is_new(folder / "_pending") else "starting"
        if any(self._is_new(path) for path in (folder / "_pending").glob("*.parquet")):
            return "writing"
        begun = self._has_planned() or self._is_new(folder / "trials") or self._is_new(folder / "datasets")
        return "training" if begun else "starting"

    def wrote(self) -> bool:
        """Whether something of the results is new."""
        folder = self.results / NAME
        return any(self._is_new(folder / name) for name in ("datasets", "trials", "summary.parquet"))

    def _is_new(self, path: Path) -> bool:
        try:
            return path.stat().st_mtime >= self.began
        except OSError:
            return False

    def _n_trials(self) -> int:
        for path in (self.results / NAME / "trials").glob("*.parquet"):
            if path not in self._rows:
                self._rows[path] = pq.read_metadata(path).num_rows
        return sum(self._rows.values())

    def _has_planned(self) -> bool:
        if not self._planned and self.log.exists():
            with self.log.open("rb") as log:
                log.seek(self._offset)
                self._planned = PLANNED.encode() in log.read()
        return self._planned


def wait_for(reached: Callable[[], bool], alive: Callable[[], bool], seconds: float = 240) -> bool:
    """Waits until something is reached; False if the run ended before."""
    deadline = time.monotonic() + seconds
    while not reached():
        if not alive():
            return reached()
        if time.monotonic() > deadline:
            raise TimeoutError(f"not reached in {seconds:.0f} s")
        time.sleep(0.003)
    return True
