"""What a control is made of: a rival to noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from noiseflow.base.values import Fields

Tensor = Any
Part = tuple[Any, Any, Any]
"""A part of the loss: its share, targets nested as the outputs are, and the rows' weights or None."""
OfClass = Callable[[Any, int], Any]


class ControlKind:
    """A kind of control; each is a class in its own file, and a line in `CONTROLS`.

    Attributes:
        name: as a study writes it.
        fields: its fields of the record `Control`, each with limits, a description and an example; all may be None.
        strength: the field that a variant's `strengths` fill.
        strength_label: what the report calls that field.
        defaults: the values of its other fields, where a study does not give them.
        penalises: whether it adds to the loss that is minimised.
        steps: whether it acts in each step, so that both engines ask its hooks (`losses`, `share`, `climb`, `after_step`).
        mixes: whether it blends the rows of a batch. The engine blends them (`engine/step_noise.py`); `share` gives the share.
        stops: whether it ends a seed's training early, or takes the weights of an earlier epoch; a variant may have one such.
        averages: whether the weights become their mean over the last epochs; a variant may have one such, or one that stops.
        changes_network: whether it is a part of the network; only those that ship take it.
        labels: `classes` if it takes classes only.
        needs_fit_seeds: whether the report's recipe must call `noiseflow.fit_seeds`, since Keras has no short equivalent.
        neutral: the argument of the hooks that changes nothing.
        probe_strength: the strength used where a training is only traced or compiled, and the study's strength is open.
        sentence: what it does, for the docs.
    """

    name: str
    fields: Fields
    strength: str
    strength_label: str
    defaults: Mapping[str, Any] = {}
    penalises: bool = False
    steps: bool = False
    mixes: bool = False
    stops: bool = False
    averages: bool = False
    changes_network: bool = False
    labels: str | None = None
    needs_fit_seeds: bool = False
    neutral: Any = 0.0
    probe_strength: float = 0.5
    sentence: str

    def penalty(self, weights: Sequence[Tensor]) -> Tensor:
        """What is added to the loss for each unit of strength, a scalar.

        Args:
            weights: the trainable weights of one replica.
        """
        raise NotImplementedError

    def argument(self, strength: float) -> Any:
        """What the hooks of a step are given for a strength: a number or an array, always of one shape."""
        return strength

    def losses(self, argument: Tensor, parts: Sequence[Part], of_class: OfClass, n_classes: int) -> Sequence[Part]:
        """The parts of the sum that is minimised, from the parts so far.

        Args:
            of_class: the targets of one output and a class, to targets that are that class everywhere.
        """
        return parts

    def share(self, argument: Tensor, uniform: Tensor) -> Tensor:
        """The share of the row itself, for a control that mixes, from a number uniform in (0, 1)."""
        raise NotImplementedError

    def climb(self, argument: Tensor, gradients: Sequence[Tensor]) -> Sequence[Tensor] | None:
        """What is added to the weights before the second gradient, which counts; None where there is no second one."""
        return None

    def after_step(self, argument: Tensor, weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """The trainable weights after the optimizer has changed them."""
        return weights

    def first_epoch(self, control: Any, epochs: int) -> int:
        """The first epoch, from 1, that a control which averages weights takes into the average."""
        raise NotImplementedError

    def regularizer(self, strength: float) -> str | None:
        """The Keras regularizer of each layer's kernel that does the same, as code; None where Keras has none."""
        return None

    def held_back(self, control: Any, n_rows: int) -> int:
        """How many of the last training rows it holds back.

        Args:
            control: the record.
        """
        return 0

    def patience(self, control: Any) -> int:
        """The epochs that a control which stops the training waits."""
        raise NotImplementedError

    def callback(self, control: Any, epochs: int) -> Any:
        """A Keras callback that does the same to one seed, for a control that stops or averages."""
        raise NotImplementedError

    def layer(self, control: Any) -> str:
        """The layer before each hidden activation, as code, for a control that is a part of the network."""
        raise NotImplementedError

    def fit_lines(self, control: Any) -> list[str]:
        """Python lines that call `model.fit` in its way; none where it is called as ever."""
        return []
