"""Faults of networks: they cannot be built for their data, or do not fit the task."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from noiseflow.architectures import ARCHITECTURES, architecture_kind
from noiseflow.architectures.outputs import compiled_loss, output_activation
from noiseflow.base.values import MAX_WEIGHTS
from noiseflow.datasets import dataset_kind
from noiseflow.engine.keras_state import KERAS_LOCK, floatx, seeded
from noiseflow.engine.targets import outputs_of
from noiseflow.noise import OUTSIDE
from noiseflow.study import Study
from noiseflow.study.faults import is_lacking
from noiseflow.trials.data_faults import attempt, described
from noiseflow.trials.preflight.matches import Match

REGRESSION_LOSSES = (
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "huber",
    "log_cosh",
    "poisson",
)
ONE_OUTPUT_LOSSES = ("binary_crossentropy", "binary_focal_crossentropy")
CLASS_LOSSES = ("sparse_categorical_crossentropy",)
Models = dict[tuple[str, str], tuple[Match, keras.Model]]
"""The sound models by the key of their match."""


def network_faults(study: Study, pairs: Sequence[Match]) -> tuple[Models, list[str]]:
    """The model of each match where the network fits the data, and the faults of the others."""
    models: Models = {}
    found = _source_faults(study)
    broken = {fault.split(" ", 1)[0].removesuffix(".path") for fault in found}
    for match in pairs:
        if match.where in broken:
            continue
        if match.is_stand_in:
            found += _stand_in_faults(match, models)
            continue
        faults = list(_axes_faults(match)) or list(_size_faults(match))
        model = None if faults else attempt(_built, match)
        if isinstance(model, Exception):
            faults = [_build_fault(match, model)]
        elif not faults:
            kind = architecture_kind(match.architecture.kind)
            faults = list(_fit_faults(match, model)) if kind.is_users_own else []
        if model is not None and not faults:
            models[match.key] = match, model
        found += faults
    return models, found


def _stand_in_faults(match: Match, models: Models) -> list[str]:
    """What does not depend on the rows of a faulty dataset; a model that can be built without them joins the others."""
    is_file = match.architecture.path is not None
    is_shipped = not architecture_kind(match.architecture.kind).is_users_own
    if not is_file and not (is_shipped and match.has_known_form):
        return []
    if faults := list(_axes_faults(match)):
        return faults
    model = None if any(_size_faults(match)) else attempt(_built, match)
    if model is None or isinstance(model, Exception):
        return []
    if not is_file:
        models[match.key] = match, model
        return []
    shapes = [tuple(part.shape[1:]) for part in getattr(model, "inputs", None) or ()]
    if len(shapes) == 1 and None not in shapes[0]:
        models[match.key] = match.with_rows(shapes[0]), model
    return [f"{match.where} {fault}" for fault in _kind_faults(match, model)]


def _source_faults(study: Study) -> list[str]:
    """Files and entry points that cannot be used, whatever the data."""
    found = []
    for i, network in enumerate(study.architectures):
        source = attempt(architecture_kind(network.kind).source, network)
        if isinstance(source, Exception):
            found.append(f"architectures[{i}]{_source_fault(network.path, network.entry_point, source)}")
    return found


def _source_fault(path: str | None, entry_point: str | None, error: Exception) -> str:
    if path is not None and is_lacking(path):
        text = f".path must name a file; received {path!r}, which does not exist"
        return f"{text}. Fix the path; it is relative to the study file."
    if path is not None:
        return (
            f" must be a file that model.save(...) wrote, of a compiled model without code in it; received {path!r}: "
            f"{described(error)}. Fix the file, or give another."
        )
    if isinstance(error, LookupError) and str(error).startswith("must be"):
        return f" {error}. Install the package that has it, or correct the name."
    return f" must be an entry point that can be loaded; received {entry_point!r}: {described(error)}. Fix its package."


def _axes_faults(match: Match) -> Iterator[str]:
    axes = architecture_kind(match.architecture.kind).axes
    any_form = " or ".join(kind.name for kind in ARCHITECTURES if not kind.axes and not kind.is_users_own)
    received = "rows of a table" if match.is_stand_in else match.shape
    if axes and len(match.shape) != len(axes):
        yield (
            f"{match.where} must be for data of its form, ({', '.join(axes)}) a row for kind {match.architecture.kind}; "
            f"received {received} (dataset {match.dataset.name!r}). {_channel_hint(match, len(axes))}"
            f"Take kind {any_form}, or list the datasets that it is for under {match.where}.datasets."
        )


def _channel_hint(match: Match, n_axes: int) -> str:
    """What makes images or sequences without an axis of channels fit."""
    is_file = "channels" in dataset_kind(match.dataset.kind).settings
    lacks = is_file and len(match.shape) + 1 == n_axes
    return f"If a row has no channels, set datasets[{match.dataset_index}].channels: none. Else: " if lacks else ""


def _size_faults(match: Match) -> Iterator[str]:
    """A first layer that reads so much that building it would fill the memory."""
    kind = architecture_kind(match.architecture.kind)
    n_weights = kind.n_weights(match.architecture, kind.n_inputs(match.shape))
    if n_weights > MAX_WEIGHTS:
        yield (
            f"{match.where} must have at most {MAX_WEIGHTS:,} weights; received {n_weights:,} for rows of the shape "
            f"{match.shape} (dataset {match.dataset.name!r}). Give it fewer units, or the rows fewer values."
        )


def _built(match: Match) -> keras.Model:
    """The model as its author wrote it, in the precision that it will be trained in."""
    with floatx(match.training.dtype), KERAS_LOCK, seeded(0):
        return match.builder().as_written()


def _build_fault(match: Match, error: Exception) -> str:
    name = match.architecture.entry_point
    who = f"entry point {name!r}" if name else f"kind {match.architecture.kind}"
    n_targets = f", n_targets={match.data.n_targets}" if match.data.n_targets > 1 else ""
    call = f"shape={match.shape}, n_classes={match.data.n_classes}{n_targets}"
    return (
        f"{match.where} must be a network that can be built for its data; received from {who} with {call} "
        f"(dataset {match.dataset.name!r}): {described(error)}. Fix it, its settings, or {match.where}.datasets."
    )


def _fit_faults(match: Match, model: Any) -> Iterator[str]:
    """What keeps a model of the user's from being trained on the data; later checks rest on the earlier ones."""
    for check in (_kind_faults, _shape_faults, _output_faults, _loss_faults):
        faults = [f"{match.where} {fault}" for fault in check(match, model)]
        yield from faults
        if faults:
            return


def _kind_faults(match: Match, model: Any) -> Iterator[str]:
    if not isinstance(model, keras.Model):
        yield f"must be a keras.Model; received {type(model).__name__}. Return one."
        return
    outside = [name for name in OUTSIDE if _has_place(match, name)]
    if outside and type(model).train_step is not keras.Model.train_step:
        yield (
            f"must be trained by Keras' own train_step where a variant has noise on {', '.join(outside)}; received "
            f"{type(model).__name__} with its own train_step. Drop that method, or that noise."
        )
    if not getattr(model, "compiled", False):
        yield "must be compiled; received a model that is not. Call model.compile(...) on it."
    wanted = match.training.dtype
    other = sorted({str(w.dtype) for w in model.trainable_weights} - {wanted})
    if other:
        yield f"must have weights of training.dtype, {wanted}; received {', '.join(other)}. Change one or the other."


def _has_place(match: Match, place: str) -> bool:
    return any(injection.place == place for variant in match.variants.values() for injection in variant.injections)


def _shape_faults(match: Match, model: Any) -> Iterator[str]:
    if not getattr(model, "inputs", None):  # a subclassed model has none
        return
    if len(model.inputs) != 1:
        yield f"must have one input; received {len(model.inputs)}. Join them, and split them inside the model."
        return
    wanted = tuple(model.inputs[0].shape[1:])
    fits = len(wanted) == len(match.shape) and all(w in (None, s) for w, s in zip(wanted, match.shape, strict=True))
    if not fits:
        yield (
            f"must take rows of the data's shape, {match.shape} (dataset {match.dataset.name!r}); received a model "
            f"with the input {wanted}. Change its input, or list the datasets that it is for."
        )


def _output_faults(match: Match, model: Any) -> Iterator[str]:
    n, several = match.data.n_classes, match.data.n_targets
    allowed = (several,) if several > 1 else {0: (1,), 2: (1, 2)}.get(n, (n,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Keras, on layers that a later check refuses
        outputs = attempt(outputs_of, model, match.builder().rows)
    if isinstance(outputs, Exception):
        yield f"must take rows of the data's shape, {match.shape} (dataset {match.dataset.name!r}); {described(outputs)}."
        return
    received = [tuple(output.shape[1:]) for output in keras.tree.flatten(outputs)]
    if len(received) != 1 or len(received[0]) != 1 or received[0][0] not in allowed:
        target = f"{several} targets" if several > 1 else f"{n} classes" if n else "a regression"
        yield (
            f"must have one output of {' or '.join(map(str, allowed))} units for {target} (dataset "
            f"{match.dataset.name!r}); received {', '.join(map(str, received))}. Change its last layer."
        )


def _loss_faults(match: Match, model: Any) -> Iterator[str]:
    loss = attempt(compiled_loss, model)
    if isinstance(loss, Exception):
        yield f"{loss}. Call model.compile(loss=...)."
        return
    n_classes, form = match.data.n_classes, match.builder().form()
    is_squashed = form.width == form.n_targets
    known = REGRESSION_LOSSES if n_classes == 0 else ONE_OUTPUT_LOSSES if is_squashed else CLASS_LOSSES
    if loss.name is not None and loss.name not in known:
        classes = f"{n_classes} classes, numbered from 0," if form.n_targets == 1 else "labels"
        task = classes if n_classes else "a regression"
        yield (
            f"must be compiled with a loss for {task} with an output of {form.width} (dataset {match.dataset.name!r}); "
            f"received {loss.name}. Compile it with {' or '.join(known[:2])}, or your own function."
        )
    elif n_classes:
        yield from _activation_faults(model, form.from_logits, is_squashed=is_squashed)


def _activation_faults(model: Any, from_logits: bool, *, is_squashed: bool) -> Iterator[str]:
    """A classifier that squashes its output twice or not at all would be trained and scored on the wrong scale."""
    activation = output_activation(model)
    squashing = ("sigmoid", "hard_sigmoid") if is_squashed else ("softmax",)
    wanted = ("linear",) if from_logits else squashing
    if activation is not None and activation not in wanted:
        yield (
            f"must end with activation {wanted[0]}, as its loss with from_logits={from_logits} expects; received "
            f"{activation}. Change the last layer's activation, or from_logits of the loss."
        )
