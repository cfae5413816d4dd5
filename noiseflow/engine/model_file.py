"""A model from a `.keras` file, its weights drawn anew at each build."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

MAX_CONFIG = 2**25
"""Largest configuration in bytes, unpacked; that of a network of a thousand layers has a thirtieth of it."""


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
            content, config = _read(path)
        except (OSError, zipfile.BadZipFile, KeyError, ValueError, RecursionError, NotImplementedError) as error:
            message = f"a model must be a .keras file as model.save(...) writes it; received {str(path)!r} ({error})"
            raise ValueError(message) from error
        if not content.get("compile_config"):
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


def _read(path: str | Path) -> tuple[dict[str, Any], str]:
    """The configuration in the file, parsed and as text; the file is not unpacked.

    Raises:
        OSError, zipfile.BadZipFile, KeyError, ValueError, RecursionError, NotImplementedError: it is none.
    """
    if Path(path).exists() and not Path(path).is_file():  # a pipe would keep the reader waiting
        raise ValueError("it is no file")
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("config.json").file_size
        if size > MAX_CONFIG:
            raise ValueError(f"it has a config.json of {size:,} bytes, at most {MAX_CONFIG:,} are read")
        config = archive.read("config.json").decode()
    content = json.loads(config)
    if not isinstance(content, dict):
        raise ValueError("its config.json is no mapping")  # noqa: TRY004 - the file is at fault, not the caller's type
    return content, config
