"""Injections that a model has no place for, and variants that do not go with the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import floor
from typing import Any

import keras

from noiseflow.noise import hidden_activations
from noiseflow.spec import Control, Injection, Study
from noiseflow.trials.preflight.matches import Match
from noiseflow.trials.preflight.networks import Models

ROUNDING = 1e-9
"""So that a tenth of ten rows is one row."""


def place_faults(models: Models) -> list[str]:
    """Places that a variant names and the model lacks, once for each network, whatever the data."""
    found: dict[tuple[str, str], str] = {}
    for match, model in models.values():
        for i, variant in match.variants.items():
            for k, injection in enumerate(variant.injections):
                where = f"variants[{i}].injections[{k}].place"
                for fault in _of_place(where, injection.place, match, model):
                    found.setdefault((where, match.architecture.name), fault)
    return list(found.values())


def _of_place(where: str, place: str, match: Match, model: Any) -> Iterator[str]:
    layers = [layer.name for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    received = f"received {place!r} (architecture {match.architecture.name!r})"
    if place.startswith("after:") and place.removeprefix("after:") not in layers:
        yield f"{where} must be a place of the model; {received}: its layers are {', '.join(layers)}. Choose one of them."
    if place.endswith("_activation") and not hidden_activations(model):
        yield (
            f"{where} must be a place of the model; {received}: none of its hidden layers, {', '.join(layers)}, has an "
            "activation. Choose after:<layer> or input."
        )


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
    wanted = "flip" if match.data.n_classes else "gaussian"
    if injection.place == "labels" and injection.kind != wanted:
        yield (
            f"{where}.kind must go with what is learnt, {wanted} with {match.dataset.of_task}; received {injection.kind!r} "
            f"(dataset {match.dataset.name!r}). Take {wanted}, or list under variants' architectures those that it is for."
        )


def _of_rows(where: str, control: Control, match: Match) -> Iterator[str]:
    if control.validation_fraction is None:
        return
    n_rows, fraction = len(match.data.y_train), control.validation_fraction
    held_back = floor(n_rows * fraction + ROUNDING)
    if not 1 <= held_back < n_rows:
        yield (
            f"{where}.validation_fraction must leave at least 1 row to validate on and 1 to train on; received "
            f"{fraction:g} of {n_rows} rows (dataset {match.dataset.name!r}). Change it, or bring more rows."
        )
