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
from noiseflow.noise.instrument import Point
from noiseflow.noise.kind import Numbers
from noiseflow.noise.shaped import Shaped
from noiseflow.noise.survey import Survey, place_fault, points_of

Tensor = Any


@dataclass(frozen=True)
class Target:
    """How an output's targets give the class: as 0 or 1, as one of n_classes columns, or as a whole number.

    Attributes:
        form: `values` where they give none: the targets are numbers, as in a regression.
    """

    form: Literal["binary", "one_hot", "classes", "values"]
    n_classes: int = 2


@dataclass(frozen=True)
class Site:
    """One place where an injection acts.

    Attributes:
        injection: its index.
        stream: the name of the site's random numbers.
        used: whether any seed has a strength above 0 there.
        point: where within the model; None outside.
        output: for labels, the index of the output.
        target: for labels, how the targets of that output look.
        mean, draws, ar1, length_scale: as in `Injection` and `Shaped`.
        columns: the share of the strength for each entry of the last axis.
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
    mean: float = 0.0
    draws: str = "element"
    ar1: float | None = None
    length_scale: float | None = None
    columns: tuple[float, ...] | None = None

    @classmethod
    def of(cls, index: int, injection: Injection, stream: str, **more: Any) -> Site:
        """A site of the injection at this index."""
        correlation = injection.correlation
        return cls(
            index,
            stream,
            injection.kind,
            injection.place,
            injection.schedule,
            bool(injection.decay),
            mean=injection.mean,
            draws=injection.draws,
            ar1=None if correlation is None else correlation.ar1,
            length_scale=None if correlation is None else correlation.length_scale,
            **more,
        )

    def apply(self, x: Tensor, scale: Tensor, numbers: Numbers) -> Tensor:
        """A tensor with the noise of this site."""
        strength = tf.cast(scale, x.dtype)
        if self.columns is not None:
            strength = strength * tf.constant(self.columns, x.dtype)
        is_plain = self.draws == "element" and self.ar1 is None and self.length_scale is None
        drawn: Any = numbers if is_plain else Shaped(numbers, self.draws, self.ar1, self.length_scale)
        noisy = kind_of(self.kind).apply(x, strength, drawn, self.stream)
        return noisy + strength * self.mean if self.mean else noisy

    def of_columns(self, signal: Any) -> Any:
        """What of a signal (..., n_columns) takes noise here."""
        return signal if self.columns is None else signal[..., [i for i, share in enumerate(self.columns) if share]]


@dataclass(frozen=True)
class Sites:
    """All sites of a fit.

    Attributes:
        all: the sites, those within the model first.
        step_controls: names of the controls that act in every step.
        targets: how the targets of each output look.
    """

    all: tuple[Site, ...] = ()
    step_controls: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()

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
                    x = site.apply(x, numbers.scales[i], numbers)
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
    wanted = [(f"noise[{i}].place", injection.place) for i, injection in enumerate(noise)]
    wanted += [(f"controls: {name} blends rows", "input") for name in problem.mixing]
    for what, place in wanted:
        if place not in OUTSIDE and (fault := place_fault(place, found)):
            raise ValueError(f"{what}: {fault}")
    at: dict[Point, list[int]] = {}
    for i, injection in enumerate(noise):
        if injection.place not in OUTSIDE:
            for point in points_of(injection.place, found):
                at.setdefault(point, []).append(i)
    ranks = _ranks(noise)
    faults = [
        f"noise[{i}].{fault}"
        for point, indices in at.items()
        for i in indices
        for fault in noise[i].faults_at(found.points[point])
    ]
    if faults:
        raise ValueError("\n".join(dict.fromkeys(faults)))
    sites = [
        Site.of(
            i,
            noise[i],
            f"{point.place}_{point.label}_{ranks[i]}",
            used=used[i],
            point=point,
            columns=noise[i].shares(shape[-1] or 0),
        )
        for point, shape in found.points.items()
        for i in at.get(point, ())
    ]
    for i, injection in enumerate(noise):
        if injection.place in OUTSIDE:
            outputs = list(enumerate(targets)) if injection.place == "labels" else [(0, Target("values"))]
            for output, target in outputs:
                name = f"{injection.place}_{output}_{ranks[i]}"
                sites.append(Site.of(i, injection, name, used=used[i], output=output, target=target))
    return Sites(tuple(sites), tuple(problem.step_controls), tuple(targets))


def _ranks(noise: Sequence[Injection]) -> list[int]:
    """The number of each injection among the injections at its place."""
    places = [injection.place for injection in noise]
    return [places[:i].count(place) for i, place in enumerate(places)]


def factor(schedule: str, start: Any, final: Any, step_at: Any, t: Any, cos: Callable[[Any], Any] = math.cos) -> Any:
    """What a schedule leaves of the strength when the share t of the epochs is over: `start` at t = 0, `final` at t = 1.

    References:
        Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts, equation 5, for the cosine.
    """
    if schedule == "linear":
        return start + (final - start) * t
    if schedule == "cosine":
        return final + (start - final) * (1.0 + cos(math.pi * t)) / 2.0
    if schedule == "step":
        return start + (final - start) * (t >= step_at if isinstance(t, float) else tf.cast(t >= step_at, t.dtype))
    return 1.0


def scales_at(sites: Sites, run: Any, epoch: Tensor, step: Tensor) -> Tensor:
    """The scales (width, n_sites) of one step: `run.scales` themselves where nothing changes over the training."""
    if not any(site.used and (site.decays or site.schedule != "constant") for site in sites.all):
        return run.scales
    dtype = run.scales.dtype
    t = tf.cast(epoch - 1, dtype) / tf.cast(tf.maximum(run.epochs - 1, 1), dtype)
    factors = []
    for i, site in enumerate(sites.all):
        start, final, step_at = tf.unstack(run.schedules[i], 3)
        at_epoch = tf.cast(factor(site.schedule, start, final, step_at, t, tf.cos), dtype)
        # Neelakantan et al. (2015), equation 1: the variance falls as 1 / (1 + step)^decay.
        factors.append(at_epoch * tf.cast(step + 1, dtype) ** (-run.decays[i] / 2) if site.decays else at_epoch)
    return run.scales * tf.stack(factors)
