"""The atlas: what noise did on small public datasets, and a forecast from these for another dataset, without training."""

from noiseflow.atlas.neighbours import FILE, Advice, advise, read_atlas, strengths_for
from noiseflow.atlas.traits import Traits, traits_of

__all__ = ["FILE", "Advice", "Traits", "advise", "read_atlas", "strengths_for", "traits_of"]
