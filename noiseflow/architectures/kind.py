"""What a kind of architecture is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from noiseflow.base.values import Fields, setting

if TYPE_CHECKING:
    from noiseflow.study import Architecture

Shape = tuple[int, ...]
"""Of one row of the data, without the axis of the rows."""
Units = Annotated[int, Field(ge=1, le=65_536)]
UNITS: Fields = {
    "units": setting(
        tuple[Units, ...], "Width of each hidden layer of an mlp or lstm", [64, 64], min_length=1, max_length=32
    )
}
ACTIVATION: Fields = {
    "activation": setting(
        Literal["relu", "tanh", "sigmoid", "elu", "gelu", "silu"], "Activation of the hidden layers", "relu"
    )
}


@dataclass(frozen=True)
class Layer:
    """A Keras layer, to be built and to be written as code.

    Attributes:
        name: that noise can be put after, `after:<name>`.
        call: the name of its class in keras.layers.
        arguments, options: of the class, without activation and name.
        kernels: the weights that a penalty goes to.
    """

    name: str
    call: str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    activation: str | None = None
    kernels: tuple[str, ...] = ()

    @property
    def is_activation(self) -> bool:
        """Whether it is nothing but an activation."""
        return self.call == "Activation"

    def without_activation(self) -> Layer:
        """The layer without its activation."""
        return replace(self, activation=None)

    def build(self) -> Any:
        """The layer itself."""
        import keras

        activation = {} if self.activation is None else {"activation": self.activation}
        return getattr(keras.layers, self.call)(*self.arguments, **self.options, **activation, name=self.name)

    def code(self, regularizers: Sequence[str] = ()) -> str:
        """The layer as Python writes it, with these regularizers of its kernels."""
        options = dict(self.options) | ({} if self.activation is None else {"activation": self.activation})
        arguments = [_literal(value) for value in self.arguments]
        arguments += [f"{name}={_literal(value)}" for name, value in options.items()]
        arguments += [f"{kernel}_regularizer={text}" for text in regularizers for kernel in self.kernels]
        return f"keras.layers.{self.call}({', '.join(arguments)})"


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


class ArchitectureKind:
    """A kind of architecture; each is a class in its own file, and a line in `ARCHITECTURES`.

    Attributes:
        name: as a study writes it.
        sentence: what it is, for the docs.
        settings: the settings that it has with their defaults; `...` where one must be given.
        fields: their fields of the record `Architecture`, each with limits, a description and an example; all may be None.
        axes: the axes that a row must have; any if empty.
        noise_after: the layers that noise can be put after, for the docs.
        multiply_adds_a_second: how fast it trains on two cores: the multiply-adds of `cost`, times 3 passes, by the seconds
            measured. Within a factor of three is enough: only the forecast of `plan` uses it.
        heeds_mask: whether it skips the steps of a sequence that a mask hides.
        is_users_own: whether layers, loss and optimizer are the user's; it may then have a part that does not vectorise, and
            has a `source` in place of `layers`.
    """

    name: str
    sentence: str
    settings: Mapping[str, Any]
    fields: Fields
    axes: tuple[str, ...] = ()
    noise_after: str = ""
    multiply_adds_a_second: float = 0.0
    heeds_mask: bool = False
    is_users_own: bool = False

    def layers(self, architecture: Architecture, shape: Shape | None = None) -> list[Layer]:
        """The layers between input and output.

        Args:
            shape: of a row; one of features unless given.
        """
        raise NotImplementedError

    def source(self, architecture: Architecture) -> Any:
        """What builds a model of the user's: a function, or a `ModelFile`; None for the networks that ship.

        Raises:
            ValueError: the file cannot be used.
            LookupError: there is no such entry point. Whatever its module raises when it is imported goes through.
        """

    def n_inputs(self, shape: Shape) -> int:
        """The numbers, channels or features that its first layer reads."""
        return shape[-1]

    def n_weights(self, architecture: Architecture, n_inputs: int) -> int:
        """Weights of its kernels below the output; 0 where that is not known."""
        return 0

    def cost(self, architecture: Architecture, shape: Shape, n_outputs: int) -> tuple[float, float] | None:
        """Multiply-adds of a row forward, and numbers that a noise layer draws for it; None where that is not known."""
        return None
