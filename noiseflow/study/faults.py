"""Faults of an input as sentences: what must hold, what was received, how to fix it."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from noiseflow.base.faults import printable
from noiseflow.noise import PLACES
from noiseflow.study.result_places import is_remote, is_url, key_faults, url_faults

LIMITS = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be greater than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "extra_forbidden": "is not a key that is known here",
    "missing": "is missing",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_short": "must have at least {min_length} character",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entry",
    "too_long": "must have at most {max_length} entries",
    "finite_number": "must be a finite number",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("string_type",), "must be text"),
    **dict.fromkeys(("tuple_type", "list_type"), "must be a list"),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "must be a mapping of keys to values"),
}
FIXES = {
    "stddev": "A stddev is a finite number of at least 0: drop the value.",
    "extra_forbidden": "Look for a misspelling, or drop it.",
    "missing": "Add it.",
    "twins": "Give each a label, such as label: first; a part without one is called by its kind.",
    "rows": "Lower it, or raise n_samples.",
    "place": f"Places are {', '.join(PLACES)}.",
}


def sentences(error: ValidationError, study: Any) -> list[str]:
    """A sentence for each fault that pydantic found in a study."""
    return [_sentence(fault, study) for fault in error.errors(include_url=False)]


def _sentence(fault: Any, study: Any) -> str:
    kind, loc = fault["type"], fault["loc"]
    text = LIMITS.get(kind)
    text = text.format(**fault.get("ctx", {})) if text else fault["msg"]
    received = "" if kind == "missing" else f"; received {_short(fault['input'])}"
    field = loc[-1] if loc else ""
    if kind == "extra_forbidden" and (meant := _key_meant(str(field), _keys_at(loc[:-1]))):
        return f"{_path(loc)} {text}{received} (study {_short(study)}).{meant}"
    fix = FIXES.get(kind) or FIXES.get(field if isinstance(field, str) else "", "")
    return f"{_path(loc)} {text}{received} (study {_short(study)}). {fix}".strip()


def _key_meant(word: str, known: Sequence[str]) -> str:
    """`did_you_mean` for a key: what is called a label has no other name."""
    return did_you_mean("label" if word == "name" and "label" in known else word, known)


def did_you_mean(word: str, known: Iterable[str], shown: Mapping[str, str] | None = None) -> str:
    """` Did you mean 'design'?`; empty where no known word is alike.

    Args:
        shown: what is said instead of a known word.
    """
    found = difflib.get_close_matches(word, known, 1)
    return f" Did you mean {(shown or {}).get(found[0], found[0])!r}?" if found else ""


def is_lacking(path: str | Path) -> bool:
    """Whether there is nothing of this name, rather than something that cannot be looked at."""
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def lacking_faults(path: str) -> list[str]:
    """That there is no data file of this name, and which one beside it may be meant; it imports pandas only to say that."""
    if not is_lacking(path):
        return []
    stem, meant = Path(path).stem, ""
    if did_you_mean(stem, paths_beside(path, ("",))):
        from noiseflow.datasets.files import SUFFIXES  # noqa: PLC0415 - imports pandas

        beside = paths_beside(path, (*SUFFIXES, ".npz"))
        meant = did_you_mean(stem, beside, beside)
    return [f"path must name a file; received {path!r}, which does not exist.{meant or ' Fix the path.'}"]


def paths_beside(path: str, suffixes: tuple[str, ...]) -> dict[str, str]:
    """The files in the folder of a path, as they would be typed, by their stems; none where it cannot be listed.

    Args:
        suffixes: ends of the names that count.
    """
    folder, slash, _ = path.rpartition("/")
    try:
        with os.scandir(f"{folder}{slash}" or ".") as entries:
            found = [f"{folder}{slash}{entry.name}" for entry in entries if entry.name.lower().endswith(suffixes)]
    except (OSError, ValueError):
        return {}
    return {Path(path).stem: path for path in sorted(found)}


def _keys_at(loc: Sequence[str | int]) -> list[str]:
    """The keys of the record at this place of a study."""
    from noiseflow.study import Study  # noqa: PLC0415 - which imports this module

    record: Any = Study
    for step in loc:
        if isinstance(step, str):
            field = getattr(record, "model_fields", {}).get(step)
            if field is None:
                return []
            record = next((part for part in _parts_of(field.annotation) if hasattr(part, "model_fields")), None)
    return list(getattr(record, "model_fields", {}))


def _parts_of(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _parts_of(part)


def _path(loc: Sequence[str | int]) -> str:
    """`variants[2].stddev` for ("variants", 2, "stddev")."""
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{printable(step[:120])}" for step in loc)
    return steps.lstrip(".") or "the study"


def _short(value: Any, length: int = 120) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        text = "a number of thousands of digits"
    return text if len(text) <= length else f"{text[: length - 1]}…"


def results_faults(results: str, *, writes: bool = True) -> list[str]:
    """What keeps results from being written to this folder or URL; nothing is left behind, and no server is asked.

    Args:
        writes: whether anything is to be written there; else it is only looked at.
    """
    if is_url(results) and ((faults := url_faults(results) or key_faults(results)) or is_remote(results)):
        return faults
    path = Path(results).absolute()
    try:
        existing = next(parent for parent in (path, *path.parents) if parent.exists())
        if not existing.is_dir():
            return [
                f"results must be a folder; received {results!r}, where {existing} is a file. Choose another place."
            ]
        if not writes:
            return []
        with tempfile.TemporaryFile(dir=existing):
            return []
    except OSError as error:
        return [f"results must be writable; received {results!r}: {error}. Choose another place or change its rights."]
