"""File: a model that the user saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from noiseflow.architectures.kind import ArchitectureKind
from noiseflow.values import FilePath

if TYPE_CHECKING:
    from noiseflow.spec import Architecture


class File(ArchitectureKind):
    """A compiled model in a .keras file, its weights drawn anew for each seed."""

    name = "file"
    sentence = "a .keras file"
    settings = {"path": ...}
    fields = {
        "path": (
            FilePath | None,
            Field(None, description="The .keras file, compiled; relative to the study file", examples=["model.keras"]),
        )
    }
    is_users_own = True

    def source(self, architecture: Architecture) -> Any:
        """The file's content."""
        from noiseflow.engine.keras_state import KERAS_LOCK
        from noiseflow.engine.model_file import ModelFile

        with KERAS_LOCK:
            return ModelFile.read(architecture.path)
