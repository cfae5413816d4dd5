"""Best epoch: trains to the end, and takes the weights of the epoch that was best on rows held back."""

from __future__ import annotations

from typing import Any

from noiseflow.controls.early_stopping import EarlyStopping

NEVER = 2**30
"""Epochs that are waited for."""


class BestEpoch(EarlyStopping):
    """Early stopping that never stops: what every practitioner has for free."""

    name = "best_epoch"
    fields = {"validation_fraction": EarlyStopping.fields["validation_fraction"]}
    strength = "validation_fraction"
    strength_label = "share held back"
    defaults = {}
    probe_strength: float = 0.2
    sentence = (
        "holds the last `validation_fraction` of the training rows back, trains to the end, and takes the weights of the epoch "
        'with their lowest loss (`keras.callbacks.ModelCheckpoint(monitor="val_loss", save_best_only=True)`)'
    )

    def patience(self, control: Any) -> int:
        return NEVER

    def fit_lines(self, control: Any) -> list[str]:
        """A call with Keras' checkpoint."""
        held = f"validation_split={control.validation_fraction:g}"
        return [
            "best = keras.callbacks.ModelCheckpoint(",
            '    "best.weights.h5", monitor="val_loss", save_best_only=True, save_weights_only=True,',
            ")",
            f"model.fit(x, y, {held}, callbacks=[best], epochs=epochs)",
            'model.load_weights("best.weights.h5")',
        ]
