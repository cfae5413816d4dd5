"""What is sound in a faulty study, so that its data and its networks can be looked at in the same round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from noiseflow.study.architecture import Architecture, Training
from noiseflow.study.dataset import Dataset
from noiseflow.study.study import Study
from noiseflow.study.variant import Variant

NONE = ("none of this study",)
DATASET, NETWORK, VARIANT = {"kind": "circles"}, {"kind": "mlp", "datasets": NONE}, {"architectures": NONE}
SETTINGS = ("name", "design", "n_seeds", "n_data_seeds", "training", "robustness", "resources")


def sound_parts(content: Mapping[str, Any]) -> Study:
    """A study of the sound datasets, networks, variants and settings, each where it was; not validated as a whole.

    Where a part is faulty or has another's name, there is one that no cell is made of. Where a setting is faulty, there is its
    default; of the training a batch of one row, which no table is too small for.
    """
    datasets = list(_parts(content, Dataset, "datasets", DATASET))
    networks = list(_parts(content, Architecture, "architectures", NETWORK))
    variants = list(_parts(content, Variant, "variants", VARIANT))
    known = [dataset.name for dataset, is_sound in datasets if is_sound]
    settings: dict[str, Any] = {"name": "faulty", "training": Training(batch_size=1), **_settings(content)}
    if settings.get("design") == "crossed":
        settings.setdefault("n_data_seeds", 1)
    return Study.model_construct(
        datasets=tuple(dataset for dataset, _ in datasets),
        architectures=tuple(_on(network, known) for network, _ in networks),
        variants=tuple(variant for variant, _ in variants),
        **settings,
    )


def _on(network: Architecture, known: list[str]) -> Architecture:
    """The network for those of its datasets that are sound."""
    on = tuple(name for name in known if not network.datasets or name in network.datasets)
    return network.model_copy(update={"datasets": on or NONE})


def _parts(content: Mapping[str, Any], kind: type[BaseModel], field: str, otherwise: Any) -> Iterator[tuple[Any, bool]]:
    """Each part of the field and whether it is sound; another one instead where it is not."""
    given, seen = content.get(field), set()
    for i, part in enumerate(given if isinstance(given, list | tuple) else ()):
        try:
            made: Any = kind.model_validate(part)
        except ValidationError:
            made = None
        is_sound = made is not None and made.name not in seen
        if not is_sound:
            made = kind.model_validate({**otherwise, "name" if kind is Variant else "label": f"faulty part {i}"})
        seen.add(made.name)
        yield made, is_sound


def _settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are given and sound."""
    found: dict[str, Any] = {}
    for name in SETTINGS:
        field = Study.model_fields[name]
        try:
            if content.get(name) is not None:
                adapter: TypeAdapter[Any] = TypeAdapter(Annotated[field.annotation, field])  # type: ignore[arg-type]
                found[name] = adapter.validate_python(content[name])
        except ValidationError:
            continue
    return found
