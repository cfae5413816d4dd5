"""Networks, and how each is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, create_model, model_validator

from noiseflow.architectures import ARCHITECTURES, architecture_kind
from noiseflow.base.parts import NamedPart, Part, settings_of_kind
from noiseflow.base.values import MAX_WEIGHTS, Label, fault

SETTINGS = {kind.name: kind.settings for kind in ARCHITECTURES}
"""The settings of each kind with their defaults; `...` where one must be given."""
USERS_OWN = tuple(kind.name for kind in ARCHITECTURES if kind.is_users_own)
"""Kinds with the user's own layers, loss and optimizer; these may have a part that does not vectorise."""
EVERYWHERE = ("kind", "label", "datasets", "training")


class Training(Part):
    """How each trial is trained. A model from a file or an entry point keeps its own optimizer and learning rate."""

    epochs: int = Field(4000, ge=1, le=10_000_000, description="Passes over the training rows", examples=[4000])
    batch_size: int = Field(
        32, ge=1, description="Rows of a step; the last step of an epoch may have fewer", examples=[32]
    )
    optimizer: Literal["adam", "sgd", "rmsprop", "adagrad", "nadam", "lion"] = Field(
        "adam", description="Keras optimizer, with Keras' defaults except for the learning rate", examples=["adam"]
    )
    learning_rate: float = Field(0.001, gt=0, le=1e9, description="Step size", examples=[0.001])
    record_every: int = Field(
        10, ge=1, description="Learning curves keep epoch 1, every k-th, and the last", examples=[10]
    )
    dtype: Literal["float32", "float64"] = Field(
        "float32", description="Precision of weights and arithmetic", examples=["float32"]
    )


class _ArchitectureRules(NamedPart):
    """A network: a builder's name and its settings.

    `noiseflow.architectures.ARCHITECTURES` holds the kinds and their fields. Those that ship get the output, loss and
    metric that fit the data.
    """

    entry_points: ClassVar[str] = "noiseflow.models"
    datasets: tuple[Label, ...] = Field(
        (), description="Names of the datasets that it is for; all if empty", examples=[["circles"]]
    )
    training: Training | None = Field(
        None,
        description="How it is trained, instead of as the study says",
        examples=[{"epochs": 200, "learning_rate": 0.01}],
    )

    @model_validator(mode="before")
    @classmethod
    def _settings_of_its_kind(cls, data: Any) -> Any:
        return settings_of_kind(data, SETTINGS, [*cls.model_fields], EVERYWHERE)

    @model_validator(mode="after")
    def _fits_into_memory(self) -> Self:
        n_weights = architecture_kind(self.kind).n_weights(self, 1)  # type: ignore[arg-type] # an Architecture
        if n_weights > MAX_WEIGHTS:
            raise fault("kind", f"must have at most {MAX_WEIGHTS:,} weights, not {n_weights:,}")
        return self


if TYPE_CHECKING:

    class Architecture(_ArchitectureRules):
        """A network."""

        def __getattr__(self, name: str) -> Any: ...
else:
    Architecture = create_model(
        "Architecture",
        __base__=_ArchitectureRules,
        __module__=__name__,
        __doc__=_ArchitectureRules.__doc__,
        kind=(
            Literal[tuple(kind.name for kind in ARCHITECTURES)],
            Field(description="Which network; the table above says what each kind is", examples=["mlp"]),
        ),
        **{name: field for kind in ARCHITECTURES for name, field in kind.fields.items()},
    )
