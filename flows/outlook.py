"""What a run would do, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isfinite

from noiseflow.forecast import forecast
from noiseflow.plan import Plan, Trial
from noiseflow.store import Store


def outlook(plan: Plan, store: Store | None) -> str:
    """Cells and trials of a plan, done and missing, with a rough forecast: some lines of text."""
    done = store.trial_ids() if store else set()
    missing = [trial for trial in plan.trials if trial.id not in done]
    cells, lacking = Counter(trial.cell for trial in plan.trials), Counter(trial.cell for trial in missing)
    width = max(len(_name(cell.names)) for cell in cells)
    lines = [f"{'cell':<{width}}  trials  missing"]
    lines += [f"{_name(cell.names):<{width}}  {n:>6}  {lacking[cell]:>7}" for cell, n in cells.items()]
    lines.append(
        f"\n{len(cells)} cells, {len(plan.trials):,} trials: {len(plan.trials) - len(missing):,} done, {len(missing):,} missing"
    )
    return "\n".join([*lines, _forecast(plan, store, missing)])


def _name(names: dict[str, object]) -> str:
    return f"{names['dataset']}/{names['architecture']}/{names['variant']}"


def _forecast(plan: Plan, store: Store | None, missing: Sequence[Trial]) -> str:
    if not missing:
        return "nothing to train"
    known = plan.named(store.read("trials", plan.trial_ids)) if store else None
    found = forecast(plan, missing, known)
    if not isfinite(found.seconds):
        return "how long it takes is not known before a few seeds of your own model were trained: try --seeds 2"
    return f"roughly {_duration(found.seconds)} on two cores, and {found.memory / 1e9:.1f} GB of memory"


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} seconds"
        if seconds < 100
        else f"{seconds / 60:.0f} minutes"
        if seconds < 6000
        else f"{seconds / 3600:.1f} hours"
    )
