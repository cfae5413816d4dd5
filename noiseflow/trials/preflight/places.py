"""Injections that a model has no place for, and variants that do not go with the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import tensorflow as tf

from noiseflow.controls import control_kind
from noiseflow.controls.control import Control
from noiseflow.engine.keras_state import KERAS_LOCK, floatx
from noiseflow.noise import KINDS, OUTSIDE, kind_of
from noiseflow.noise.injection import Injection
from noiseflow.noise.instrument import Survey, place_fault, survey
from noiseflow.study import Study
from noiseflow.trials.preflight.matches import Match, attempt
from noiseflow.trials.preflight.networks import Models


def place_faults(models: Models) -> list[str]:
    """Places that a variant names and the model lacks, once for each network, whatever the data."""
    found: dict[tuple[str, str], str] = {}
    for match, model in models.values():
        rows = tf.TensorSpec([2, *match.shape], match.training.dtype)
        if not any(injection.place not in OUTSIDE for v in match.variants.values() for injection in v.injections):
            continue
        with floatx(match.training.dtype), KERAS_LOCK:
            seen = attempt(survey, model, rows)
        for i, variant in match.variants.items():
            for k, injection in enumerate(variant.injections):
                where = f"variants[{i}].injections[{k}].place"
                for fault in _of_place(where, injection.place, match, seen):
                    found.setdefault((where, match.architecture.name), fault)
    return list(found.values())


def _of_place(where: str, place: str, match: Match, found: Survey | Exception) -> Iterator[str]:
    if place in OUTSIDE or isinstance(found, Exception):  # what a survey cannot call, training cannot either
        return
    if fault := place_fault(place, found):
        yield f"{where} must be a place of the model; received {place!r} (architecture {match.architecture.name!r}): {fault}."


def task_faults(study: Study, pairs: Sequence[Match]) -> list[str]:
    """Label noise of the other task's kind, and early stopping that leaves no rows."""
    found = []
    for i, variant in enumerate(study.variants):
        on = [match for match in pairs if i in match.variants]
        for k, injection in enumerate(variant.injections):
            where = f"variants[{i}].injections[{k}]"
            found += [fault for match in on for fault in _of_labels(where, injection, match)]
        for k, control in enumerate(variant.controls):
            where = f"variants[{i}].controls[{k}]"
            found += [fault for match in on for fault in _of_rows(where, control, match)]
    return found


def _of_labels(where: str, injection: Injection, match: Match) -> Iterator[str]:
    targets = "classes" if match.data.n_classes else "values"
    wanted = " or ".join(kind.name for kind in KINDS if kind.labels == targets)
    if injection.place == "labels" and kind_of(injection.kind).labels != targets:
        yield (
            f"{where}.kind must go with what is learnt, {wanted} with {match.dataset.of_task}; received {injection.kind!r} "
            f"(dataset {match.dataset.name!r}). Take {wanted}, or list under variants' architectures those that it is for."
        )


def _of_rows(where: str, control: Control, match: Match) -> Iterator[str]:
    kind, n_rows, fraction = control_kind(control.kind), len(match.data.y_train), control.validation_fraction
    if kind.stops and not 1 <= kind.held_back(control, n_rows) < n_rows:
        yield (
            f"{where}.validation_fraction must leave at least 1 row to validate on and 1 to train on; received "
            f"{fraction:g} of {n_rows} rows (dataset {match.dataset.name!r}). Change it, or bring more rows."
        )
