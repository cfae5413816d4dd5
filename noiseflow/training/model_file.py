"""A model from a `.keras` file, its weights drawn anew at each build."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras


@dataclass(frozen=True)
class ModelFile:
    """Builds the model of a `.keras` file as its author did: the same layers, the same compilation, new weights.

    Two of one content are equal. Code in the file (a lambda) is never run: Keras' safe mode refuses it.
    """

    config: str

    @classmethod
    def read(cls, path: str | Path) -> ModelFile:
        """The architecture and compilation in the file; its weights are not read.

        Raises:
            ValueError: there is no such file, it is no `.keras` file, holds code, or holds a model that was not compiled.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                config = archive.read("config.json").decode()
        except (OSError, zipfile.BadZipFile, KeyError, UnicodeDecodeError) as error:
            message = f"a model must be a .keras file as model.save(...) writes it; received {str(path)!r} ({error})"
            raise ValueError(message) from error
        if not json.loads(config).get("compile_config"):
            raise ValueError(
                f"the model in {str(path)!r} is not compiled: call model.compile(...) before model.save(...)"
            )
        build = cls(config)
        build()  # so that a fault shows here
        return build

    def __call__(self) -> keras.Model:
        """A fresh build: its initializers draw from Keras' present seed."""
        model: Any = keras.saving.deserialize_keras_object(json.loads(self.config), safe_mode=True)
        return model
