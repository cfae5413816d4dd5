"""Which network is trained on which data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from noiseflow.architectures.builder import Builder
from noiseflow.datasets import Data
from noiseflow.study import Architecture, Dataset, Study, Training, Variant


@dataclass(frozen=True, eq=False)
class Match:
    """A network on data that it is for: every cell of the two has this model.

    Attributes:
        indices: of the two in the study.
        data: the rows of the first data seed; a stand-in where the dataset is faulty.
        variants: those that are for the network, by their index in the study.
        is_stand_in: whether the data is a stand-in; then its numbers of rows, features and classes mean nothing.
    """

    dataset: Dataset
    architecture: Architecture
    indices: tuple[int, int]
    training: Training
    data: Data
    variants: dict[int, Variant]
    is_stand_in: bool = False

    @property
    def has_known_form(self) -> bool:
        """Whether the axes of a row are known: the rows of a table have one, even where the table is faulty."""
        return not self.is_stand_in or bool(self.dataset.targets)

    @property
    def dataset_index(self) -> int:
        """The position of the dataset in the study."""
        return self.indices[0]

    @property
    def where(self) -> str:
        """The path of the network in the study."""
        return f"architectures[{self.indices[1]}]"

    def with_rows(self, shape: tuple[int, ...]) -> Match:
        """The match with stand-in rows of this shape."""
        X = np.zeros((2, *shape))
        return replace(self, data=replace(self.data, X_train=X, X_test=X))

    @property
    def key(self) -> tuple[str, str]:
        """The names of the two; no other match of the study has both."""
        return self.dataset.name, self.architecture.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row."""
        return self.data.X_train.shape[1:]

    def builder(self) -> Builder:
        """The function that builds the model; raises as `Builder` does."""
        score, masked = self.dataset.score_name, self.dataset.is_masked
        n_classes, n_targets = self.data.n_classes, self.data.n_targets
        return Builder(
            self.architecture, self.training, self.shape, n_classes, score, masked=masked, n_targets=n_targets
        )


def matches(study: Study, data: Mapping[str, Data]) -> list[Match]:
    """The matches of a study, in the order of its cells; those on data that is not there are left out."""
    variants = {variant.name: i for i, variant in enumerate(study.variants)}
    at_dataset = {dataset.name: i for i, dataset in enumerate(study.datasets)}
    at_network = {network.name: i for i, network in enumerate(study.architectures)}
    found: dict[tuple[str, str], Match] = {}
    for dataset, network, variant, _ in study.parts():
        if dataset.name not in data:
            continue
        training = study.training_of(dataset, network)
        indices = at_dataset[dataset.name], at_network[network.name]
        match = Match(dataset, network, indices, training, data[dataset.name], {})
        found.setdefault(match.key, match).variants[variants[variant.name]] = variant
    return list(found.values())


def stand_ins(study: Study, data: Mapping[str, Data]) -> list[Match]:
    """The matches on the faulty datasets, with a stand-in for their data; what depends on the rows is not to be asked of it."""
    lacking = {dataset.name: _stand_in(dataset) for dataset in study.datasets if dataset.name not in data}
    return [replace(match, is_stand_in=True) for match in matches(study, lacking)]


def _stand_in(dataset: Dataset) -> Data:
    """Some rows of four features, and as many targets as the dataset declares."""
    X = np.zeros((2, 4))
    y = np.zeros((2, len(dataset.targets)) if len(dataset.targets) > 1 else 2)
    return Data(X, y, X, y, n_classes=2 if dataset.of_task == "classification" else 0)
