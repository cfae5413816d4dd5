"""File: a model that the user saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noiseflow.architectures.kind import ArchitectureKind
from noiseflow.base.user_files import open_archive
from noiseflow.base.values import MAX_WEIGHTS, FilePath, setting

if TYPE_CHECKING:
    from noiseflow.study import Architecture


class File(ArchitectureKind):
    """A compiled model in a .keras file, its weights drawn anew for each seed."""

    name = "file"
    sentence = "a .keras file"
    settings = {"path": ...}
    fields = {"path": setting(FilePath, "The .keras file, compiled; relative to the study file", "model.keras")}
    is_users_own = True

    def source(self, architecture: Architecture) -> Any:
        from noiseflow.engine.keras_state import KERAS_LOCK
        from noiseflow.engine.model_file import ModelFile

        with KERAS_LOCK:
            return ModelFile.read(architecture.path, open_archive, MAX_WEIGHTS)
