"""Where each injection of a fit acts: points within the model, and targets, weights and gradients of a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import tensorflow as tf

from noiseflow.engine.problem import Problem
from noiseflow.noise import OUTSIDE, kind_of
from noiseflow.noise.injection import Injection
from noiseflow.noise.instrument import Point, Survey, place_fault, points_of
from noiseflow.noise.kind import Numbers

Tensor = Any


@dataclass(frozen=True)
class Target:
    """How an output's targets give the class: as 0 or 1, as one of n_classes columns, or as a whole number.

    form: `values` where they give none: the targets are numbers, as in a regression.
    """

    form: Literal["binary", "one_hot", "classes", "values"]
    n_classes: int = 2


@dataclass(frozen=True)
class Site:
    """One place where an injection acts.

    injection: its index; stream: the name of the site's random numbers; used: whether any seed has a strength above 0 there;
    point: within the model, where; output: for labels, the index of the output, and target how its targets look.
    """

    injection: int
    stream: str
    kind: str
    place: str
    schedule: str = "constant"
    decays: bool = False
    used: bool = True
    point: Point | None = None
    output: int = 0
    target: Target = Target("values")

    @classmethod
    def of(cls, index: int, injection: Injection, stream: str, **more: Any) -> Site:
        """A site of the injection at this index."""
        decays = bool(injection.decay)
        return cls(index, stream, injection.kind, injection.place, injection.schedule, decays, **more)


@dataclass(frozen=True)
class Sites:
    """All sites of a fit, those within the model first, and the kinds of controls that penalise."""

    all: tuple[Site, ...] = ()
    penalties: tuple[str, ...] = ()

    @cached_property
    def within(self) -> Mapping[Point, tuple[tuple[int, Site], ...]]:
        """The sites of each point of the model, with their indices."""
        found: dict[Point, tuple[tuple[int, Site], ...]] = {}
        for i, site in enumerate(self.all):
            if site.point is not None:
                found[site.point] = (*found.get(site.point, ()), (i, site))
        return found

    @cached_property
    def outside(self) -> tuple[tuple[int, Site], ...]:
        """The sites outside the model that are used, with their indices."""
        return tuple((i, site) for i, site in enumerate(self.all) if site.place in OUTSIDE and site.used)

    def noise(self, numbers: Numbers) -> Callable[[Point, Tensor], Tensor]:
        """What a walk does at each point of the model: it adds the noise of the sites there."""

        def at(point: Point, x: Tensor) -> Tensor:
            for i, site in self.within.get(point, ()):
                if site.used:  # one of strength 0 is left out, since XLA would round another sum otherwise
                    x = kind_of(site.kind).apply(x, tf.cast(numbers.scales[i], x.dtype), numbers, site.stream)
            return x

        return at


def sites_of(problem: Problem, found: Survey, targets: Sequence[Target]) -> Sites:
    """The sites of a problem's injections in its model.

    Args:
        found: what a survey of the model showed.
        targets: how the targets of each output look.

    Raises:
        ValueError: an injection's place does not exist in the model, or takes no noise; the message says what does.
    """
    noise, used = problem.noise, problem.used
    for i, injection in enumerate(noise):
        if injection.place not in OUTSIDE and (fault := place_fault(injection.place, found)):
            raise ValueError(f"noise[{i}].place: {fault}")
    at: dict[Point, list[int]] = {}
    for i, injection in enumerate(noise):
        if injection.place not in OUTSIDE:
            for point in points_of(injection.place, found):
                at.setdefault(point, []).append(i)
    ranks = _ranks(noise)
    sites = [
        Site.of(i, noise[i], f"{point.place}_{point.label}_{ranks[i]}", used=used[i], point=point)
        for point in found.points
        for i in at.get(point, ())
    ]
    for i, injection in enumerate(noise):
        if injection.place in OUTSIDE:
            outputs = list(enumerate(targets)) if injection.place == "labels" else [(0, Target("values"))]
            for output, target in outputs:
                name = f"{injection.place}_{output}_{ranks[i]}"
                sites.append(Site.of(i, injection, name, used=used[i], output=output, target=target))
    return Sites(tuple(sites), tuple(problem.penalties))


def _ranks(noise: Sequence[Injection]) -> list[int]:
    """The number of each injection among those of its place."""
    places = [injection.place for injection in noise]
    return [places[:i].count(place) for i, place in enumerate(places)]


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


def scales_at(sites: Sites, run: Any, epoch: Tensor, step: Tensor) -> Tensor:
    """The scales (width, n_sites) of one step: `run.scales` themselves where nothing changes over the training."""
    if not any(site.used and (site.decays or site.schedule != "constant") for site in sites.all):
        return run.scales
    dtype = run.scales.dtype
    t = tf.cast(epoch - 1, dtype) / tf.cast(tf.maximum(run.epochs - 1, 1), dtype)
    factors = []
    for i, site in enumerate(sites.all):
        at_epoch = tf.cast(factor(site.schedule, run.finals[i], t, tf.cos), dtype)
        # Neelakantan et al. (2015), equation 1: the variance falls as 1 / (1 + step)^decay.
        factors.append(at_epoch * tf.cast(step + 1, dtype) ** (-run.decays[i] / 2) if site.decays else at_epoch)
    return run.scales * tf.stack(factors)
