"""A few training rows as a network sees them under each variant's noise on the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from noiseflow.datasets import columns_of, generate
from noiseflow.study import Dataset, Study, Variant
from noiseflow.trials.workers import in_worker

N_ROWS = 3
MOST_VARIANTS = 6
SECONDS = 120.0
CLEAN = "without noise"
Rows = Mapping[str, Any]
"""Name of a variant, CLEAN first, to (N_ROWS, ...)."""


def rows_as_seen(study: Study) -> dict[str, Rows]:
    """The rows of each dataset of images or sequences that a variant puts noise on; drawn in a worker process."""
    variants = [
        member
        for variant in study.variants
        for member in variant.members
        if any(injection.place == "input" for injection in member.injections)
    ][:MOST_VARIANTS]
    if not variants:
        return {}
    shaped = [d for d in study.datasets if generate(d, d.data_seed).X_train.ndim > 2]
    how: dict[str, Any] = {"what": "drew rows with noise", "timeout_seconds": SECONDS}
    return {dataset.name: in_worker(seen, dataset, tuple(variants), **how) for dataset in shaped}


def seen(dataset: Dataset, variants: tuple[Variant, ...]) -> Rows:
    """The rows of one dataset, at full strength."""
    from noiseflow.engine.noise_at_test import noised  # noqa: PLC0415 - loads TensorFlow, which the parent does without

    data = generate(dataset, dataset.data_seed)
    rows = np.asarray(data.X_train[:N_ROWS])
    found = {CLEAN: rows}
    for variant in variants:
        own = [i.resolved(columns_of(dataset)) for i in variant.injections if i.place == "input"]
        found[variant.name] = noised(rows, own, data.X_train, np.random.default_rng(0), masked=dataset.is_masked)
    return found
