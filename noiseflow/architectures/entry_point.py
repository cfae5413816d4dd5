"""Entry point: a model that a function of an installed package builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noiseflow.architectures.kind import ArchitectureKind
from noiseflow.base.entry_points import find_entry_point
from noiseflow.base.values import Label, Setting, setting

if TYPE_CHECKING:
    from noiseflow.study import Architecture


class EntryPointModel(ArchitectureKind):
    """The compiled model of `function(shape, n_classes, **settings)`, and `n_targets` where there are several."""

    name = "entry_point"
    sentence = "a function of an installed package"
    settings = {"entry_point": ..., "settings": {}}
    fields = {
        "entry_point": setting(Label, "Name in the entry-point group noiseflow.models", "example-residual"),
        "settings": setting(dict[str, Setting], "Arguments of the entry point", {"units": 32}),
    }
    is_users_own = True

    def source(self, architecture: Architecture) -> Any:
        return find_entry_point(architecture.entry_points, architecture.entry_point).load()
