"""Weight averaging: the network ends with the mean of the weights of its last epochs."""

from __future__ import annotations

from math import floor
from typing import Any

from noiseflow.base.values import setting
from noiseflow.controls.kind import ControlKind


class WeightAveraging(ControlKind):
    """After the last epoch, the weights become their mean over the ends of the last epochs, a share `last` of all.

    References:
        Izmailov et al. (2018), Averaging weights leads to wider optima and better generalization, algorithm 1; with the
        learning rate left as it is. Moving statistics, as of batch normalisation, are averaged too.
    """

    name = "weight_averaging"
    fields = {
        "last": setting(
            float, "Share of the epochs, counted from the end, that weights are averaged over", 0.25, gt=0, le=1
        )
    }
    strength = "last"
    strength_label = "share of the epochs"
    averages = True
    probe_strength = 0.25
    sentence = "ends with the mean of the weights after each of the last epochs, a share `last` of all (SWA)"

    def first_epoch(self, control: Any, epochs: int) -> int:
        return min(epochs, floor(epochs * (1 - float(control.last)) + 1e-9) + 1)

    def callback(self, control: Any, epochs: int) -> Any:
        import keras
        import numpy as np

        first = self.first_epoch(control, epochs)

        class Average(keras.callbacks.Callback):  # type: ignore[misc] # Keras is untyped
            """The mean of the weights, which they become after the last epoch."""

            mean: list[Any]

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                del logs
                n, weights = epoch + 2 - first, self.model.get_weights()
                if n == 1:
                    self.mean = weights
                elif n > 1:
                    self.mean = [
                        m + (w - m) / np.asarray(n, w.dtype) if w.dtype.kind == "f" else w
                        for m, w in zip(self.mean, weights, strict=True)
                    ]
                if epoch + 1 == epochs:
                    self.model.set_weights(self.mean)

        return Average()

    def fit_lines(self, control: Any) -> list[str]:
        return [
            "ends = []",
            "keep = keras.callbacks.LambdaCallback(",
            "    on_epoch_end=lambda epoch, logs: ends.append(model.get_weights()),",
            ")",
            "model.fit(x, y, epochs=epochs, callbacks=[keep])",
            f"last = ends[int(epochs * {1 - control.last:g}) :]",
            "model.set_weights([sum(weights) / len(last) for weights in zip(*last)])",
        ]
