"""The faults in the files of a faulty study, so that one message names these too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from noiseflow import datasets
from noiseflow.study import Architecture, Dataset
from noiseflow.study.faults import is_lacking


def file_faults(content: Any) -> list[str]:
    """Faults of the files that sound parts of a study name, as sentences; no user's code is run for them.

    Args:
        content: of a study file, with absolute paths; its other parts may be faulty.
    """
    return [*_data_faults(content), *_model_faults(content)]


def _data_faults(content: Any) -> Iterator[str]:
    for i, dataset in _sound_parts(content, "datasets", Dataset):
        if dataset.path:
            yield from datasets.faults(dataset, [dataset.data_seed], f"datasets[{i}]")


def _model_faults(content: Any) -> Iterator[str]:
    for i, network in _sound_parts(content, "architectures", Architecture):
        if network.path and is_lacking(network.path):
            text = f"must name a file; received {network.path!r}, which does not exist"
            yield f"architectures[{i}].path {text}. Fix the path; it is relative to the study file."


def _sound_parts(content: Any, field: str, kind: type[BaseModel]) -> Iterator[tuple[int, Any]]:
    """The parts that are sound by themselves, each with its place in the study."""
    parts = content.get(field) if isinstance(content, Mapping) else None
    for i, part in enumerate(parts if isinstance(parts, list) else ()):
        try:
            yield i, kind.model_validate(part)
        except ValidationError:
            continue
