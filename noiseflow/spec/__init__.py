"""What a study is: frozen pydantic models, read from YAML, from Python and from Prefect's run form alike."""

from noiseflow.spec.between import BASELINE
from noiseflow.spec.data import Dataset
from noiseflow.spec.network import USERS_OWN, Architecture, Training
from noiseflow.spec.noise import Control, Injection, Variant
from noiseflow.spec.resources import Resources
from noiseflow.spec.study import Published, ShippedStudy, Study

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
