"""What a study is: frozen pydantic records, how they are read, and their faults in words.

The records take kinds, fields and rules from the rooms `noise`, `controls`, `scores`, `datasets` and `architectures`. They
are imported when they are first asked for, so that a refusal takes no second.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noiseflow.base.values import BASELINE
    from noiseflow.controls.control import Control
    from noiseflow.noise.injection import Injection
    from noiseflow.study.architecture import USERS_OWN, Architecture, Training
    from noiseflow.study.dataset import Dataset
    from noiseflow.study.resources import Resources
    from noiseflow.study.study import Published, ShippedStudy, Study
    from noiseflow.study.variant import Variant

__all__ = [
    "BASELINE",
    "USERS_OWN",
    "Architecture",
    "Control",
    "Dataset",
    "Injection",
    "Published",
    "Resources",
    "ShippedStudy",
    "Study",
    "Training",
    "Variant",
]

_HOMES = {
    "noiseflow.base.values": ("BASELINE",),
    "noiseflow.controls.control": ("Control",),
    "noiseflow.noise.injection": ("Injection",),
    "noiseflow.study.architecture": ("USERS_OWN", "Architecture", "Training"),
    "noiseflow.study.dataset": ("Dataset",),
    "noiseflow.study.resources": ("Resources",),
    "noiseflow.study.study": ("Published", "ShippedStudy", "Study"),
    "noiseflow.study.variant": ("Variant",),
}


def __getattr__(name: str) -> Any:
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'noiseflow.study' has no attribute {name!r}")
    return getattr(import_module(home), name)
