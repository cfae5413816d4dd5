"""The preview of a run (`noiseflow plan`): what it would do, in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from math import isfinite
from typing import Any

from noiseflow.statistics.looks import next_look
from noiseflow.store import Store
from noiseflow.trials.plan import NUMERICS_VERSION, Plan, Trial
from noiseflow.trials.same_name import overwritten_lines

MOST_ROWS = 30
"""Rows of a preview; of more cells there is a line for each dataset and architecture."""
TIMED = 100
"""Most trials of a cell that the forecast takes times from."""


def foresee(plan: Plan, store: Store | None) -> dict[str, Any]:
    """What a run of this plan would do, as plain values: its cells, how much is there, a rough forecast."""
    done = store.trial_ids() if store else set()
    missing = [trial for trial in plan.trials if trial.id not in done]
    n_trials, n_missing = (Counter(id(trial.cell) for trial in trials) for trials in (plan.trials, missing))
    cells = [{**cell.names, "trials": n_trials[id(cell)], "missing": n_missing[id(cell)]} for cell in plan.cells]
    totals = {"study": plan.study.name, "trials": len(plan.trials), "missing": len(missing)}
    notes = [*superseded_lines(plan, done), *(overwritten_lines(plan, store, done) if store else [])]
    return totals | {"notes": notes, "forecast": _forecast(plan, store, missing, done), "cells": cells}


def preview_text(foreseen: Mapping[str, Any]) -> str:
    """The preview in words: totals first, then the cells, many of them folded to a line a dataset and architecture."""
    cells, n, missing = foreseen["cells"], foreseen["trials"], foreseen["missing"]
    lines = [f"{len(cells)} cells, {n:,} trials: {n - missing:,} done, {missing:,} missing"]
    lines += [*foreseen["notes"], foreseen["forecast"], ""]
    rows = [(_name(cell), cell["trials"], cell["missing"]) for cell in cells]
    if len(rows) > MOST_ROWS:
        groups: dict[str, list[int]] = {}
        for cell in cells:
            group = groups.setdefault(f"{cell['dataset']}/{cell['architecture']}", [0, 0, 0])
            for at, more in enumerate((1, cell["trials"], cell["missing"])):
                group[at] += more
        rows = [(f"{name}, {n_cells} cells", n, left) for name, (n_cells, n, left) in groups.items()]
    width = max(len(name) for name, *_ in rows)
    lines.append(f"{'cell':<{width}}  trials  missing")
    lines += [f"{name:<{width}}  {n:>6,}  {left:>7,}" for name, n, left in rows[:MOST_ROWS]]
    more = len(rows) - MOST_ROWS
    if more > 0 or len(rows) < len(cells):
        lines.append(f"{f'and {more} more; ' if more > 0 else ''}--json lists every cell")
    return "\n".join(lines)


def until_lines(n_cells: int, most: int) -> list[str]:
    """What a run until its variants are decided may take: its looks, and the seeds that simulated effects took."""
    looks = [next_look(0)]
    while next_look(looks[-1]) <= most:
        looks.append(next_look(looks[-1]))
    first = f"until decided: {looks[0] * n_cells:,} trials to the first look, {most * n_cells:,} at most"
    simulated = (
        "simulated, with a margin of half a standard deviation of the paired differences: an effect of two standard deviations "
        "is decided after 15 seeds (median), of one after 20, none after 60"
    )
    return [
        f"{first}; looks at {', '.join(map(str, looks[:5]))}{', …' if len(looks) > 5 else ''} seeds",
        simulated,
    ]


def superseded_lines(plan: Plan, done: Collection[str]) -> list[str]:
    """A sentence for each older version of the numerics with stored trials, which do not count."""
    return [
        f"{n:,} {'trial' if n == 1 else 'trials'} of version {version} {'is' if n == 1 else 'are'} there; "
        f"this version ({NUMERICS_VERSION}) trains anew"
        for version, n in plan.superseded(done).items()
    ]


def _name(names: Mapping[str, object]) -> str:
    return f"{names['dataset']}/{names['architecture']}/{names['variant']}"


def _forecast(plan: Plan, store: Store | None, missing: Sequence[Trial], done: Collection[str]) -> str:
    if not missing:
        return "nothing to train"
    from noiseflow.trials.forecast import forecast  # noqa: PLC0415 - imports scipy

    known = plan.named(store.read("trials", _some(plan, done))) if store else None
    found = forecast(plan, missing, known)
    if not isfinite(found.seconds):
        return "how long it takes is not known before a few seeds of your model were trained: try --seeds 2"
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
