"""Noise at several places adds up as independent draws do."""

from __future__ import annotations

from noiseflow.laws.draws import PLACES, SALMON, STDDEV, moment, noise_draws
from noiseflow.laws.law import Figure, Law, Train

HIDDEN_LAYERS = 1


def independent_places(train: Train) -> list[Figure]:
    """Noise at several places and layers adds up as independent draws do: their variances add."""
    draws = noise_draws(train, hidden_layers=HIDDEN_LAYERS, places=PLACES)
    n_sites = 1 + (len(PLACES) - 1) * HIDDEN_LAYERS
    variance = n_sites * STDDEV**2
    return [
        moment(
            draws,
            2,
            variance,
            2 * variance**2,
            name=f"places and layers: {n_sites} sites add",
            statement=f"the sum of the noise of {n_sites} sites has variance {n_sites}·s², and more if they share draws",
            reference=SALMON,
        )
    ]


LAW = Law("independent places", independent_places, finds_wrong_stddev=True)
