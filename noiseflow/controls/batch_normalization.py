"""Batch normalization: each hidden layer is normalised by its batch before its activation."""

from __future__ import annotations

from typing import Any

from noiseflow.base.values import setting
from noiseflow.controls.kind import ControlKind


class BatchNormalization(ControlKind):
    """Puts a BatchNormalization between each hidden layer with an activation and that activation.

    It draws no numbers, so that the other weights start as the baseline's do. Only the networks that ship take it.

    References:
        Ioffe and Szegedy (2015), Batch normalization, section 3.2.
    """

    name = "batch_normalization"
    fields = {
        "momentum": setting(float, "Of the moving statistics of the batch normalization, a step", 0.99, ge=0, lt=1)
    }
    strength = "momentum"
    strength_label = "momentum"
    changes_network = True
    probe_strength = 0.99
    sentence = (
        "puts a BatchNormalization between each hidden layer and its activation; of the networks that ship only "
        "(`keras.layers.BatchNormalization`)"
    )

    def layer(self, control: Any) -> str:
        """The layer, as code."""
        return f"keras.layers.BatchNormalization(momentum={control.momentum:g})"
