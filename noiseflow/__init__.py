"""Finds out whether noise regularises a neural network: where, how much, and how sure one can be."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noiseflow.comparison import compare
    from noiseflow.controls.control import Control
    from noiseflow.engine.fit import fit_seeds
    from noiseflow.engine.problem import NotVectorizableError
    from noiseflow.noise.injection import Injection
    from noiseflow.run import run_study

__all__ = ["Control", "Injection", "NotVectorizableError", "compare", "fit_seeds", "run_study"]
__version__ = "0.1.0"

_HOMES = {
    "Control": "noiseflow.controls.control",
    "Injection": "noiseflow.noise.injection",
    "NotVectorizableError": "noiseflow.engine.problem",
    "compare": "noiseflow.comparison",
    "fit_seeds": "noiseflow.engine.fit",
    "run_study": "noiseflow.run",
}


def __getattr__(name: str) -> Any:
    """Imports the front door's names when first asked for: TensorFlow takes seconds."""
    if name not in _HOMES:
        raise AttributeError(f"module 'noiseflow' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
