"""Where each injection of a variant acts: at the places of a model, or around it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import tensorflow as tf

from noiseflow.spec import Injection

Tensor = Any
AROUND = ("labels", "weights", "gradients")
"""Places that are not within the model."""


@dataclass(frozen=True)
class Target:
    """How an output's targets tell the class: as 0 or 1, as one of n_classes columns, or as a whole number.

    form `values` tells none: the targets are numbers, as in a regression.
    """

    form: Literal["binary", "one_hot", "classes", "values"]
    n_classes: int = 2


@dataclass(frozen=True)
class Site:
    """One place where an injection acts.

    injection: its index; stream: what the site's numbers are called in the stream of a replica; used: whether any seed has
    a strength above 0 there; output: for labels, the index of the output, and target how its targets look.
    """

    injection: int
    stream: str
    kind: str
    place: str
    schedule: str = "constant"
    decays: bool = False
    used: bool = True
    output: int = 0
    target: Target = Target("values")

    @classmethod
    def of(cls, index: int, injection: Injection, stream: str, **more: Any) -> Site:
        """A site of the injection at this index."""
        decays = bool(injection.decay)
        return cls(index, stream, injection.kind, injection.place, injection.schedule, decays, **more)


@dataclass(frozen=True)
class Treatment:
    """What is done in a step: noise at sites, those within the model first, in the order of its taps; and the l2 penalty."""

    sites: tuple[Site, ...] = ()
    l2: bool = False

    @property
    def around(self) -> tuple[tuple[int, Site], ...]:
        """The sites around the model that are used, each with its index."""
        return tuple((i, site) for i, site in enumerate(self.sites) if site.place in AROUND and site.used)


def sites_around(noise: Sequence[Injection], used: Sequence[bool], targets: Sequence[Target]) -> list[Site]:
    """The sites that are not within the model: one for each injection, for labels one for each output."""
    sites = []
    ranks: dict[str, int] = {}
    for i, injection in enumerate(noise):
        if injection.place not in AROUND:
            continue
        rank = ranks[injection.place] = ranks.get(injection.place, -1) + 1
        outputs = list(enumerate(targets)) if injection.place == "labels" else [(0, Target("values"))]
        for output, target in outputs:
            name = f"{injection.place}_{output}_{rank}"
            sites.append(Site.of(i, injection, name, used=used[i], output=output, target=target))
    return sites


def factor(schedule: str, final: Any, t: Any, cos: Callable[[Any], Any] = math.cos) -> Any:
    """What a schedule leaves of the strength when the share t of the epochs is over; 1 at t = 0, `final` at t = 1.

    References:
        Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts, equation 5, for the cosine.
    """
    if schedule == "linear":
        return 1.0 + (final - 1.0) * t
    if schedule == "cosine":
        return final + (1.0 - final) * (1.0 + cos(math.pi * t)) / 2.0
    return 1.0


def scales_at(treatment: Treatment, run: Any, epoch: Tensor, step: Tensor) -> Tensor:
    """The scales (width, n_sites) of one step: `run.scales` themselves where nothing changes over the training."""
    if not any(site.used and (site.decays or site.schedule != "constant") for site in treatment.sites):
        return run.scales
    dtype = run.scales.dtype
    t = tf.cast(epoch - 1, dtype) / tf.cast(tf.maximum(run.epochs - 1, 1), dtype)
    factors = []
    for i, site in enumerate(treatment.sites):
        at_epoch = tf.cast(factor(site.schedule, run.finals[i], t, tf.cos), dtype)
        # Neelakantan et al. (2015), equation 1: the variance falls as 1 / (1 + step)^decay.
        factors.append(at_epoch * tf.cast(step + 1, dtype) ** (-run.decays[i] / 2) if site.decays else at_epoch)
    return run.scales * tf.stack(factors)
