"""A model from a `.keras` file, its weights drawn anew at each build."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras


def from_file(path: str | Path) -> Callable[[], keras.Model]:
    """A function that builds the model of a `.keras` file as its author did: same layers, same compilation, new weights.

    Raises:
        ValueError: the file is not there, is no `.keras` file, holds code (safe mode refuses it), or a model that was not
            compiled.
    """
    built = _ModelFile(str(Path(path).resolve()))
    built.model  # noqa: B018 - read at once, so that a fault shows here
    return built


@dataclass(frozen=True)
class _ModelFile:
    path: str

    @cached_property
    def model(self) -> keras.Model:
        if not self.path.endswith(".keras") or not Path(self.path).is_file():
            raise ValueError(f"a model must be a file that ends in .keras; received {self.path!r}")
        model: Any = keras.saving.load_model(self.path, safe_mode=True)
        if not model.compiled:
            raise ValueError(f"the model in {self.path!r} is not compiled: call model.compile(...) before model.save(...)")
        return model

    def __call__(self) -> keras.Model:
        """A fresh build: its initializers draw from Keras' present seed."""
        model = type(self.model).from_config(self.model.get_config())
        model.compile_from_config(self.model.get_compile_config())
        return model
