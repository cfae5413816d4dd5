"""Equal seeds draw equal numbers."""

from __future__ import annotations

from noiseflow.laws.draws import SALMON, noise_fit
from noiseflow.laws.law import Figure, Law, Train, equality_figure


def repeated_streams(train: Train) -> list[Figure]:
    """Equal seeds draw equal numbers, in a second run and whichever seeds they are trained with."""
    fit = noise_fit(train, hidden_layers=0, places=("input",))
    few = fit.seeds[::-2]
    same_seeds = noise_fit(train, hidden_layers=0, places=("input",), seeds=few)
    rows = [fit.seeds.index(seed) for seed in few]
    return [
        equality_figure(
            [(fit.weights[0][rows], same_seeds.weights[0])],
            name="another run and batch: differ",
            statement="a seed's draws are the same in a second run, among other seeds, in another order",
            reference=SALMON,
        )
    ]


LAW = Law("repeated streams", repeated_streams, finds_wrong_stddev=False)
