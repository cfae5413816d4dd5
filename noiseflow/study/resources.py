"""The limits of a batch of trials: processors, GPUs and seconds. They change no number, and no trial_id."""

from __future__ import annotations

from pydantic import Field

from noiseflow.base.parts import Part

FOUR_HOURS = 4 * 3600


class Resources(Part):
    """What each batch may use."""

    num_cpus: float = Field(
        1.0,
        gt=0,
        le=1_024,
        allow_inf_nan=False,
        description="Processors that each batch takes of a Ray cluster",
        examples=[2],
    )
    num_gpus: float = Field(
        0.0,
        ge=0,
        le=64,
        allow_inf_nan=False,
        description="GPUs that each batch takes of a Ray cluster; a fraction where batches share one",
        examples=[0.5],
    )
    timeout_seconds: float = Field(
        FOUR_HOURS,
        gt=0,
        le=30 * 24 * 3600,
        allow_inf_nan=False,
        description="Seconds that each batch may take before it is killed and the others go on",
        examples=[3600],
    )
