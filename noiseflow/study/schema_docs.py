"""docs/study-file.md: every key of a study file, from the schema itself; `python -m noiseflow.study.schema_docs` prints it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel

from noiseflow.architectures import ARCHITECTURES, ArchitectureKind
from noiseflow.base.generated_page import write_page
from noiseflow.controls import CONTROLS
from noiseflow.datasets import DATASETS, DatasetKind
from noiseflow.noise import KINDS as NOISES
from noiseflow.noise import PLACES
from noiseflow.noise.injection import Correlation
from noiseflow.scores import SCORES
from noiseflow.study import (
    Architecture,
    Control,
    Dataset,
    Injection,
    Published,
    Resources,
    Study,
    Training,
    Variant,
)
from noiseflow.study.claim import Claim
from noiseflow.study.dataset import Corrupt
from noiseflow.study.robustness import Robustness

TEMPLATE = "study-file.md.jinja"
PARTS: dict[str, type[BaseModel]] = {
    "Study": Study,
    "Dataset": Dataset,
    "Architecture": Architecture,
    "Training": Training,
    "Variant": Variant,
    "Injection": Injection,
    "Control": Control,
    "Robustness": Robustness,
    "Correlation": Correlation,
    "Corrupt": Corrupt,
    "Claim": Claim,
    "Published": Published,
    "Resources": Resources,
}
KINDS: dict[str, Sequence[DatasetKind | ArchitectureKind]] = {"Dataset": DATASETS, "Architecture": ARCHITECTURES}
"""The kinds of the parts that have different keys for each kind."""
SIMPLE = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
PLURALS = {"integer": "whole numbers", "number": "numbers", "string": "texts"}
PATTERNS = {
    "name": "lower-case letters, digits and hyphens, 1 to 63",
    "place": "one of the places that are described",
}
"""Words for the patterns of these keys."""
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}
SIZES = {"characters": ("minLength", "maxLength"), "entries": ("minItems", "maxItems")}
"""How many there may be of these: from, to."""


@dataclass(frozen=True)
class Key:
    """A row of a part's table, its cells as Markdown."""

    name: str
    type: str
    default: str
    meaning: str
    example: str


def document() -> str:
    """The page, as Markdown."""
    folder = Path(__file__).parent / "templates"
    environment = Environment(loader=FileSystemLoader(folder), undefined=StrictUndefined, autoescape=False)  # noqa: S701 - Markdown
    environment.filters["cell"] = _cell
    keys = {name: list(keys_of(name)) for name in PARTS}
    entries = {
        "kinds": KINDS,
        "scores": SCORES,
        "controls": CONTROLS,
        "noises": NOISES,
        "places": {place: [kind for kind in NOISES if place.partition(":")[0] in kind.places] for place in PLACES},
        "where": PLACES,
        "setting": _setting,
    }
    return environment.get_template(TEMPLATE).render(keys=keys, **entries).strip() + "\n"


def keys_of(part: str) -> Iterator[Key]:
    """The keys of a part of a study, in the order of its fields."""
    schema = PARTS[part].model_json_schema()
    for name, field in schema["properties"].items():
        default = _default(part, name, field, required=name in schema.get("required", ()))
        example = f"`{name}: {_yaml((PARTS[part].model_fields[name].examples or [None])[0])}`"
        yield Key(name, _cell(_type(name, field)), default, _cell(field["description"]), _cell(example))


def _cell(text: str) -> str:
    """Text that neither ends the cell of a Markdown table nor opens a tag."""
    return re.sub(r"(after:<.*?>)(?!`)", r"`\1`", text).replace("|", r"\|")


def _type(name: str, field: Mapping[str, Any]) -> str:
    options = [option for option in field.get("anyOf", [field]) if option.get("type") != "null"]
    return " or ".join(dict.fromkeys(_one_type(name, option) for option in options))


def _one_type(name: str, option: Mapping[str, Any]) -> str:
    if "$ref" in option:
        part = option["$ref"].rpartition("/")[2]
        return f"[{part}](#{part.lower()})"
    if "enum" in option:
        return "one of " + ", ".join(f"`{value}`" for value in option["enum"])
    if option["type"] == "array":
        return "; ".join([f"list of {_entries(name, option['items'])}", *_limits(name, option)])
    if option["type"] == "object":
        return f"mapping of names to {_type(name, option['additionalProperties'])}"
    return ", ".join([SIMPLE[option["type"]], *_limits(name, option)])


def _entries(name: str, items: Mapping[str, Any]) -> str:
    if "$ref" in items:
        return _one_type(name, items)
    limits = _limits(name, items)
    return PLURALS[items["type"]] + (f", each {' and '.join(limits)}" if limits else "")


def _limits(name: str, option: Mapping[str, Any]) -> list[str]:
    """At least 0, at most 1."""
    found = [words.format(_number(option[key])) for key, words in BOUNDS.items() if key in option]
    for unit, (least, most) in SIZES.items():
        if most in option:
            found.append(f"{option.get(least, 0)} to {_number(option[most])} {unit}")
        elif least in option:
            found.append(f"{option[least]} or more {unit}")
    if "pattern" in option:
        found.append(PATTERNS.get(name) or f"`{option['pattern']}`")
    return found


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _default(part: str, name: str, field: Mapping[str, Any], *, required: bool) -> str:
    by_kind = {kind.name: kind.settings[name] for kind in KINDS.get(part, ()) if name in kind.settings}
    if by_kind:
        return _default_by_kind(by_kind)
    if required:
        return "**required**"
    value = field.get("default")
    if isinstance(value, Mapping):
        return f"{name.capitalize()}' own defaults" if name.endswith("s") else f"{name.capitalize()}'s own defaults"
    return "none" if value in (None, "", []) else f"`{_yaml(value)}`"


def _default_by_kind(by_kind: Mapping[str, Any]) -> str:
    """`30` for circles, moons; `50` for friedman1."""
    kinds: dict[str, list[str]] = {}
    for kind, value in by_kind.items():
        kinds.setdefault(_setting(value), []).append(kind)
    return "; ".join(f"{value} for {', '.join(names)}" for value, names in kinds.items())


def _setting(value: Any) -> str:
    if value is ...:
        return "**required**"
    return "none" if value is None else f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    """A value as a study file has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_yaml(entry)}' for key, entry in value.items())}}}"
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z].*", value):
        return json.dumps(value)
    return str(value)


if __name__ == "__main__":
    write_page(document(), sys.argv[1:])
