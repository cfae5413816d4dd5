"""What builds the model of an architecture for some data."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import keras

from noiseflow.architectures import architecture_kind
from noiseflow.architectures.kind import Layer, Shape
from noiseflow.architectures.outputs import natural_form, output_form
from noiseflow.architectures.steps import layers_for
from noiseflow.engine.keras_state import KERAS_LOCK, built, seeded
from noiseflow.engine.model_file import ModelFile
from noiseflow.engine.targets import outputs_of
from noiseflow.scores import OutputForm, score_of_column

if TYPE_CHECKING:
    from noiseflow.study import Architecture, Training


@dataclass(frozen=True)
class Builder:
    """A function without arguments that returns the compiled model, its weights drawn anew at each call.

    Two of equal settings are equal, so that what was compiled for one serves the other. Every model has a metric named
    `score`. The networks that ship get the output, the loss and the optimizer that fit; one of the user's keeps its own.

    Args:
        architecture: which network.
        training: names the optimizer of a network that ships.
        shape: of one row: (n_features,), (steps, n_features) or (height, width, channels).
        n_classes: 0 for a regression.
        score_name: as `Dataset.score_name` gives it.
        normalized: the momentum of a batch normalization before each hidden activation; None without.
        masked: whether a network that ships is to skip steps of sequences that are not there, as the last feature says.
        n_targets: values, or labels, that are predicted of a row.

    Raises:
        ValueError: the model file cannot be used.
        LookupError: there is no such entry point. Whatever its module raises when it is imported goes through.
    """

    architecture: Architecture
    training: Training
    shape: Shape
    n_classes: int
    score_name: str
    normalized: float | None = None
    masked: bool = False
    n_targets: int = 1
    source: ModelFile | Callable[..., Any] | None = field(init=False, repr=False, default=None)
    _found: OutputForm | None = field(init=False, repr=False, default=None, compare=False)

    def __post_init__(self) -> None:
        # before any seed is set: reading a file builds its model once, which draws numbers
        source = architecture_kind(self.architecture.kind).source(self.architecture)
        object.__setattr__(self, "source", source)

    def __hash__(self) -> int:
        return hash(
            (
                self.architecture.model_dump_json(),
                self.shape,
                self.n_classes,
                self.score_name,
                self.normalized,
                self.masked,
                self.n_targets,
                self.source,
            )
        )

    def __call__(self) -> keras.Model:
        """The model."""
        model = self.as_written()
        return with_score(model, self.score_name, self.n_classes, self._form_of(model))

    def as_written(self) -> keras.Model:
        """The model as its author compiled it, without the score."""
        if isinstance(self.source, ModelFile):
            return self.source()
        if self.source is not None:
            return self._by_function(self.source)
        kind = architecture_kind(self.architecture.kind)
        own = layers_for(kind, self.architecture, self.shape, masked=self.masked)
        layers = [part.build() for layer in own for part in self._parts(layer)]
        model = keras.Sequential([keras.Input(self.shape), *layers, self._output()])
        optimizer = keras.optimizers.get({"class_name": self.training.optimizer, "config": {}})
        optimizer.learning_rate = self.training.learning_rate
        model.compile(loss=_loss(self.n_classes), optimizer=optimizer)
        return model

    def _parts(self, layer: Layer) -> list[Layer]:
        """The layer; one with an activation with a batch normalization before it, where that is asked for."""
        if self.normalized is None or (layer.activation is None and not layer.is_activation):
            return [layer]
        normalization = Layer(
            f"{layer.name}_normalization", "BatchNormalization", options={"momentum": self.normalized}
        )
        if layer.is_activation:
            return [normalization, layer]
        activation = Layer(f"{layer.name}_activation", "Activation", (layer.activation,))
        return [layer.without_activation(), normalization, activation]

    def form(self) -> OutputForm:
        """What the model gives for a row: how many numbers, and whether they are logits."""
        if self.source is None:
            return natural_form(self.n_classes, self.n_targets)
        with KERAS_LOCK, seeded(0):
            return self._form_of(self.as_written())

    def _form_of(self, model: keras.Model) -> OutputForm:
        """The form of this model's output; it is the same for the builds of all seeds."""
        if (found := self._found) is None:
            found = self._looked_up(model)
            object.__setattr__(self, "_found", found)
        return found

    def _looked_up(self, model: keras.Model) -> OutputForm:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Keras, on layers of the user's
            outputs = keras.tree.flatten(outputs_of(model, self.rows))
        return replace(output_form(model, int(outputs[0].shape[-1])), n_targets=self.n_targets)

    def _output(self) -> keras.layers.Layer:
        form = natural_form(self.n_classes, self.n_targets)
        squashing = "sigmoid" if form.width == form.n_targets else "softmax"
        return keras.layers.Dense(form.width, activation=squashing if self.n_classes else "linear", name="output")

    @property
    def rows(self) -> Any:
        """A row, as a tensor without values."""
        return keras.KerasTensor((1, *self.shape), keras.config.floatx())

    def _by_function(self, function: Callable[..., Any]) -> keras.Model:
        settings = {
            **(self.architecture.settings or {}),
            **({"n_targets": self.n_targets} if self.n_targets > 1 else {}),
        }
        model = function(shape=self.shape, n_classes=self.n_classes, **settings)
        return built(model, self.rows) if isinstance(model, keras.Model) else model


def with_score(model: keras.Model, score_name: str, n_classes: int, form: OutputForm) -> keras.Model:
    """The model itself, compiled as it was and with the metric `score` besides."""
    compilation = dict(model._compile_config.config)  # noqa: SLF001 - the arguments as they were given, functions included
    score = score_of_column(score_name).metric(n_classes, form)
    metrics = keras.tree.flatten(compilation.get("metrics") or [])
    model.compile(**(compilation | {"metrics": [score, *metrics]}))  # the first of a name is the one that keeps it
    return model


def _loss(n_classes: int) -> str:
    return {0: "mean_squared_error", 2: "binary_crossentropy"}.get(n_classes, "sparse_categorical_crossentropy")
