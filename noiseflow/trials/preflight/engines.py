"""Which engine trains which cell, decided before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from noiseflow.base.faults import InvalidInputError
from noiseflow.engine.keras_state import floatx
from noiseflow.study import USERS_OWN, Architecture, Dataset, Study, Variant
from noiseflow.trials.data_faults import datasets_of
from noiseflow.trials.preflight.matches import Match, matches


@dataclass(frozen=True)
class Engines:
    """The engine of each cell.

    Attributes:
        engine_of: (dataset, architecture, variant) to `vectorized` or `reference`.
        reasons: sentences that say which cells are trained seed after seed though nobody asked for it, and why.
    """

    engine_of: Callable[[Dataset, Architecture, Variant], str]
    reasons: tuple[str, ...] = ()


def choose_engines(study: Study, wanted: str) -> Engines:
    """The engines for a study without faults.

    A network of the user's is tried once on each dataset, bare: what a variant adds vectorises by itself.

    Args:
        wanted: vectorized, reference, or auto: the first where it can, else the second.

    Raises:
        InvalidInputError: vectorized is wanted, and a network has a part that does not vectorise.
    """
    if wanted == "reference" or not any(network.kind in USERS_OWN for network in study.architectures):
        engine = "vectorized" if wanted == "auto" else wanted
        return Engines(lambda dataset, architecture, variant: engine)
    data, _ = datasets_of(study)
    tried = {match.key: (match, _why_not(match)) for match in matches(study, data) if _is_users_own(match)}
    refused = {key: _sentence(match, why) for key, (match, why) in tried.items() if why is not None}
    if refused and wanted == "vectorized":
        raise InvalidInputError([f"{text} Take engine auto or reference." for text in refused.values()])

    def engine_of(dataset: Dataset, architecture: Architecture, variant: Variant) -> str:
        del variant
        return "reference" if (dataset.name, architecture.name) in refused else "vectorized"

    said = [f"{text} It is trained by Model.fit, seed after seed." for text in refused.values()]
    return Engines(engine_of, tuple(dict.fromkeys(said)))


def _is_users_own(match: Match) -> bool:
    return match.architecture.kind in USERS_OWN


def _why_not(match: Match) -> str | None:
    from noiseflow.engine.probe import why_not_vectorizable  # noqa: PLC0415 - loads the engine, for users' models only

    dtype = match.training.dtype
    x, y = (np.asarray(values, dtype) for values in (match.data.X_train, match.data.y_train))
    with floatx(dtype):
        return why_not_vectorizable(match.builder(), x, y, batch_size=match.training.batch_size)


def _sentence(match: Match, why: str) -> str:
    who = f"{match.where} ({match.architecture.name!r} on dataset {match.dataset.name!r})"
    return f"{who} cannot train all seeds at once: {why}."
