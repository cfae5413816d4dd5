"""What a study is: frozen pydantic records, how they are read, and their faults in words.

The records take kinds, fields and rules from the rooms `noise`, `controls`, `scores`, `datasets` and `architectures`, whose
files in turn use what lies below the records here (values, faults, users' files). So the records are imported when they are
first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noiseflow.study.architecture import USERS_OWN, Architecture, Training
    from noiseflow.study.consistency import BASELINE
    from noiseflow.study.dataset import Dataset
    from noiseflow.study.resources import Resources
    from noiseflow.study.study import Published, ShippedStudy, Study
    from noiseflow.study.variant import Control, Injection, Variant

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
    "architecture": ("USERS_OWN", "Architecture", "Training"),
    "consistency": ("BASELINE",),
    "dataset": ("Dataset",),
    "resources": ("Resources",),
    "study": ("Published", "ShippedStudy", "Study"),
    "variant": ("Control", "Injection", "Variant"),
}


def __getattr__(name: str) -> Any:
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'noiseflow.study' has no attribute {name!r}")
    return getattr(import_module(f"noiseflow.study.{home}"), name)
