"""docs/study-file.md: every key of a study file, from the schema itself; `python -m noiseflow.schema_docs` prints it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel

from noiseflow.spec import (
    Architecture,
    Control,
    Dataset,
    Injection,
    Published,
    Resources,
    Study,
    Training,
    Variant,
    data,
    network,
)

TEMPLATE = "study-file.md.jinja"
PARTS: dict[str, type[BaseModel]] = {
    "Study": Study,
    "Dataset": Dataset,
    "Architecture": Architecture,
    "Training": Training,
    "Variant": Variant,
    "Injection": Injection,
    "Control": Control,
    "Published": Published,
    "Resources": Resources,
}
KINDS: dict[str, Mapping[str, Mapping[str, Any]]] = {"Dataset": data.SETTINGS, "Architecture": network.SETTINGS}
"""Settings of each kind with their defaults, of the parts whose keys depend on their kind."""
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
LISTS = {
    "Study.datasets": "What is learnt from",
    "Study.architectures": "Which networks",
    "Study.variants": "What is compared: one named baseline, and the others",
    "Study.training": "How each network is trained",
    "Study.published": "Single runs that somebody published, marked on the distribution over seeds",
    "Study.resources": "What each batch may use of a machine, and for how long; changes no number",
    "Published.variant": "Name of the variant that was run",
    "Published.train_score": "Its score on the training rows",
    "Published.test_score": "Its score on the test rows",
    "Published.source": "Where it was published",
}
"""Descriptions of the keys whose field has none."""
EXAMPLES = {
    "Study": {
        "name": "mine",
        "purpose": "Does noise help on my table?",
        "design": "resample",
        "n_seeds": "30",
        "n_data_seeds": "10",
        "datasets": "[{kind: circles}]",
        "architectures": "[{kind: mlp}]",
        "variants": "[{name: baseline}]",
        "training": "{epochs: 500}",
        "margin": "0.01",
        "published": "[{variant: baseline, train_score: 1.0, test_score: 0.757, source: a tutorial}]",
        "resources": "{timeout_seconds: 3600}",
    },
    "Dataset": {
        "kind": "table",
        "label": "my table",
        "data_seed": "1",
        "score": "balanced_accuracy",
        "epochs": "500",
        "n_samples": "100",
        "n_train": "30",
        "n_eval": "10000",
        "noise": "0.1",
        "factor": "0.8",
        "n_features": "10",
        "length": "20",
        "path": "my.csv",
        "target": "price",
        "task": "regression",
        "test_fraction": "0.3",
        "split": "group",
        "split_by": "patient",
        "drop": "[name, born]",
        "standardize": "true",
        "missing": "impute",
        "entry_point": "example-spirals",
        "settings": "{n_train: 60}",
        "finite": "false",
    },
    "Architecture": {
        "kind": "mlp",
        "label": "wide",
        "units": "[64, 64]",
        "filters": "[32, 32]",
        "kernel_size": "3",
        "activation": "relu",
        "path": "model.keras",
        "entry_point": "example-residual",
        "settings": "{units: 32}",
        "datasets": "[circles]",
        "training": "{epochs: 200, learning_rate: 0.01}",
    },
    "Training": {
        "epochs": "4000",
        "batch_size": "32",
        "optimizer": "adam",
        "learning_rate": "0.001",
        "record_every": "10",
        "dtype": "float32",
    },
    "Variant": {
        "name": "hidden noise",
        "injections": "[{place: before_activation, stddev: 0.1}]",
        "controls": "[{kind: l2, factor: 0.001}]",
        "strengths": "[0.03, 0.1, 0.3]",
        "architectures": "[mlp]",
    },
    "Injection": {
        "place": "after:pool",
        "stddev": "0.1",
        "kind": "dropout",
        "rate": "0.2",
        "relative": "true",
        "schedule": "cosine",
        "final": "0.1",
        "decay": "0.55",
    },
    "Control": {"kind": "early_stopping", "factor": "0.001", "patience": "50", "validation_fraction": "0.2"},
    "Published": {
        "variant": "baseline",
        "train_score": "1.0",
        "test_score": "0.757",
        "epochs": "4000",
        "source": "the tutorial's single run",
    },
    "Resources": {"num_cpus": "2", "num_gpus": "0.5", "timeout_seconds": "3600"},
}
"""An example for each key of each part, as YAML."""


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
    keys = {name: list(keys_of(name)) for name in PARTS}
    kinds = {name: {kind: _settings(given) for kind, given in known.items()} for name, known in KINDS.items()}
    return environment.get_template(TEMPLATE).render(keys=keys, kinds=kinds).strip() + "\n"


def keys_of(part: str) -> Iterator[Key]:
    """The keys of a part of a study, in the order of its fields."""
    schema = PARTS[part].model_json_schema()
    for name, field in schema["properties"].items():
        meaning = field.get("description") or LISTS[f"{part}.{name}"]
        default = _default(part, name, field, required=name in schema.get("required", ()))
        yield Key(name, _cell(_type(name, field)), default, _cell(meaning), _cell(f"`{name}: {EXAMPLES[part][name]}`"))


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
    by_kind = {kind: given[name] for kind, given in KINDS.get(part, {}).items() if name in given}
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


def _settings(given: Mapping[str, Any]) -> dict[str, str]:
    return {name: _setting(value) for name, value in given.items()}


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
    return str(value)


def main(arguments: Sequence[str]) -> None:
    """Prints the page, or writes it to the path that is given."""
    if arguments:
        Path(arguments[0]).write_text(document(), encoding="utf-8")
    else:
        sys.stdout.write(document())


if __name__ == "__main__":
    main(sys.argv[1:])
