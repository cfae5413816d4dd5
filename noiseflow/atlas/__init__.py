"""The atlas: what noise did on small public datasets, and what that says of another one before anything is trained."""

from noiseflow.atlas.neighbours import FILE, Advice, advise, read_atlas, strengths_for
from noiseflow.atlas.traits import Traits, traits_of

__all__ = ["FILE", "Advice", "Traits", "advise", "read_atlas", "strengths_for", "traits_of"]
