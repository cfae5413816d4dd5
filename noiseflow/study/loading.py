"""The studies that ship, and how a study is read: by its name, or from a YAML file."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from noiseflow.base.faults import InvalidInputError
from noiseflow.base.program import command
from noiseflow.base.user_files import DataFolder
from noiseflow.study import Study
from noiseflow.study.faults import did_you_mean, is_lacking, paths_beside, sentences
from noiseflow.study.reading import read_yaml

FOLDER = Path(__file__).parent / "shipped"
CLAIMS = Path(__file__).parent / "claims"
"""Studies of published claims, which `noiseflow reproduce` runs."""

ENDS = (".yaml", ".yml")
"""What the name of a study file ends with."""
FILES = ("path", "test_path")
"""Keys that name a file."""


def names() -> list[str]:
    """Names of the shipped studies, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def claim_names() -> list[str]:
    """Names of the shipped studies of claims, in alphabetical order."""
    return sorted(path.stem for path in CLAIMS.glob("*.yaml"))


def load_claims(name: str, **changes: Any) -> Study:
    """The shipped study of claims of that name, or one of a YAML file.

    Raises:
        InvalidInputError: it is not there, is faulty, or holds no claims; the message names every fault.
    """
    shipped = claim_names()
    if name not in (*shipped, *names()) and Path(name).suffix not in ENDS:
        meant = did_you_mean(name, shipped)
        known = f"Those that ship are {', '.join(shipped)}"
        raise InvalidInputError([f"claims {name!r} are not known.{meant} {known}; or give the path of a .yaml file."])
    study = load(str(CLAIMS / f"{name}.yaml") if name in shipped else name, **changes)
    if not study.claims:
        known = ", ".join(shipped)
        raise InvalidInputError([f"study must hold claims; received {name!r}, without. Those that ship are {known}."])
    return study


def load(study: str, **changes: Any) -> Study:
    """The study of that shipped name or YAML file.

    Args:
        study: a shipped name, or a path.
        changes: `n_seeds` and `epochs` to train instead of the study's own; None keeps those.

    Raises:
        InvalidInputError: there is no such study, or it is faulty; the message names every fault.
    """
    return validate(read(study), **changes)


def confined(content: Any, **changes: Any) -> Study:
    """The study that this content declares; its files may only lie under the folder that NOISEFLOW_DATA names.

    That is for studies that arrive over the network: relative paths are relative to that folder. The folder is looked up once,
    and what the study names is read through its open handle from then on.

    Args:
        content: a study, or the path of its YAML file under that folder.
        changes: as in `load`.

    Raises:
        InvalidInputError: the content is faulty, or names a file elsewhere.
    """
    name = os.environ.get("NOISEFLOW_DATA")
    try:
        folder = DataFolder(name) if name else None
    except OSError:
        folder = None
    base = Path(name) if name and folder else None
    if isinstance(content, str):
        path = os.path.normpath(base / content) if base else content
        if not (folder and folder.allow(path)):
            raise InvalidInputError([f"study {_elsewhere(name, content)}"])
        content, base = read_yaml(Path(path)), Path(path).parent
    content = content.model_dump() if isinstance(content, Study) else content
    study = validate(_with_absolute_paths(content, base) if base else content, **changes)
    faults = [
        f"{field}[{i}].{key} {_elsewhere(name, file)} (study {study.name!r})."
        for field in ("datasets", "architectures")
        for i, part in enumerate(getattr(study, field))
        for key in FILES
        if (file := getattr(part, key, None)) and not (folder and folder.allow(file))
    ]
    if faults:
        raise InvalidInputError(faults)
    return study


def _elsewhere(folder: str | None, path: str) -> str:
    where = f"must lie under the folder that NOISEFLOW_DATA names on the worker ({folder or 'it is not set'})"
    return f"{where}; received {path!r}. Put the file there"


def validate(content: Any, **changes: Any) -> Study:
    """The study that this content declares, with the changes of `load`.

    Raises:
        InvalidInputError: the content is faulty; the message names every fault.
    """
    before = content.changes if isinstance(content, Study) else ""
    if isinstance(content, Study):
        content = content.model_dump()
    if not isinstance(content, Mapping):
        raise InvalidInputError([f"a study must be a mapping of keys to values; received {type(content).__name__}"])
    try:
        study = Study.model_validate(_changed(content, **changes))
    except ValidationError as error:
        raise InvalidInputError(sentences(error, content.get("name"))) from None
    epochs = changes.get("epochs")
    study._changes = before if epochs is None or _declares(content, study) else f"epochs-{epochs}"  # noqa: SLF001 - set here only
    return study


def _declares(content: Mapping[str, Any], study: Study) -> bool:
    """Whether the content declares this study, except for its number of seeds; then its epochs change nothing."""
    try:
        return Study.model_validate({**content, "n_seeds": study.n_seeds}) == study
    except ValidationError:
        return False


def read(study: str) -> Any:
    """What the file of that shipped name or path declares, with absolute paths; it may be faulty.

    Raises:
        InvalidInputError: there is no such study, or it cannot be read.
    """
    shipped = FOLDER / f"{study}.yaml"
    path = shipped if study in names() else Path(study)
    if path.suffix not in ENDS:
        if path.suffix in (".csv", ".parquet"):
            write = f"{command()} init {shlex.quote(study)}"
            raise InvalidInputError([f"study {study!r} is a table, not a study. Write a study for it first: {write}"])
        known = f"Shipped are {', '.join(names())}; or give the path of a .yaml file."
        raise InvalidInputError([f"study {study!r} is not known.{_meant(study)} {known}"])
    if is_lacking(path):
        known = f"Shipped are {', '.join(names())}: `{command()} studies` says what each is for."
        raise InvalidInputError([f"there is no study file {study!r}.{_meant(study)} {known}"])
    return _with_absolute_paths(read_yaml(path), path.absolute().parent)


def _meant(study: str) -> str:
    """What was meant by a name that is no study's: a study file beside it, or one that ships."""
    beside = paths_beside(study, ENDS)
    word = Path(study).stem if study.endswith(ENDS) else study
    return did_you_mean(word, [*beside, *names()], beside)


def _with_absolute_paths(content: Any, folder: Path) -> Any:
    """The content with its relative paths, which are relative to `folder`, made absolute."""

    def placed(part: Any) -> Any:
        paths = {key: part.get(key) for key in FILES} if isinstance(part, Mapping) else {}
        whole = {key: os.path.normpath(folder / path) for key, path in paths.items() if isinstance(path, str) and path}
        return {**part, **whole} if whole else part

    if not isinstance(content, Mapping):
        return content
    lists = {key: content[key] for key in ("datasets", "architectures") if isinstance(content.get(key), list | tuple)}
    return {**content, **{key: [placed(part) for part in parts] for key, parts in lists.items()}}


def _changed(content: Mapping[str, Any], n_seeds: int | None = None, epochs: int | None = None) -> dict[str, Any]:
    changed = dict(content)
    if n_seeds is not None:
        changed["n_seeds"] = n_seeds
    if epochs is not None:
        changed = _trained_for({**changed, "training": changed.get("training") or {}}, epochs)
        if isinstance(architectures := changed.get("architectures"), list | tuple):
            changed["architectures"] = [_trained_for(architecture, epochs) for architecture in architectures]
        if isinstance(datasets := changed.get("datasets"), list | tuple):
            changed["datasets"] = [{**d, "epochs": None} if isinstance(d, Mapping) else d for d in datasets]
    return changed


def _trained_for(part: Any, epochs: int) -> Any:
    """A study or an architecture with these epochs in its training, if it has one."""
    training = part.get("training") if isinstance(part, Mapping) else None
    return {**part, "training": {**training, "epochs": epochs}} if isinstance(training, Mapping) else part
