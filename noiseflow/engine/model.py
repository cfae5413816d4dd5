"""A user's model, ready to be traced for many replicas: built, known layer by layer, and never copied."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from noiseflow.engine import step
from noiseflow.engine.keras_random import led_to_streams
from noiseflow.engine.memory import OUT_OF_MEMORY
from noiseflow.engine.problem import EVALUATION_ROWS, Problem
from noiseflow.engine.random import Draw, RandomnessOff, Stream, drawing_from
from noiseflow.engine.twins import ways_of
from noiseflow.noise.instrument import Point, Position, Walk, instrumented, positions_of, walking
from noiseflow.noise.survey import Survey, survey

Tensor = Any
ANSI = re.compile(r"\x1b\[[0-9;]*m")  # Keras colours its messages
SAME = 1e-4
"""Relative difference up to which measures of batches of two sizes count as the same."""


@dataclass(frozen=True, eq=False)
class PreparedModel:
    """A compiled model with its loss and metrics built, and what its engine needs to know of it.

    Attributes:
        names: of its loss and metrics, the loss first.
        twins: whether its layers are computed in other ways, that vectorise.
    """

    model: keras.Model
    names: tuple[str, ...]
    positions: Mapping[int, Position]
    rows_a_batch: int = EVALUATION_ROWS
    twins: bool = True

    @classmethod
    def of(cls, model: keras.Model, problem: Problem, *, twins: bool = True) -> PreparedModel:
        """Prepares a model for a problem's rows.

        Raises:
            UntrainableError: it is not compiled, or does not take these rows.
        """
        require_trainable(model)
        rows = keras.tree.map_structure(lambda values: values[: example_size(model, problem)], problem.train.of(0))
        try:
            names = step.metric_names(model, rows)
        except OUT_OF_MEMORY:
            raise
        except Exception as error:
            raise UntrainableError(_mismatch(rows, error)) from error
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        size = EVALUATION_ROWS if _counts_rows(model, problem, names) else problem.batch_size
        return cls(model, tuple(names), positions_of(model), size, twins)

    @contextmanager
    def instrumented(self) -> Iterator[None]:
        """Within it, the model may be traced for replicas. To be entered under KERAS_LOCK."""
        with led_to_streams(), instrumented(self.model, ways_of if self.twins else lambda layer: {}):
            yield

    @contextmanager
    def walking(self, numbers: Any, at: Callable[[Point, Tensor], Tensor] = lambda point, x: x) -> Iterator[Walk]:
        """Within it, one call of the model draws from `numbers`, and `at` is called at each of its points."""
        with drawing_from(numbers), walking(Walk(self.positions, at)) as walk:
            yield walk

    def call(self, x: Any, *, training: bool) -> Any:
        """Calls the model."""
        return self.model(x, training=training) if takes_training(self.model) else self.model(x)

    def survey(self, problem: Problem) -> Survey:
        """What one call of the model shows."""
        n = example_size(self.model, problem)
        x = keras.tree.map_structure(lambda v: tf.TensorSpec([n, *v.shape[1:]], v.dtype), problem.train.of(0)[0])
        with led_to_streams(), drawing_from(Stream([])):
            return survey(self.model, x, ways_of if self.twins else lambda layer: {})

    def draws_in_inference(self, x: Any) -> list[Draw]:
        """What the model asks for in inference mode for inputs of these specs. To be called within `instrumented`."""
        stream = Stream([])

        def ask(x: Any) -> None:
            with self.walking(stream):
                self.call(x, training=False)

        tf.function(ask, autograph=False).get_concrete_function(x)
        return stream.asked


def takes_training(model: keras.Model) -> bool:
    """Whether the model's call has the argument `training`."""
    return bool(model._call_has_training_arg)  # noqa: SLF001 - as Keras' trainers ask it


class UntrainableError(ValueError):
    """The model cannot be trained on these rows, by any engine."""


def require_trainable(model: Any) -> None:
    """Refuses what `Model.fit` would refuse.

    Raises:
        UntrainableError: and says what is missing.
    """
    if not isinstance(model, keras.Model):
        raise UntrainableError(f"build_model must return a keras.Model; received {type(model).__name__}")
    if not model.compiled:
        raise UntrainableError(
            "build_model must return a compiled model; received one that is not: call model.compile(...)"
        )


def example_size(model: keras.Model, problem: Problem) -> int:
    """Rows that show what a model does: two, but a batch of a model that takes whole batches only."""
    fixed = [tensor.shape[0] for tensor in getattr(model, "inputs", None) or [] if tensor.shape[0] is not None]
    return int(fixed[0]) if fixed else min(2, problem.train.n_rows)


def _mismatch(rows: Any, error: Exception) -> str:
    text = " ".join(ANSI.sub("", str(error)).split())[:400]
    x, y = (keras.tree.map_structure(lambda v: v.shape[1:], part) for part in rows[:2])
    return (
        f"x, y: the model cannot be trained on these rows; received samples of shape {x} with targets of shape {y}. "
        f"Keras says: {type(error).__name__}: {text}"
    )


def _counts_rows(model: keras.Model, problem: Problem, names: Any) -> bool:
    """Whether loss and metrics of some rows are the same in one batch as in two: they are not where batches are averaged."""
    rows = problem.train.of(0)
    n = min(problem.train.n_rows, 8)
    if n < 2 or example_size(model, problem) > 2:  # a model that takes whole batches only is measured in those
        return n < 2
    cut = n // 2 + (n > 2)

    def measured(*slices: slice) -> np.ndarray[Any, Any]:
        model.reset_metrics()
        results: dict[str, Any] = {}
        for part in slices:
            x, y, weight = keras.utils.unpack_x_y_sample_weight(
                keras.tree.map_structure(lambda v, part=part: v[part], rows)
            )
            y_pred = model(x, training=False)
            loss = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weight, training=False)
            model._loss_tracker.update_state(loss, sample_weight=part.stop - part.start)  # noqa: SLF001
            results = model.compute_metrics(x, y, y_pred, sample_weight=weight)
        values = np.array([float(np.asarray(results[name]).mean()) for name in names])
        model.reset_metrics()
        return values

    with led_to_streams(), drawing_from(RandomnessOff()):
        whole, parts = measured(slice(0, n)), measured(slice(0, cut), slice(cut, n))
    return bool(np.allclose(whole, parts, rtol=SAME, atol=SAME * 1e-2, equal_nan=True))
