"""Early stopping: training ends when the loss on rows held back no longer falls."""

from __future__ import annotations

from math import floor
from typing import Any

from noiseflow.base.values import setting
from noiseflow.controls.kind import ControlKind

ROUNDING = 1e-9  # 0.29 × 100 rows are 29, though floats make them 28.999999999999996


class EarlyStopping(ControlKind):
    """Holds the last rows back and ends a seed's training, as Keras' callback of this name does.

    The vectorised engine does it for each replica by itself (`engine.stopping`).
    """

    name = "early_stopping"
    fields = {
        "patience": setting(int, "Epochs that early stopping waits", 50, ge=1, le=10_000_000),
        "validation_fraction": setting(
            float, "Share of the training rows that early stopping holds back; 0.2 unless given", 0.2, gt=0, lt=1
        ),
    }
    strength = "patience"
    strength_label = "patience (epochs)"
    defaults = {"validation_fraction": 0.2}
    stops = True
    probe_strength: float = 1
    sentence = (
        "holds the last `validation_fraction` of the training rows back, ends a seed's training when their loss has not fallen "
        "for `patience` epochs, and restores that seed's best weights "
        "(`keras.callbacks.EarlyStopping(restore_best_weights=True)`)"
    )

    def held_back(self, control: Any, n_rows: int) -> int:
        """The last rows, a share `validation_fraction` of all; 0 where that is less than one."""
        return floor((control.validation_fraction or 0.0) * n_rows + ROUNDING)

    def patience(self, control: Any) -> int:
        return int(control.patience or 0)

    def callback(self, control: Any, epochs: int) -> Any:
        import keras

        return keras.callbacks.EarlyStopping("val_loss", patience=self.patience(control), restore_best_weights=True)

    def fit_lines(self, control: Any) -> list[str]:
        """A call with the callback."""
        held = f"validation_split={control.validation_fraction:g}"
        return [
            "stop = keras.callbacks.EarlyStopping(",
            f'    monitor="val_loss", patience={control.patience}, restore_best_weights=True,',
            ")",
            f"model.fit(x, y, {held}, callbacks=[stop], epochs=epochs)",
        ]
