"""Two studies of one name: whether what is stored under a study's name is of other data."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from noiseflow.base.program import command
from noiseflow.store import Store
from noiseflow.study import Dataset, Study
from noiseflow.study.result_places import is_remote
from noiseflow.trials.plan import Plan, settings_digest, study_json

IDENTIFYING = ("kind", "path", "target", "entry_point")
"""Settings that say which data it is. All others say how it is read, split or scored, and are changed while one tries."""


def other_data_faults(study: Study, store: Store, plan: Callable[[], Plan]) -> list[str]:
    """A sentence if all trials under the study's name are of other data, so that its report would replace theirs.

    A study is the same as long as it has a dataset in common with what is stored: by the place of its file and its target, by
    the content of its file, or by a trial. So it may grow, and its files may move.

    Args:
        store: what lies under the study's name.
        plan: makes the plan of the study; of a million trials that takes seconds, and is seldom needed.
    """
    earlier = [dataset for text in store.studies() for dataset in json.loads(text)["datasets"]]
    known = {_identity(dataset) for dataset in earlier}
    own = [dataset.model_dump() for dataset in study.datasets]
    done = store.trial_ids()
    if not done or not known or known.intersection(map(_identity, own)):
        return []
    if _is_content_stored(study.datasets, store) or done.intersection(plan().trial_ids):
        return []
    name, there = study.name, _data_text(earlier[-1])
    delete = "" if is_remote(store.location) else f", or delete the other: {command()} results delete {name}"
    must = "name must not be the name of a study of other data in the results"
    received = (
        f"{name!r} has {len(done):,} trials of {there} in {store.location}, and this study is of {_data_text(own[0])}"
    )
    fix = f"Change the name, choose another folder (--results){delete}."
    return [f"{must}; {received}: its report would replace theirs. {fix}"]


def overwritten_lines(plan: Plan, store: Store, done: Collection[str]) -> list[str]:
    """A sentence if this very study was trained before, and its files hold other rows now, so that all is trained anew.

    Args:
        done: the trials that are stored.
    """
    files = [str(dataset.path) for dataset in plan.study.datasets if dataset.path]
    if not files or not done or any(trial.id in done for trial in plan.trials) or plan.superseded(done):
        return []
    own = _but_for_seeds(json.loads(study_json(plan.study)))
    if own not in [_but_for_seeds(json.loads(text)) for text in store.studies()]:
        return []
    engines = {cell.engine for cell in plan.cells}
    n = int(store.read("trials", None, ["trial_id", "engine"])["engine"].isin(engines).sum())
    what = f"{', '.join(files)} has other content than {n:,} trials in the results were trained on"
    return [f"{what}: they are kept, do not count, and all is trained anew"] if n else []


def _but_for_seeds(study: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in study.items() if key != "n_seeds"}


def _identity(dataset: Mapping[str, Any]) -> str:
    return json.dumps([dataset.get(key) for key in IDENTIFYING])


def _is_content_stored(datasets: tuple[Dataset, ...], store: Store) -> bool:
    """Whether rows of one of these datasets, read and split alike, are stored."""
    stored = {key.rpartition("-")[2] for key in store.dataset_keys()}
    return not stored.isdisjoint(map(settings_digest, datasets))


def _data_text(dataset: Mapping[str, Any]) -> str:
    """Which data it is, in words: `/data/my.csv (target price)`."""
    what = dataset.get("path") or dataset.get("entry_point") or dataset["kind"]
    target = dataset.get("target")
    named = target if isinstance(target, str) else ", ".join(target or ())
    return f"{what} (target {named})" if named else str(what)
