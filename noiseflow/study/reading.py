"""Reads a stranger's YAML file with limits: nothing in it is executed, and no text in it grows beyond its size.

A study takes some hundred values in four levels. What takes many more is a mistake or an attack, and is refused before it is
built: ten lines of anchors can expand to a billion values, and a single error message on these would fill the memory.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from noiseflow.base.faults import InvalidInputError, one_line
from noiseflow.base.user_files import NotAFileError, open_file

MAX_BYTES = 2**18
"""Largest study file; three hundred variants take a tenth of it."""
MAX_VALUES = 50_000
"""Most keys and values of a study, each alias counted as what it refers to."""
MAX_DEPTH = 30
TOO_DEEP = f"it must be at most {MAX_DEPTH} levels deep. Write it flat."

_MERGE = "tag:yaml.org,2002:merge"


def read_yaml(path: Path) -> Any:
    """The content of a YAML file of plain values.

    Raises:
        InvalidInputError: it cannot be read, is no YAML, or is beyond the limits.
    """
    text = _read_text(path)
    try:
        node = yaml.compose(text, Loader=_ShallowComposer)
        if node is not None:
            _measure(node, {}, ())
        return yaml.safe_load(text)
    except _BeyondLimitsError as error:
        raise _refused(path, f"must be a study; {error}") from None
    except yaml.YAMLError as error:
        raise _refused(path, f"is not YAML: {one_line(error)}") from None
    except Exception as error:  # noqa: BLE001 - a date of the 40th or a number of 5,000 digits make PyYAML raise anything
        raise _refused(path, f"is not YAML: a value cannot be read ({one_line(error)})") from None


def _refused(path: Path, text: str) -> InvalidInputError:
    return InvalidInputError([f"study file {str(path)!r} {text}"])


def _read_text(path: Path) -> str:
    """The text of a regular file of a reasonable size: a pipe would keep the reader waiting, a device never end."""
    try:
        with open_file(path) as file:
            content = file.read(MAX_BYTES + 1)
            size = f"{os.fstat(file.fileno()).st_size:,}"
        if len(content) > MAX_BYTES:
            raise _refused(path, f"must have at most {MAX_BYTES:,} bytes; received {size}. Is that a study file?")
        return content.decode("utf-8")
    except NotAFileError:
        raise _refused(path, "cannot be read: it is no file. Name the file itself.") from None
    except (OSError, ValueError, RuntimeError) as error:  # a name with a NUL, no UTF-8, links in a circle
        if isinstance(error, InvalidInputError):
            raise
        raise _refused(path, f"cannot be read: {one_line(error)}") from None


class _BeyondLimitsError(Exception):
    """What ends the reading of a document, and the advice."""


class _ShallowComposer(yaml.SafeLoader):
    """Composes nodes as PyYAML does, and stops where they are too deep: its time grows with the square of the depth."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _BeyondLimitsError(TOO_DEEP)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _measure(part: yaml.Node, known: dict[int, tuple[int, int]], above: tuple[int, ...]) -> tuple[int, int]:
    """How many values a part has, aliases expanded, and how many levels; each part is counted once."""
    if id(part) in above:
        raise _BeyondLimitsError("an anchor must not contain itself. Write it out.")
    if id(part) not in known and len(above) < MAX_DEPTH:
        inner = [_measure(child, known, (*above, id(part))) for child in _children(part)]
        known[id(part)] = 1 + sum(size for size, _ in inner), 1 + max((levels for _, levels in inner), default=0)
    size, levels = known.get(id(part), (1, 1))
    if levels + len(above) > MAX_DEPTH:
        raise _BeyondLimitsError(TOO_DEEP)
    if size > MAX_VALUES:
        raise _BeyondLimitsError(f"it must have at most {MAX_VALUES:,} values, aliases written out. Make it smaller.")
    return size, levels


def _children(part: yaml.Node) -> list[yaml.Node]:
    if isinstance(part, yaml.MappingNode):
        _refuse_twins(part)
        return [node for pair in part.value for node in pair]
    return list(part.value) if isinstance(part, yaml.SequenceNode) else []


def _refuse_twins(part: yaml.MappingNode) -> None:
    """YAML forbids a key twice; PyYAML silently takes the last."""
    keys = [key.value for key, _ in part.value if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE]
    twice = [key for key in dict.fromkeys(keys) if keys.count(key) > 1] if len(set(keys)) < len(keys) else []
    if twice:
        line = part.start_mark.line + 1
        raise _BeyondLimitsError(
            f"the key {twice[0][:80]!r} appears twice in the mapping at line {line}. Drop one of them."
        )
