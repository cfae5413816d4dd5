"""What a model's outputs mean: how many numbers a row, and whether they are logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax

from noiseflow.scores import OutputForm


@dataclass(frozen=True)
class CompiledLoss:
    """The loss that a model was compiled with.

    Attributes:
        name: of Keras' function, None for a loss that is not Keras' own.
        from_logits: as it was given, None where the loss has no such setting.
    """

    name: str | None
    from_logits: bool | None


def compiled_loss(model: keras.Model) -> CompiledLoss:
    """The one loss of a compiled model.

    Raises:
        ValueError: it has none, or several.
    """
    given = [loss for loss in keras.tree.flatten(model._compile_config.config["loss"]) if loss]  # noqa: SLF001
    if len(given) != 1:
        raise ValueError(f"must be compiled with one loss; received {len(given)}")
    loss = keras.losses.get(given[0])
    function = getattr(loss, "fn", loss)
    name = getattr(function, "__name__", type(function).__name__)
    is_known = getattr(function, "__module__", "").startswith("keras.")
    settings = getattr(loss, "_fn_kwargs", {})
    from_logits = settings.get("from_logits", False if is_known and "crossentropy" in name else None)
    return CompiledLoss(name if is_known else None, from_logits)


def output_activation(model: keras.Model) -> str | None:
    """The name of the activation that a model ends with; None where it is not known, as for a subclassed model."""
    if not getattr(model, "outputs", None):
        return None
    layer = model.outputs[0]._keras_history.operation  # noqa: SLF001 - no public name leads there
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    return getattr(getattr(layer, "activation", None), "__name__", None)


def output_form(model: keras.Model, width: int | None = None) -> OutputForm:
    """The form of a compiled model's outputs: logits if its loss says so, or if it cannot say and nothing squashes them.

    Args:
        width: of the output, for a model that does not know it by itself, as a subclassed one.
    """
    loss = compiled_loss(model)
    from_logits = loss.from_logits
    if from_logits is None:
        from_logits = loss.name is None and output_activation(model) == "linear"
    return OutputForm(int(model.output_shape[-1]) if width is None else width, from_logits)


def natural_form(n_classes: int, n_targets: int = 1) -> OutputForm:
    """The form of the outputs of the networks that ship; n_classes is 0 for a regression, and 2 of several labels."""
    return OutputForm(n_targets if n_classes in (0, 2) else n_classes, n_targets=n_targets)


def probabilities(outputs: ArrayLike, form: OutputForm) -> NDArray[Any]:
    """A classifier's outputs as probabilities, of the same shape (..., width): of class 1, of each class, or
    one for each label.
    """
    values = np.asarray(outputs)
    if not form.from_logits:
        return values
    return np.asarray(expit(values) if form.width == form.n_targets else softmax(values, axis=-1))
