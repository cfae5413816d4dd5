"""Proof that an engine trains a model as Keras does: one step of each, from the same weights, on the same rows, compared.

Keras' side is a fresh build of the user's model, called as its author wrote it: nothing of it is instrumented, and no layer is
computed in another way. Randomness is off on both sides (`random.RANDOMNESS_OFF`), and all strengths are 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noiseflow.engine.callbacks import State
from noiseflow.engine.keras_random import led_to_streams
from noiseflow.engine.problem import Array, NotVectorizableError, Problem, Proof, Samples
from noiseflow.engine.random import RandomnessOff, drawing_from
from noiseflow.engine.step_noise import penalised

MOVED = 0.05
"""Standard deviation of the noise on the weights before the step: initial biases are 0, and would hide a mistake."""
MOST_ROWS_MEASURED = 4096
TOLERANCES = {"float32": 1e-3, "float64": 1e-9}
"""Relative differences that count as rounding."""
LEAST_GRADIENT = {"float32": 1e-5, "float64": 1e-10}
"""Share of the largest gradient below which an entry is rounding, and says nothing."""
NUDGES = {"float32": 1e-5, "float64": 1e-13}
"""Relative change of predictions that shows how much a metric may differ by rounding, at its thresholds."""


@dataclass(frozen=True)
class Step:
    """What one step of training gave.

    Attributes:
        measures: loss and metrics of the batch in training mode.
        initial: quantities of evaluations before the step.
        weights: of the model, after it, in its order.
    """

    measures: Mapping[str, float]
    initial: Mapping[str, float]
    weights: Sequence[Array]


@dataclass(frozen=True)
class KerasStep(Step):
    """Keras' own step, and how near to it another step has to be.

    Attributes:
        rounding: for each of the measures, how much it moves when predictions move by their rounding.
        before: the weights before the step.
        gradients: of each of them, None for those that are not trained.
    """

    rounding: Mapping[str, float]
    before: Sequence[Array]
    gradients: Sequence[Array | None]


def moved(weights: Sequence[Array], trainable: Sequence[bool]) -> list[Array]:
    """The weights, each changed a little: those that are trained by adding to them, others (variances too) by scaling up."""
    rng = np.random.default_rng(0)
    return [
        (
            w + MOVED * rng.standard_normal(w.shape) if trains else w * (1 + MOVED * abs(rng.standard_normal(w.shape)))
        ).astype(w.dtype)
        if np.issubdtype(w.dtype, np.floating)
        else w
        for w, trains in zip(weights, trainable, strict=True)
    ]


def keras_step(
    model: keras.Model, problem: Problem, weights: Sequence[Array], rows: Array | slice, rows_a_batch: int
) -> KerasStep:
    """One step of a fresh build by Keras' own means.

    Args:
        weights: before the step.
        rows: indices of the batch's rows among the first seed's training rows.
        rows_a_batch: of evaluations.
    """
    model.set_weights(list(weights))
    state = State(model)
    batch = keras.tree.map_structure(lambda v: v[rows], problem.train.of(0))
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    n = keras.tree.flatten(x)[0].shape[0]
    variables = model.trainable_variables
    with led_to_streams(), drawing_from(RandomnessOff()):
        initial = {
            f"{name}_{quantity}": value
            for name, part in smallest(problem.evaluations).items()
            for quantity, value in _inference_measures(model, part.of(0), rows_a_batch).items()
        }
        _require_unchanged(state)
        model.reset_metrics()
        with tf.GradientTape() as tape:
            y_pred = _call(model, x, training=True)
            loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
            minimised = penalised(loss, problem.step_controls, [v.value for v in variables])
        gradients = tape.gradient(minimised, [v.value for v in variables])

        def measured(y_pred: Any, *, anew: bool = True) -> dict[str, float]:
            if anew:
                model.reset_metrics()
            loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
            model._loss_tracker.update_state(loss, sample_weight=n)  # noqa: SLF001 - as Keras' trainer does
            results = model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)
            return {name: float(np.asarray(value)) for name, value in results.items()}

        measures = measured(y_pred, anew=False)  # what layers measured in the call counts too
        remeasured = measured(y_pred)
        nudge = NUDGES.get(model.compute_dtype, NUDGES["float32"])
        nudged = [measured(keras.tree.map_structure(lambda p, s=s: p * (1 + s * nudge), y_pred)) for s in (-1, 1)]
        model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
    by_id = {id(v): _array(g) for v, g in zip(variables, gradients, strict=True)}
    return KerasStep(
        measures=measures,
        initial=initial,
        weights=model.get_weights(),
        rounding={
            name: max(abs(other[name] - remeasured[name]) for other in nudged)
            + ((1 + abs(remeasured[name])) * _cancelled(y, nudge) if _is_r2(model, name) else 0.0)
            for name in measures
        },
        before=list(weights),
        gradients=[by_id.get(id(v)) for v in model.weights],
    )


def _is_r2(model: keras.Model, name: str) -> bool:
    """Whether a measure of this name is an R², with the name of an output before it or not."""
    compiled = model._compile_metrics  # noqa: SLF001 - Keras gives the metrics of a compiled model nowhere else
    of_r2 = [m.name for m in (compiled.metrics if compiled else ()) if isinstance(m, keras.metrics.R2Score)]
    return any(name == one or name.endswith(f"_{one}") for one in of_r2)


def _cancelled(y: Any, nudge: float) -> float:
    """The relative rounding of the spread of targets, as R² divides by it.

    It is large where the rows of a batch hardly differ: their squares nearly cancel. It is infinite where nothing is left.
    """
    found = [0.0]
    for values in map(np.asarray, keras.tree.flatten(y)):
        if np.issubdtype(values.dtype, np.floating) and (values != np.round(values)).any():  # no classes
            columns = values.astype(np.float64).reshape(len(values), -1)
            with np.errstate(divide="ignore", invalid="ignore"):
                found.append(
                    float(np.nan_to_num(nudge * (columns**2).sum(0) / (len(columns) * columns.var(0)), nan=0.0).max())
                )
    return max(found) if max(found) < 0.1 else np.inf


def _require_unchanged(state: State) -> None:
    """Refuses a model that changes its state in evaluation: Keras carries the change into the next epoch."""
    for variable in state.changed():
        raise NotVectorizableError(f"an evaluation changes the model's weight {variable.path!r}")


def compare_steps(ours: Step, theirs: KerasStep, dtype: str) -> Proof:
    """The differences of two steps.

    Raises:
        NotVectorizableError: one is more than rounding; the message names all that differ.
    """
    tolerance = TOLERANCES.get(dtype, TOLERANCES["float32"])
    differences: dict[str, float] = {}
    wrong: list[str] = []

    def note(name: str, mine: float, expected: float, allowed: float) -> None:
        if np.isinf(allowed) or (not np.isfinite(expected) and not np.isfinite(mine)):
            return
        difference = abs(mine - expected)
        differences[name] = difference / max(abs(expected), tolerance)
        if not difference <= allowed:
            wrong.append(f"{name} {mine:.6g} instead of {expected:.6g}")

    for name, expected in theirs.measures.items():
        allowed = tolerance * max(abs(expected), tolerance) + 2 * theirs.rounding[name]
        note(name, ours.measures[name], expected, allowed)
    loose = {name: 2 * theirs.rounding[name] for name in theirs.measures}
    for name, expected in theirs.initial.items():
        quantity = next((q for q in loose if name.endswith(f"_{q}")), None)
        allowed = tolerance * max(abs(expected), tolerance) + loose.get(quantity or "", 0.0)
        note(name, ours.initial[name], expected, allowed)
    share, weight = _weights_differ(ours, theirs, dtype, tolerance)
    differences["weights"] = share
    if weight:
        wrong.append(f"the update of {weight}")
    if wrong:
        raise NotVectorizableError(f"its first step differs from Keras' own: {', '.join(wrong)}")
    return Proof(differences)


def _weights_differ(ours: Step, theirs: KerasStep, dtype: str, tolerance: float) -> tuple[float, str | None]:
    """The largest relative difference of an update, and the weight that differs by more than rounding."""
    scale = max((float(np.abs(g).max(initial=0)) for g in theirs.gradients if g is not None), default=0.0)
    least = LEAST_GRADIENT.get(dtype, LEAST_GRADIENT["float32"]) * scale
    worst = 0.0
    for i, (mine, expected, before, gradient) in enumerate(
        zip(ours.weights, theirs.weights, theirs.before, theirs.gradients, strict=True)
    ):
        if not np.issubdtype(np.asarray(expected).dtype, np.floating):
            continue
        update = np.abs(expected.astype(np.float64) - before)
        difference = np.abs(mine.astype(np.float64) - expected)
        rounding = 8 * np.finfo(expected.dtype).eps * np.abs(expected)
        counts = np.ones(expected.shape, bool) if gradient is None else (np.abs(gradient) > least) | (update == 0)
        excess = np.where(counts, difference - rounding, 0.0) / max(float(update.max(initial=0)), 1e-30)
        largest = float(excess.max(initial=0))
        if largest > 10 * tolerance:
            if float(difference[counts].max(initial=0)) > 64 * float(rounding.max(initial=0)):
                return min(largest, 1e30), f"weight {i} of shape {expected.shape}"
            continue  # the update is as small as the rounding of the weight, and says nothing
        worst = max(worst, largest)
    return worst, None


def prove_optimizer(pure: Any, model: keras.Model, own: keras.Model) -> float:
    """The largest relative difference between one update by an optimizer as the engine uses it and as Keras does.

    Both get the same weights and the same gradients, so that nothing but the optimizer itself can differ.

    Args:
        pure: context manager in which `model.optimizer.stateless_apply` works on the values of one replica.
        model: the engine uses its optimizer.
        own: another build; its optimizer updates as in `Model.fit`.

    Raises:
        NotVectorizableError: they differ by more than rounding.
    """
    rng = np.random.default_rng(1)
    variables = own.trainable_variables
    weights = [rng.standard_normal(v.shape).astype(v.dtype) for v in variables]
    gradients = [rng.standard_normal(v.shape).astype(v.dtype) for v in variables]
    before = own.get_weights()
    for variable, value in zip(variables, weights, strict=True):
        variable.assign(value)
    state = [tf.constant(v.numpy()) for v in model.optimizer.variables]
    tensors = [tf.constant(w) for w in weights]
    if not own.optimizer.built:
        own.optimizer.build(variables)
    with pure(model.optimizer):
        ours, _ = model.optimizer.stateless_apply(state, [tf.constant(g) for g in gradients], tensors)
    saved = [v.numpy() for v in own.optimizer.variables]
    own.optimizer.apply_gradients(zip([tf.constant(g) for g in gradients], variables, strict=True))
    worst = 0.0
    for i, (mine, variable, weight) in enumerate(zip(ours, variables, weights, strict=True)):
        expected = variable.numpy().astype(np.float64)
        eps = float(np.finfo(weight.dtype).eps)
        update = np.abs(expected - weight)
        excess = np.abs(mine.numpy() - expected) - 4 * eps * np.abs(expected) - 64 * eps * update
        relative = float((excess / np.maximum(update, 1e-30)).max(initial=0))
        worst = max(worst, relative)
        if relative > (1e-4 if eps > 1e-10 else 1e-9):
            raise NotVectorizableError(f"its optimizer updates weight {i} otherwise than in Model.fit")
    for variable, value in zip(own.optimizer.variables, saved, strict=True):
        variable.assign(value)
    own.set_weights(before)
    return worst


def smallest(evaluations: Mapping[str, Samples]) -> dict[str, Samples]:
    """The evaluations to compare: all that are not large, and the smallest if all are."""
    few = {name: rows for name, rows in evaluations.items() if rows.n_rows <= MOST_ROWS_MEASURED}
    least = sorted(evaluations, key=lambda name: evaluations[name].n_rows)[:1]
    return few or {name: evaluations[name] for name in least}


def _inference_measures(model: keras.Model, rows: Any, batch_size: int) -> dict[str, float]:
    """Loss and metrics in inference mode, batch after batch."""
    n = keras.tree.flatten(rows)[0].shape[0]
    model.reset_metrics()
    results: dict[str, Any] = {}
    size = min(n, batch_size)
    for start in range(0, n, size):
        batch = keras.tree.map_structure(lambda v, start=start: v[start : start + size], rows)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
        y_pred = _call(model, x, training=False)
        loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)
        model._loss_tracker.update_state(loss, sample_weight=keras.tree.flatten(x)[0].shape[0])  # noqa: SLF001
        results = model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)
    model.reset_metrics()
    return {name: float(np.asarray(value)) for name, value in results.items()}


def _call(model: keras.Model, x: Any, *, training: bool) -> Any:
    return model(x, training=training) if model._call_has_training_arg else model(x)  # noqa: SLF001


def _array(gradient: Any) -> Array | None:
    return None if gradient is None else np.asarray(tf.convert_to_tensor(gradient))
