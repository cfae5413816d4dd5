"""A model from a `.keras` file, its weights drawn anew at each build."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, BinaryIO

import keras
import numpy as np

MAX_CONFIG = 2**25
"""Largest configuration in bytes, unpacked; a network of a thousand layers takes a thirtieth of it."""


def _open(path: str | Path) -> BinaryIO:
    return Path(path).open("rb")


@dataclass(frozen=True)
class ModelFile:
    """Builds the model of a `.keras` file as its author did: the same layers, the same compilation, new weights.

    Two of one content are equal. Code in the file (a lambda) is never run: Keras' safe mode refuses it.
    """

    config: str

    @classmethod
    def read(
        cls,
        path: str | Path,
        open_file: Callable[[str | Path], BinaryIO] = _open,
        most_weights: float = inf,
    ) -> ModelFile:
        """The architecture and compilation in the file; its weights are not read.

        Args:
            path: of the file.
            open_file: opens it; may raise OSError or ValueError for a file that it refuses.
            most_weights: the largest model that is built.

        Raises:
            ValueError: there is no such file, it is no `.keras` file, holds code, a model that was not compiled, or one of more
                than most_weights weights.
        """
        try:
            with open_file(path) as file:
                content, config = _configuration(file)
        except (OSError, zipfile.BadZipFile, KeyError, ValueError, RecursionError, NotImplementedError) as error:
            message = f"a model must be a .keras file as model.save(...) writes it; received {str(path)!r} ({error})"
            raise ValueError(message) from error
        if not content.get("compile_config"):
            raise ValueError(
                f"the model in {str(path)!r} is not compiled: call model.compile(...) before model.save(...)"
            )
        with _at_most(most_weights):
            cls(json.dumps(content | {"compile_config": None}))()  # without what its optimizer keeps for each weight
        build = cls(config)
        build()  # so that a fault shows here
        return build

    def __call__(self) -> keras.Model:
        """A fresh build: its initializers draw from Keras' present seed."""
        model: Any = keras.saving.deserialize_keras_object(json.loads(self.config), safe_mode=True)
        return model


@contextmanager
def _at_most(n_weights: float) -> Iterator[None]:
    """Within it, a model that this thread builds ends before it takes memory for more weights than this.

    A configuration of a thousand bytes may ask for any number of weights, and only its layers know how many. Under KERAS_LOCK.
    """
    initialize, taken = keras.Variable._initialize_with_initializer, 0  # noqa: SLF001 - where each variable takes its memory
    ours = threading.get_ident()

    def counted(variable: Any, initializer: Any) -> None:
        nonlocal taken
        if threading.get_ident() != ours:
            return initialize(variable, initializer)
        taken += int(np.prod(variable._shape, dtype=object))  # noqa: SLF001 - `shape` is there once it has a value
        if taken > n_weights:
            raise ValueError(f"it has at least {taken:,} weights, at most {n_weights:,} are allowed")
        return initialize(variable, initializer)

    keras.Variable._initialize_with_initializer = counted  # noqa: SLF001
    try:
        yield
    finally:
        keras.Variable._initialize_with_initializer = initialize  # noqa: SLF001


def _configuration(file: BinaryIO) -> tuple[dict[str, Any], str]:
    """The configuration in the file, parsed and as text; the file is not unpacked.

    Raises:
        zipfile.BadZipFile, KeyError, ValueError, RecursionError, NotImplementedError: it is none.
    """
    with zipfile.ZipFile(file) as archive:
        size = archive.getinfo("config.json").file_size
        if size > MAX_CONFIG:
            raise ValueError(f"it has a config.json of {size:,} bytes, at most {MAX_CONFIG:,} are read")
        config = archive.read("config.json").decode()
    content = json.loads(config)
    if not isinstance(content, dict):
        raise ValueError("its config.json is no mapping")  # noqa: TRY004 - the file is at fault, not the caller's type
    return content, config
