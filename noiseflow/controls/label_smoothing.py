"""Label smoothing: each class is a little likely, whatever the label says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from noiseflow.base.values import Fraction, setting
from noiseflow.controls.kind import ControlKind, Part


class LabelSmoothing(ControlKind):
    """Minimises (1 - smoothing) × the loss + smoothing × its mean over all classes; scores are of the labels as they are.

    References:
        Szegedy et al. (2016), Rethinking the Inception architecture for computer vision, section 7.
    """

    name = "label_smoothing"
    fields = {"smoothing": setting(Fraction, "Share of the label that goes to all classes alike", 0.1)}
    strength = "smoothing"
    strength_label = "smoothing"
    steps = True
    labels = "classes"
    probe_strength = 0.1
    sentence = (
        "gives the share `smoothing` of each label to all classes alike (the argument `label_smoothing` of Keras' losses); "
        "for classes only"
    )

    def losses(
        self, argument: Any, parts: Sequence[Part], of_class: Callable[[Any, int], Any], n_classes: int
    ) -> list[Part]:
        """The parts, and each class in place of the labels."""
        return [
            new
            for share, y, weight in parts
            for new in (
                ((1 - argument) * share, y, weight),
                *((argument / n_classes * share, of_class(y, k), weight) for k in range(n_classes)),
            )
        ]

    def fit_lines(self, control: Any) -> list[str]:
        return [
            "# one-hot targets; with two classes and one output: keras.losses.BinaryCrossentropy",
            f"loss = keras.losses.CategoricalCrossentropy(label_smoothing={control.smoothing:g})",
            "model.compile(optimizer, loss)",
            "model.fit(x, y, epochs=epochs)",
        ]
