"""The record of an injection: what noise a study or a caller of `fit_seeds` puts where, and how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from noiseflow.base.parts import Part
from noiseflow.base.values import Fraction, Label, fault
from noiseflow.noise import KINDS, OUTSIDE, PLACES, kind_of
from noiseflow.noise.kind import STATE

if TYPE_CHECKING:
    KindName = str
else:
    KindName = Literal[tuple(kind.name for kind in KINDS)]
Place = Annotated[
    str, StringConstraints(pattern=rf"^({'|'.join(place.replace('<layer>', '.{1,200}') for place in PLACES)})$")
]
GRADIENT_DECAY = 0.55
"""Exponent of the decay that Neelakantan et al. (2015) used."""


UNIT_KINDS = tuple(kind.name for kind in KINDS if kind.strength == "stddev")
STRENGTHS = tuple(dict.fromkeys(kind.strength for kind in KINDS))


class Correlation(Part):
    """The correlation of the numbers of one row along time or space; one of the two."""

    ar1: float | None = Field(
        None,
        gt=-1,
        lt=1,
        description="Of neighbouring steps of a sequence: an autoregression of first order",
        examples=[0.9],
    )
    length_scale: float | None = Field(
        None,
        gt=0,
        le=10_000,
        description="Steps or pixels over which it falls, as exp(-distance² / (2 length_scale²))",
        examples=[2.0],
    )

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.ar1 is None) == (self.length_scale is None):
            raise fault("correlation", "must have either ar1 or length_scale")
        return self


def _names(columns: Any) -> Any:
    """Columns with their numbers written as names."""
    if isinstance(columns, Mapping):
        return {str(name) if isinstance(name, int) else name: share for name, share in columns.items()}
    is_list = isinstance(columns, list | tuple)
    return [str(name) if isinstance(name, int) else name for name in columns] if is_list else columns


Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Columns = Annotated[
    Literal["numeric", "all"]
    | Annotated[tuple[Label, ...], Field(min_length=1, max_length=10_000)]
    | Annotated[dict[Label, Share], Field(min_length=1, max_length=10_000)],
    BeforeValidator(_names),
]


class Injection(Part):
    """Noise put into a training at one place; active at train time only, unless `at` says more, drawn anew at each step.

    `noiseflow.noise.KINDS` holds the kinds; each says what it does in its own file. Within the model (`input`,
    `before_activation`, `after_activation`, `after:<layer>`) they do what the Keras layers of their names do. `labels` takes
    gaussian (regression) or flip (classification). `weights` takes gaussian, added to the trainable weights while the
    gradient is computed. `gradients` takes gaussian with the variance stddev² / (1 + step)^decay. `recurrent_state`
    takes kinds that are added, to the state that a recurrent layer hands from step to step.

    References:
        Neelakantan et al. (2015), Adding gradient noise improves learning for very deep networks, equation 1.
        Graves, Mohamed and Hinton (2013), Speech recognition with deep recurrent neural networks: weight noise.
        Dieng et al. (2018), Noisin: unbiased regularization for recurrent neural networks.
    """

    place: Place = Field(description=f"{', '.join(PLACES)}".replace("<layer>", "<layer name>"), examples=["after:pool"])
    stddev: Share | None = Field(
        None,
        description="Standard deviation of the noise, in the units of the place of injection; 1 where `columns` gives one a "
        "column",
        examples=[0.1],
    )
    kind: KindName = Field("gaussian", description="What is drawn", examples=["dropout"])
    rate: float | None = Field(
        None, ge=0, lt=1, description="Share of elements dropped or replaced, or of labels flipped", examples=[0.2]
    )
    alpha: Share | None = Field(None, description="Strength of neftune, 5 to 15 in its paper", examples=[5.0])
    mean: float = Field(0.0, description="Mean of the noise, in stddevs", examples=[0.5])
    relative: bool = Field(
        default=False,
        description="Whether stddev counts in units of the signal's spread at the place, measured on the training data "
        "at each seed's initial weights",
        examples=[True],
    )
    columns: Columns | None = Field(
        None,
        description="Of noise on the input, which columns or channels take it: numeric (of a table those that are no "
        "categories; the default), all, names (or numbers from 0) in a list, or a mapping of them to what the strength is "
        "multiplied with there",
        examples=[{"age": 0.1, "income": 0.3}],
    )
    draws: Literal["element", "channel", "row"] = Field(
        "element",
        description="What gets its own random number: each element, each channel of a row (the same over its steps or pixels), "
        "or each row",
        examples=["channel"],
    )
    correlation: Correlation | None = Field(
        None, description="How the noise hangs together along time or space", examples=[{"ar1": 0.9}]
    )
    schedule: Literal["constant", "linear", "cosine", "step"] = Field(
        "constant",
        description="How the strength goes over the epochs: from the share `start` at the first to `final` at the last",
        examples=["cosine"],
    )
    start: Share = Field(1.0, description="Share of the strength that a schedule starts with", examples=[0.0])
    final: Share = Field(0.0, description="Share of the strength that a schedule ends with", examples=[0.1])
    step_at: Fraction | None = Field(
        None, description="Share of the epochs after which a step goes to `final`; 0.5 unless given", examples=[0.8]
    )
    decay: float | None = Field(
        None,
        ge=0,
        le=10,
        description=f"Exponent of the decay of gradient noise; {GRADIENT_DECAY} unless given",
        examples=[0.55],
    )
    at: tuple[Literal["train", "test"], ...] = Field(
        ("train",),
        description="When noise on the input acts; with test as well it is a model of a channel or a sensor, and scores are "
        "means over draws",
        examples=[["train", "test"]],
    )

    def __hash__(self) -> int:
        """Hash of the content: columns may be a mapping."""
        return hash(self.model_dump_json())

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        given = dict(data)
        if given.get("place") == "gradients" and given.get("decay") is None:
            given["decay"] = GRADIENT_DECAY
        if given.get("schedule") == "step" and given.get("step_at") is None:
            given["step_at"] = 0.5
        if isinstance(given.get("columns"), Mapping) and given.get("kind", "gaussian") in UNIT_KINDS:
            given.setdefault("stddev", 1.0)
        return given

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        found = [text for wrong, text in self._faults() if wrong]
        if found:
            raise fault("injection", "; and ".join(found))
        return self

    def _faults(self) -> list[tuple[bool, str]]:
        kind, place = kind_of(self.kind), self.place
        at = place.partition(":")[0]
        here = " or ".join(k.name for k in KINDS if at in k.places)
        places = " or ".join("after:<layer>" if p == "after" else p for p in kind.places)
        only = f"must be at the place {places}, being of kind {kind.name}"
        adding = " or ".join(k.name for k in KINDS if k.adds)
        article = "an" if kind.strength[0] in "aeiou" else "a"
        others = [key for key in STRENGTHS if key != kind.strength and getattr(self, key) is not None]
        outside, largest = place in OUTSIDE, max(self.start, self.final) if self.schedule != "constant" else 1.0
        shares = [*self.columns.values(), 0.0] if isinstance(self.columns, dict) else [1.0]
        full = largest * max(shares)
        return [
            (at not in kind.places, only if len(kind.places) == 1 else f"must be {here}, at the place {place}"),
            (
                bool(others),
                f"must have {article} {kind.strength} and no {' or '.join(others)}, being of kind {kind.name}",
            ),
            (self.relative and not kind.adds, f"must be {adding} to be relative"),
            (self.relative and place in ("weights", "gradients", STATE), f"must not be relative at the place {place}"),
            (self.mean != 0 and not kind.adds, f"must be {adding} to have a mean"),
            (self.mean != 0 and outside, f"must not have a mean at the place {place}"),
            (self.columns is not None and place != "input", "must be at the place input to have columns"),
            (self.columns is not None and not kind.elementwise, f"must have no columns, being of kind {kind.name}"),
            (
                (self.draws != "element" or self.correlation is not None) and (outside or place == STATE),
                f"must have a draw an element, and no correlation, at the place {place}",
            ),
            (
                (self.draws != "element" or self.correlation is not None) and not kind.elementwise,
                f"must have neither draws nor a correlation, being of kind {kind.name}",
            ),
            (self.draws != "element" and self.correlation is not None, "must have a draw an element to be correlated"),
            (
                self.schedule == "constant" and (self.final, self.start) != (0.0, 1.0),
                "must follow a schedule, linear, cosine or step, to have a start or a final share",
            ),
            (self.schedule != "step" and self.step_at is not None, "must follow the schedule step to have step_at"),
            (self.rate is not None and self.rate * full >= 1, "must keep the rate below 1, at all times and columns"),
            (self.decay is not None and place != "gradients", "must be at the place gradients to have a decay"),
            ("train" not in self.at or len(set(self.at)) < len(self.at), "must be at train, or at train and test"),
            ("test" in self.at and place != "input", "must be at the place input to act at test"),
        ]

    def faults_at(self, shape: Sequence[int | None]) -> Iterator[str]:
        """Why it cannot act on tensors of this shape, rows included; begins with a key."""
        kind, n = kind_of(self.kind), len(shape)
        axes = {3: "steps and features", 4: "an image's height, width and channels"}
        received = f"received rows of shape {tuple(shape[1:])}"
        if kind.n_axes and n not in kind.n_axes:
            yield f"kind must be for rows of these axes, {self.kind} for {axes[kind.n_axes[0]]}; {received}"
        if self.draws == "channel" and n < 3:
            yield f"draws must be element or row where rows have no axis of steps or pixels; {received}"
        if self.correlation is not None:
            if self.correlation.ar1 is not None and n != 3:
                yield f"correlation.ar1 needs rows of steps and features; {received}"
            elif n not in (3, 4):
                yield f"correlation.length_scale needs rows of steps and features, or images; {received}"
            elif None in shape[1:-1]:
                yield f"correlation needs a number of steps that is known before; {received}"
        if isinstance(self.columns, tuple | dict) and shape[-1] is not None:
            known = [str(i) for i in range(shape[-1])]
            if strangers := [name for name in self.columns if name not in known]:
                yield f"columns must be numbers from 0 to {shape[-1] - 1}; received {', '.join(strangers)}"

    def shares(self, n_columns: int) -> tuple[float, ...] | None:
        """What the strength is multiplied with in each column; None where that is 1 everywhere."""
        if not isinstance(self.columns, tuple | dict):
            return None
        given = self.columns if isinstance(self.columns, dict) else dict.fromkeys(self.columns, 1.0)
        shares = tuple(given.get(str(i), 0.0) for i in range(n_columns))
        return None if set(shares) == {1.0} else shares

    def resolved(self, columns: Sequence[tuple[str, bool]] | None) -> Injection:
        """A copy with columns as numbers; without columns where all take the noise alike.

        Args:
            columns: the name of each column of the rows, and whether it is numeric rather than one of a category's; None where
                they have no names.
        """
        if self.place != "input" or columns is None or not kind_of(self.kind).elementwise:
            return self
        if isinstance(self.columns, tuple | dict):
            given = self.columns if isinstance(self.columns, dict) else dict.fromkeys(self.columns, 1.0)
            shares = {str(i): given[name] for i, (name, _) in enumerate(columns) if name in given}
        else:
            shares = {str(i): 1.0 for i, (_, is_numeric) in enumerate(columns) if is_numeric or self.columns == "all"}
        alike = len(shares) == len(columns) and set(shares.values()) == {1.0}
        return self.model_copy(update={"columns": None if alike else shares})

    @property
    def scheduled(self) -> tuple[float, float, float]:
        """start, final and step_at."""
        return self.start, self.final, 0.5 if self.step_at is None else self.step_at

    @property
    def strength(self) -> float | None:
        """The stddev, rate or alpha; None where it is left to the variant's `strengths`."""
        strength: float | None = getattr(self, kind_of(self.kind).strength)
        return strength

    def of_strength(self, strength: float) -> Injection:
        """A copy with another strength."""
        return Injection.model_validate(self.model_dump() | {kind_of(self.kind).strength: strength})
