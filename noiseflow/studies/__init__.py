"""The studies that ship, and how a study is read: by its name, or from a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from noiseflow.faults import InvalidInputError, sentences
from noiseflow.spec import Study

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Names of the shipped studies, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(study: str, **changes: Any) -> Study:
    """The study of that shipped name or YAML file.

    Args:
        study: a shipped name, or a path.
        changes: `n_seeds` and `epochs` to train instead of the study's own; None keeps those.

    Raises:
        InvalidInputError: there is no such study, or it is faulty; the message names every fault.
    """
    return validate(_read(study), **changes)


def validate(content: Any, **changes: Any) -> Study:
    """The study that this content declares, with the changes of `load`.

    Raises:
        InvalidInputError: the content is faulty; the message names every fault.
    """
    if isinstance(content, Study):
        content = content.model_dump()
    if not isinstance(content, Mapping):
        raise InvalidInputError([f"a study must be a mapping of keys to values; received {type(content).__name__}"])
    try:
        return Study.model_validate(_changed(content, **changes))
    except ValidationError as error:
        raise InvalidInputError(sentences(error, content.get("name"))) from None


def _read(study: str) -> Any:
    shipped = FOLDER / f"{study}.yaml"
    path = shipped if study in names() else Path(study)
    if path.suffix not in (".yaml", ".yml"):
        raise InvalidInputError(
            [f"study {study!r} is not known. Shipped are {', '.join(names())}; or give the path of a .yaml file."]
        )
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError([f"study file {study!r} cannot be read: {error}"]) from None
    except yaml.YAMLError as error:
        raise InvalidInputError([f"study file {study!r} is not YAML: {error}"]) from None


def _changed(content: Mapping[str, Any], n_seeds: int | None = None, epochs: int | None = None) -> dict[str, Any]:
    changed = dict(content)
    if n_seeds is not None:
        changed["n_seeds"] = n_seeds
    training = changed.get("training") or {}
    if epochs is not None and isinstance(training, Mapping):
        changed["training"] = {**training, "epochs": epochs}
    return changed
