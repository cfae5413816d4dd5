"""Networks, and how each is trained."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from noiseflow.spec.base import NamedPart, Part, settings_of_kind
from noiseflow.values import FilePath, Label, Setting, fault

Units = Annotated[int, Field(ge=1, le=65_536)]
SETTINGS: dict[str, dict[str, Any]] = {
    "mlp": {"units": (500,), "activation": "relu"},
    "cnn": {"filters": (32, 32), "kernel_size": 3, "activation": "relu"},
    "lstm": {"units": (32,), "activation": "relu"},
    "file": {"path": ...},
    "entry_point": {"entry_point": ..., "settings": {}},
}
"""The settings of each kind with their defaults; `...` where one must be given."""
USERS_OWN = ("file", "entry_point")
"""Kinds whose layers, loss and optimizer are the user's, and which may have a part that does not vectorise."""
MAX_WEIGHTS = 100_000_000
"""Most weights of a network, 0.4 GB for each replica, before what the optimizer keeps of them."""
EVERYWHERE = ("kind", "label", "datasets", "training")


class Training(Part):
    """How each trial is trained. A model from a file or an entry point keeps its own optimizer and learning rate."""

    epochs: int = Field(4000, ge=1, le=10_000_000, description="Passes over the training rows")
    batch_size: int = Field(32, ge=1, description="Rows of a step; the last step of an epoch may have fewer")
    optimizer: Literal["adam", "sgd", "rmsprop", "adagrad", "nadam", "lion"] = Field(
        "adam", description="Keras optimizer, with Keras' defaults but for the learning rate"
    )
    learning_rate: float = Field(0.001, gt=0, le=1e9, description="Step size")
    record_every: int = Field(10, ge=1, description="Learning curves keep epoch 1, every k-th, and the last")
    dtype: Literal["float32", "float64"] = Field("float32", description="Precision of weights and arithmetic")


class Architecture(NamedPart):
    """A network: a builder's name and its settings."""

    entry_points: ClassVar[str] = "noiseflow.models"
    kind: Literal["mlp", "cnn", "lstm", "file", "entry_point"] = Field(
        description="mlp is Dense layers with an activation; cnn is Conv2D layers and a MaxPooling2D called pool; lstm is "
        "LSTM layers, the last followed by an activation; file is a .keras file, entry_point a function of an installed "
        "package. The first three get the output, loss and metric that fit the data"
    )
    units: tuple[Units, ...] | None = Field(
        None, min_length=1, max_length=32, description="Width of each hidden layer of an mlp or lstm"
    )
    filters: tuple[Units, ...] | None = Field(
        None, min_length=1, max_length=32, description="Filters of each convolution of a cnn"
    )
    kernel_size: int | None = Field(None, ge=1, le=99, description="Height and width of each convolution's kernel")
    activation: Literal["relu", "tanh", "sigmoid", "elu", "gelu", "silu"] | None = Field(
        None, description="Activation of the hidden layers"
    )
    path: FilePath | None = Field(None, description="The .keras file, compiled; relative to the study file")
    entry_point: Label | None = Field(None, description="Name in the entry-point group noiseflow.models")
    settings: dict[str, Setting] | None = Field(None, description="Arguments of the entry point")
    datasets: tuple[Label, ...] = Field((), description="Names of the datasets that it is for; all if empty")
    training: Training | None = Field(None, description="How it is trained, instead of as the study says")

    @model_validator(mode="before")
    @classmethod
    def _settings_of_its_kind(cls, data: Any) -> Any:
        return settings_of_kind(data, SETTINGS, [*cls.model_fields], EVERYWHERE)

    @model_validator(mode="after")
    def _fits_into_memory(self) -> Self:
        if self.n_weights(1) > MAX_WEIGHTS:
            raise fault("kind", f"must have at most {MAX_WEIGHTS:,} weights, not {self.n_weights(1):,}")
        return self

    def n_weights(self, n_inputs: int) -> int:
        """Weights of its kernels below the output, for that many numbers, channels or features to read; 0 if not known."""
        widths = (n_inputs, *(self.units or self.filters or ()))
        inner = sum(a * b for a, b in pairwise(widths))
        if self.kind == "lstm":  # four gates, each of which reads the layer's own state too
            return 4 * (inner + sum(width * width for width in widths[1:]))
        return inner * (self.kernel_size or 1) ** 2
