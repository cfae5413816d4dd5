"""Injections that a model has no place for, and variants that do not go with the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import tensorflow as tf

from noiseflow.controls import control_kind
from noiseflow.controls.control import Control
from noiseflow.datasets import columns_of
from noiseflow.engine.keras_state import KERAS_LOCK, floatx
from noiseflow.noise import KINDS, OUTSIDE, kind_of
from noiseflow.noise.injection import Injection
from noiseflow.noise.survey import Survey, place_fault, points_of, survey
from noiseflow.study import USERS_OWN, Study
from noiseflow.trials.data_faults import attempt
from noiseflow.trials.preflight.matches import Match
from noiseflow.trials.preflight.networks import Models

MOST_NAMED = 20


def place_faults(models: Models) -> list[str]:
    """Places that a variant names and the model lacks, once for each network, whatever the data."""
    found: dict[tuple[str, ...], str] = {}
    for match, model in models.values():
        rows = tf.TensorSpec([2, *match.shape], match.training.dtype)
        if not any(injection.place not in OUTSIDE for v in match.variants.values() for injection in v.injections):
            continue
        with floatx(match.training.dtype), KERAS_LOCK:
            seen = attempt(survey, model, rows)
        for i, variant in match.variants.items():
            for k, injection in enumerate(variant.injections):
                where = f"variants[{i}].injections[{k}].place"
                for fault in [
                    *_of_place(where, injection.place, match, seen),
                    *_of_shape(where, injection, match, seen),
                ]:
                    found.setdefault((where, match.architecture.name, fault[:80]), fault)
    return list(found.values())


def _of_place(where: str, place: str, match: Match, found: Survey | Exception) -> Iterator[str]:
    if place in OUTSIDE or isinstance(found, Exception):  # what a survey cannot call, training cannot either
        return
    if fault := place_fault(place, found):
        yield f"{where} must be a place of the model; received {place!r} (architecture {match.architecture.name!r}): {fault}."


def _of_shape(where: str, injection: Injection, match: Match, found: Survey | Exception) -> Iterator[str]:
    """What keeps an injection from acting on the tensors of its place; names of a table's columns are looked at elsewhere."""
    if injection.place in OUTSIDE or isinstance(found, Exception) or place_fault(injection.place, found):
        return
    faults = [
        text
        for point in points_of(injection.place, found)
        for text in injection.model_copy(update={"columns": None}).faults_at(_known_shape(match, found.points[point]))
    ]
    for text in dict.fromkeys(faults):
        yield f"{where.removesuffix('place')}{text} (architecture {match.architecture.name!r}). Take another place, or drop it."


def _known_shape(match: Match, shape: Sequence[int | None]) -> Sequence[int | None]:
    """The shape of tensors, without the lengths of their axes where they are a stand-in's."""
    return (None,) * len(shape) if match.is_stand_in else shape


def column_faults(study: Study, pairs: Sequence[Match]) -> list[str]:
    """Columns that an injection names and the rows lack."""
    found = []
    for i, variant in enumerate(study.variants):
        on_input = any(injection.place == "input" for injection in variant.injections)
        for match in [match for match in pairs if on_input and i in match.variants]:
            columns = _columns_of(match)
            for k, injection in enumerate(variant.injections):
                where = f"variants[{i}].injections[{k}].columns"
                found += [
                    f"{where} {fault} (dataset {match.dataset.name!r})."
                    for fault in _of_columns(injection, match, columns)
                ]
    for n, noise in enumerate(study.robustness):
        for match in pairs:
            injection, where = noise.at(noise.strengths[-1]), f"robustness[{n}]."
            faults = [f"columns {fault}" for fault in _of_columns(injection, match, _columns_of(match))]
            if injection.place == "input":
                faults += injection.model_copy(update={"columns": None}).faults_at(
                    _known_shape(match, (None, *match.shape))
                )
            found += [f"{where}{fault} (dataset {match.dataset.name!r})." for fault in faults]
    return found


def _columns_of(match: Match) -> Sequence[tuple[str, bool]] | None:
    return None if match.is_stand_in else columns_of(match.dataset)


def _of_columns(injection: Injection, match: Match, columns: Sequence[tuple[str, bool]] | None) -> Iterator[str]:
    if match.is_stand_in or injection.place != "input" or not kind_of(injection.kind).elementwise:
        return
    named = columns or [(str(i), True) for i in range(match.shape[-1])]
    known = list(dict.fromkeys(name for name, _ in named))
    if isinstance(injection.columns, tuple | dict):
        strangers = [name for name in injection.columns if name not in known]
        if strangers:
            shown = ", ".join(known[:MOST_NAMED]) + (" and others" if len(known) > MOST_NAMED else "")
            yield f"must be columns that the rows have, {shown}; received {', '.join(strangers)}"
    elif injection.columns != "all" and not any(is_numeric for _, is_numeric in named):
        yield "must be all or some names where no column is numeric; received numeric, the default"


def task_faults(study: Study, pairs: Sequence[Match]) -> list[str]:
    """Label noise of the other task's kind, and early stopping that leaves no rows."""
    found = []
    for i, variant in enumerate(study.variants):
        on = [match for match in pairs if i in match.variants]
        for k, injection in enumerate(variant.injections):
            where = f"variants[{i}].injections[{k}]"
            found += [fault for match in on for fault in _of_labels(where, injection, match)]
        for k, control in (pair for member in variant.members for pair in enumerate(member.controls)):
            where = f"variants[{i}].controls[{k}]"
            found += [
                fault for match in on for fault in (*_of_rows(where, control, match), *_of_kind(where, control, match))
            ]
    return found


def _of_labels(where: str, injection: Injection, match: Match) -> Iterator[str]:
    if injection.place == "labels" and match.data.n_classes and match.data.n_targets > 1:
        received = f"received {match.data.n_targets} labels (dataset {match.dataset.name!r})"
        yield f"{where}.place labels must be for one target, or for numbers; {received}. Drop it."
        return
    targets = "classes" if match.data.n_classes else "values"
    wanted = " or ".join(kind.name for kind in KINDS if kind.labels == targets)
    if injection.place == "labels" and kind_of(injection.kind).labels != targets:
        yield (
            f"{where}.kind must go with what is learnt, {wanted} with {match.dataset.of_task}; received {injection.kind!r} "
            f"(dataset {match.dataset.name!r}). Take {wanted}, or list under variants' architectures those that it is for."
        )


def _of_kind(where: str, control: Control, match: Match) -> Iterator[str]:
    """Rivals that are for classes only, or for the networks that ship."""
    kind = control_kind(control.kind)
    if kind.labels == "classes" and (not match.data.n_classes or match.data.n_targets > 1):
        what = f"{match.data.n_targets} labels" if match.data.n_classes else "a regression"
        received = f"received {what} (dataset {match.dataset.name!r})"
        must = f"{where}.kind {control.kind} must be for classes of one target"
        yield f"{must}; {received}. Drop it, or list under variants' architectures."
    if kind.changes_network and match.architecture.kind in USERS_OWN:
        received = f"received {match.architecture.kind} (architecture {match.architecture.name!r})"
        yield f"{where}.kind {control.kind} must be for a network that ships; {received}. Build it into your own network."


def _of_rows(where: str, control: Control, match: Match) -> Iterator[str]:
    kind, n_rows, fraction = control_kind(control.kind), len(match.data.y_train), control.validation_fraction
    if match.is_stand_in:
        return
    if kind.stops and not 1 <= kind.held_back(control, n_rows) < n_rows:
        yield (
            f"{where}.validation_fraction must leave at least 1 row to validate on and 1 to train on; received "
            f"{fraction:g} of {n_rows} rows (dataset {match.dataset.name!r}). Change it, or bring more rows."
        )
