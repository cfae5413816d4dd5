"""What a control is made of: a rival to noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from noiseflow.base.values import Fields

Tensor = Any


class ControlKind:
    """A kind of control; each is a class in a file of its own, and a line in `CONTROLS`.

    Attributes:
        name: as a study writes it.
        fields: its fields of the record `Control`, each with limits, a description and an example; all may be None.
        strength: the field that a variant's `strengths` take the place of.
        strength_label: what the report calls that field.
        defaults: of its other fields.
        penalises: whether it adds to the loss that is minimised.
        stops: whether it ends a seed's training early; a variant may have one such control.
        typical: a strength that stands for an unknown one where only the form of the training matters.
        sentence: what it does, for the docs.
    """

    name: str
    fields: Fields
    strength: str
    strength_label: str
    defaults: Mapping[str, Any] = {}
    penalises: bool = False
    stops: bool = False
    typical: float = 0.5
    sentence: str

    def penalty(self, weights: Sequence[Tensor]) -> Tensor:
        """What is added to the loss for each unit of strength, a scalar.

        Args:
            weights: the trainable weights of one replica.
        """
        raise NotImplementedError

    def regularizer(self, strength: float) -> str | None:
        """The Keras regularizer of each layer's kernel that does the same, as code; None where it is none."""
        return None

    def held_back(self, control: Any, n_rows: int) -> int:
        """How many of the last training rows it takes for itself.

        Args:
            control: the record.
        """
        return 0

    def callback(self, control: Any) -> Any:
        """A Keras callback that does the same to one seed, for a control that stops."""
        raise NotImplementedError

    def fit_lines(self, control: Any) -> list[str]:
        """Python lines that call `model.fit` in its way; none where it is called as ever."""
        return []
