"""Wrong labels that stay wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from noiseflow.datasets.data import Data

STREAM = 0x6C61626C  # apart from all else that a data seed draws


def with_wrong_labels(data: Data, share: float, data_seed: int) -> Data:
    """The data, a share of its training rows, rounded to whole rows, with a wrong label. Each data seed has its own such
    rows, and always the same.

    A wrong class is any other one, each as likely as the next. The values of a regression, and several labels, go round among
    those rows.

    References:
        Angluin and Laird (1988), Learning from noisy examples: classification noise.
    """
    rng = np.random.default_rng([data_seed, STREAM])
    y = data.y_train.copy()
    rows = rng.choice(len(y), round(share * len(y)), replace=False)
    if data.n_classes and data.n_targets == 1:
        y[rows] = (y[rows] + rng.integers(1, data.n_classes, len(rows))) % data.n_classes
    else:
        y[rows] = np.roll(y[rows], 1, axis=0)
    return replace(data, y_train=y)
