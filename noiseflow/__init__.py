"""Finds out whether noise regularises a neural network: where, how much, and how sure one can be."""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noiseflow.comparison import compare
    from noiseflow.controls.control import Control
    from noiseflow.engine.fit import fit_seeds
    from noiseflow.engine.problem import NotVectorizableError
    from noiseflow.noise.injection import Injection
    from noiseflow.results import load
    from noiseflow.run import run_study
    from noiseflow.study.loading import load as load_study

__all__ = [
    "Control",
    "Injection",
    "NotVectorizableError",
    "compare",
    "fit_seeds",
    "load",
    "load_study",
    "run_study",
]
__version__ = "0.1.0"

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reads it when it is loaded, here or in a worker

_HOMES = {
    "Control": "noiseflow.controls.control",
    "Injection": "noiseflow.noise.injection",
    "NotVectorizableError": "noiseflow.engine.problem",
    "compare": "noiseflow.comparison",
    "fit_seeds": "noiseflow.engine.fit",
    "load": "noiseflow.results",
    "load_study": "noiseflow.study.loading",
    "run_study": "noiseflow.run",
}
_NAMES = {"load_study": "load"}
_WITH_TENSORFLOW = {"compare", "fit_seeds", "NotVectorizableError"}


def __getattr__(name: str) -> Any:
    """Imports the public names when first asked for: TensorFlow takes seconds."""
    if name not in _HOMES:
        raise AttributeError(f"module 'noiseflow' has no attribute {name!r}")
    if name in _WITH_TENSORFLOW and "tensorflow" not in sys.modules:
        from noiseflow.trials.silence import silenced  # noqa: PLC0415

        with silenced():  # what TensorFlow announces while it is loaded
            import_module(_HOMES[name])
    return getattr(import_module(_HOMES[name]), _NAMES.get(name, name))
