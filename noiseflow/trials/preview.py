"""What a run would do, in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from math import isfinite

from noiseflow.store import Store
from noiseflow.trials.forecast import forecast
from noiseflow.trials.plan import NUMERICS_VERSION, Plan, Trial

TIMED = 100
"""Trials of a cell whose times the forecast looks at."""


def preview(plan: Plan, store: Store | None) -> str:
    """Cells and trials of a plan, done and missing, with a rough forecast: some lines of text."""
    done = store.trial_ids() if store else set()
    missing = [trial for trial in plan.trials if trial.id not in done]
    n_trials, n_missing = (Counter(id(trial.cell) for trial in trials) for trials in (plan.trials, missing))
    width = max(len(_name(cell.names)) for cell in plan.cells)
    lines = [f"{'cell':<{width}}  trials  missing"]
    lines += [f"{_name(c.names):<{width}}  {n_trials[id(c)]:>6}  {n_missing[id(c)]:>7}" for c in plan.cells]
    total, n_done = len(plan.trials), len(plan.trials) - len(missing)
    lines.append(f"\n{len(plan.cells)} cells, {total:,} trials: {n_done:,} done, {len(missing):,} missing")
    lines += superseded_lines(plan, done)
    return "\n".join([*lines, _forecast(plan, store, missing, done)])


def superseded_lines(plan: Plan, done: Collection[str]) -> list[str]:
    """A sentence for each older version of the numerics whose trials are there and do not count."""
    return [
        f"{n:,} {'trial' if n == 1 else 'trials'} of version {version} {'is' if n == 1 else 'are'} there; "
        f"this version ({NUMERICS_VERSION}) trains anew"
        for version, n in plan.superseded(done).items()
    ]


def _name(names: dict[str, object]) -> str:
    return f"{names['dataset']}/{names['architecture']}/{names['variant']}"


def _forecast(plan: Plan, store: Store | None, missing: Sequence[Trial], done: Collection[str]) -> str:
    if not missing:
        return "nothing to train"
    known = plan.named(store.read("trials", _some(plan, done))) if store else None
    found = forecast(plan, missing, known)
    if not isfinite(found.seconds):
        return "how long it takes is not known before a few seeds of your own model were trained: try --seeds 2"
    return f"roughly {_duration(found.seconds)} on two cores, and {found.memory / 1e9:.1f} GB of memory"


def _some(plan: Plan, done: Collection[str]) -> list[str]:
    """Trials that are there, so many of each cell at most: enough to forecast how long others take."""
    chosen: dict[int, list[str]] = defaultdict(list)
    for trial in plan.trials:
        of_cell = chosen[id(trial.cell)]
        if len(of_cell) < TIMED and trial.id in done:
            of_cell.append(trial.id)
    return [one for of_cell in chosen.values() for one in of_cell]


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} seconds"
        if seconds < 100
        else f"{seconds / 60:.0f} minutes"
        if seconds < 6000
        else f"{seconds / 3600:.1f} hours"
    )
