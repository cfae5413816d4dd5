"""What `fit_seeds` returns: the histories and the trained weights of all seeds."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax

from noiseflow.engine import disk_cache
from noiseflow.engine.arguments import floats
from noiseflow.engine.keras_state import build_seeded
from noiseflow.engine.model import takes_training
from noiseflow.engine.problem import Array, Proof
from noiseflow.engine.replicas import ROWS_A_CALL, StackedCall, forget_call, stacked_call

DIVERGED_ABOVE = 1000.0
PROVEN = 32
"""So many rows' predictions are compared with Keras'."""
SAME_PREDICTION = 1e-3


def _mean_std(values: Array) -> str:
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


@dataclass(frozen=True, repr=False)
class SeedsFit:
    """N trainings of one model, seed by seed.

    Attributes:
        history: quantity to (n_seeds, n_recorded), Keras' names and meaning: `loss` and the metrics are the running means of
            training mode; `val_...` and the names of further evaluations are of inference mode after the epoch.
        initial: evaluated quantity to (n_seeds,), before the first step.
        epochs: (n_recorded,), counted from 1.
        weights: arrays (n_seeds, ...), in the model's own order.
        signal_to_noise: (n_seeds, n_injections), for gaussian noise within the model: standard deviation of the signal that it
            is added to, at the initial weights on the training rows, over the stddev of the first epoch; the least where an
            injection has several sites, inf where the stddev is 0. NaN for other kinds and places.
        epochs_trained: (n_seeds,), the epochs that each seed trained; all of them unless it stopped early.
        best_epoch: (n_seeds,), the epoch that a seed's last weights are from; epochs_trained unless it stopped early.
        seeds: the seeds, in the order of the leading axes.
        engine: which engine ran.
        proof: how the engine's first step differs from Keras' own: relative differences of losses, metrics and weights.
    """

    history: dict[str, Array]
    initial: dict[str, Array]
    epochs: NDArray[np.int64]
    weights: list[Array]
    signal_to_noise: Array
    epochs_trained: NDArray[np.int64]
    best_epoch: NDArray[np.int64]
    proof: Proof
    seeds: tuple[int, ...]
    engine: str
    build_model: Callable[[], keras.Model]
    _predicts_well: dict[bool, bool] = field(default_factory=dict, repr=False, compare=False)
    _squashes: list[Callable[[Array], Array] | None] = field(default_factory=list, repr=False, compare=False)

    def __repr__(self) -> str:
        measures = [f"{name} {_mean_std(values)}" for name, values in self._last().items() if name.startswith("val_")]
        measures = measures or [f"{name} {_mean_std(values)}" for name, values in self._last().items()]
        what = f"{len(self.seeds)} seeds × {self.epochs[-1]:,} epochs, {self.engine}"
        return f"SeedsFit({what}: {', '.join(measures)})"

    def _repr_html_(self) -> str:
        """What a notebook shows: each quantity after the last epoch, over the seeds."""
        rows = {
            name: {"mean": np.mean(values), "std": np.std(values, ddof=1), "least": values.min(), "most": values.max()}
            for name, values in self._last().items()
        }
        head = f"{len(self.seeds)} seeds × {self.epochs[-1]:,} epochs, {self.engine}; after the last epoch, over the seeds:"
        return f"<p>{head}</p>{pd.DataFrame.from_dict(rows, orient='index').round(4).to_html(border=0)}"

    def _last(self) -> dict[str, Array]:
        return {name: values[:, -1] for name, values in self.history.items() if values.ndim == 2}

    @cached_property
    def diverged(self) -> Array:
        """Whether a loss of a seed ended not finite, or above 1,000 times its initial value: (n_seeds,)."""
        diverged = np.zeros(len(self.seeds), bool)
        for name, initial in self.initial.items():
            if name.endswith("_loss"):
                final = self.history[name][:, -1]
                diverged |= ~np.isfinite(final) | (final > DIVERGED_ABOVE * initial)
        return diverged

    @cached_property
    def _replicas(self) -> StackedCall:
        return stacked_call(self.build_model, self.seeds[0])

    @cached_property
    def _logit_replicas(self) -> StackedCall:
        return stacked_call(self.build_model, self.seeds[0], logits=True)

    @property
    def trainable(self) -> list[bool]:
        """Whether each of the weights is trained."""
        return [bool(variable.trainable) for variable in self._replicas.prepared.model.weights]

    def with_weights(self, weights: list[Array]) -> SeedsFit:
        """A fit of these seeds with other weights, in the order of `weights`."""
        other = replace(self, weights=weights)
        if self.engine == "vectorized":
            vars(other)["_replicas"] = self._replicas  # what is compiled serves both
            vars(other)["_logit_replicas"] = self._logit_replicas
        return other

    def predict(self, x_new: Any, *, per_seed: bool = False) -> Any:
        """The model's outputs in inference mode: (n_seeds, n_samples, ...), nested as they are.

        Args:
            x_new: (n_samples, ...), or nested as the model's inputs are; with `per_seed` a seed axis in front.

        Raises:
            ValueError: with `per_seed`, the first axis is not the seeds.
        """
        sizes = {np.shape(values)[0] for values in keras.tree.flatten(x_new)} if per_seed else {len(self.seeds)}
        if sizes != {len(self.seeds)}:
            raise ValueError(f"x_new must have a first axis of {len(self.seeds)} seeds; received {sorted(sizes)}")
        if self.engine == "vectorized":
            outputs = self._replicas(self.weights, floats(x_new), per_seed=per_seed, seeds=self.seeds)
            disk_cache.seal()
            if self._predicts_as_keras(self._replicas, outputs, x_new, per_seed):
                return outputs

        def own(row: int) -> Any:
            return keras.tree.map_structure(lambda v: v[row], x_new) if per_seed else x_new

        outputs = [self.to_keras(seed).predict(own(row), verbose=0) for row, seed in enumerate(self.seeds)]
        return keras.tree.map_structure(lambda *values: np.stack(values), *outputs)

    def predict_exactly(self, x_new: Any, *, per_seed: bool = False) -> tuple[Array, bool]:
        """`predict` in double precision, and whether from the logits, as for a model of one output with a sigmoid or softmax.

        In single precision a probability near 1 is 1, and its loss not that which Keras computes from the logits. Of a
        sigmoid's one output both classes have a column, so that neither is rounded.
        """
        squash = self._squash(keras.tree.map_structure(lambda v: np.asarray(v)[0] if per_seed else v, x_new))
        if squash is None:
            return np.asarray(self.predict(x_new, per_seed=per_seed), np.float64), False
        if self.engine == "vectorized":
            logits = self._logit_replicas(self.weights, floats(x_new), per_seed=per_seed, seeds=self.seeds)
            disk_cache.seal()
            outputs = squash(np.asarray(logits, np.float64))
            if self._predicts_as_keras(self._logit_replicas, outputs[..., -logits.shape[-1] :], x_new, per_seed):
                return outputs, True

        def of_seed(row: int) -> Array:
            own = keras.tree.map_structure(lambda v: np.asarray(v)[row] if per_seed else np.asarray(v), x_new)
            model, n = self.to_keras(self.seeds[row]), len(keras.tree.flatten(own)[0])
            cuts = [slice(start, start + ROWS_A_CALL) for start in range(0, n, ROWS_A_CALL)]
            called = [_called(model, keras.tree.map_structure(lambda v, cut=cut: v[cut], own)) for cut in cuts]
            return np.concatenate([np.asarray(output._keras_logits, np.float64) for output in called])  # noqa: SLF001

        return squash(np.stack([of_seed(row) for row in range(len(self.seeds))])), True

    def _squash(self, x: Any) -> Callable[[Array], Array] | None:
        """What makes probabilities of the logits that Keras knows; None where it knows none. Looked at once."""
        if not self._squashes:
            output = _called(
                self.to_keras(self.seeds[0]), keras.tree.map_structure(lambda v: np.asarray(v)[:PROVEN], x)
            )
            logits, found = getattr(output, "_keras_logits", None), None
            if logits is not None:
                squash = _both if output.shape[-1] == 1 else _softmax
                same = np.allclose(squash(np.asarray(logits))[..., -output.shape[-1] :], output, atol=1e-5)
                found = squash if same else None
            self._squashes.append(found)
        return self._squashes[0]

    def _predicts_as_keras(self, call: StackedCall, outputs: Any, x_new: Any, per_seed: bool) -> bool:
        """Whether the first seed's first outputs equal its Keras model's; compared once for each call."""
        if call.logits not in self._predicts_well:
            few = keras.tree.map_structure(
                lambda v: np.asarray(v)[0, :PROVEN] if per_seed else np.asarray(v)[:PROVEN], x_new
            )
            model = self.to_keras(self.seeds[0])
            theirs = keras.tree.flatten(_called(model, few))
            ours = [
                values[0, : len(expected)] for values, expected in zip(keras.tree.flatten(outputs), theirs, strict=True)
            ]
            scales = [max(1.0, float(np.abs(np.asarray(expected)).max(initial=0))) for expected in theirs]
            differences = [
                float(np.nanmax(np.abs(mine - np.asarray(expected)), initial=0)) / scale
                for mine, expected, scale in zip(ours, theirs, scales, strict=True)
            ]
            well = max(differences, default=0.0) <= SAME_PREDICTION or call.draws
            self._predicts_well[call.logits] = well
            if not well:
                forget_call(call)
                what = f"its predictions differ from Keras' own by {max(differences):.2g} of their size"
                warnings.warn(f"predict falls back to Keras' own, seed after seed: {what}", stacklevel=3)
        return self._predicts_well[call.logits]

    def to_keras(self, seed: int) -> keras.Model:
        """The trained model of one seed, compiled as its author compiled it."""
        model = build_seeded(self.build_model, seed)
        model.set_weights([array[self.seeds.index(seed)] for array in self.weights])
        return model

    def to_frame(self) -> pd.DataFrame:
        """The history in long form: seed, epoch, and a column for each quantity."""
        seeds = np.repeat(self.seeds, len(self.epochs))
        epochs = np.tile(self.epochs, len(self.seeds))
        columns = {name: values.reshape(-1) for name, values in self.history.items()}
        return pd.DataFrame({"seed": seeds, "epoch": epochs, **columns})


def _called(model: keras.Model, x: Any) -> Any:
    """What a model gives in inference mode."""
    return model(floats(x), training=False) if takes_training(model) else model(floats(x))


def _both(logits: Array) -> Array:
    return np.concatenate([expit(-logits), expit(logits)], axis=-1)


def _softmax(logits: Array) -> Array:
    return np.asarray(softmax(logits, axis=-1))
