"""What a study is: frozen pydantic models, read from YAML, from Python and from Prefect's run form alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

BASELINE = "baseline"
ShippedStudy = Literal["smoke", "tutorial"]
"""Names of the files in studies/, as choices for Prefect's run form; a test keeps them together."""


def _printable(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise PydanticCustomError("name", "must be printable text without blanks at its ends")
    return name


StudyName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=63), AfterValidator(_printable)]
Place = Annotated[str, StringConstraints(pattern=r"^(input|before_activation|after_activation|after:.{1,200})$")]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what keras.utils.set_random_seed takes
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Injection(_Part):
    """Noise put into a model at one place; active at train time only.

    Gaussian noise has zero mean and standard deviation `stddev`, in the units of the tensor that it is added to, and is
    drawn anew for each element at each step (`keras.layers.GaussianNoise`).
    """

    place: Place = Field(description="input, before_activation, after_activation, or after:<layer name>")
    stddev: Fraction = Field(description="Standard deviation of the noise, in the units of the place of injection")
    kind: Literal["gaussian"] = Field("gaussian", description="What is drawn")

    @property
    def strength(self) -> float:
        """The stddev of the injection."""
        return self.stddev


class Variant(_Part):
    """A named set of injections; the one named `baseline` has none."""

    name: Label = Field(description="Name in tables and plots")
    injections: tuple[Injection, ...] = Field((), description="Where noise is put, and how much")

    @property
    def strength(self) -> float | None:
        """The largest strength of the injections; None without one."""
        return max((injection.strength for injection in self.injections), default=None)


class Dataset(_Part):
    """Rows to learn from: a generator's name and its settings."""

    kind: Literal["circles"] = Field(description="Generator: circles is sklearn.datasets.make_circles")
    label: Label | None = Field(None, description="Name in tables and plots; the kind unless given")
    n_samples: int = Field(100, ge=4, le=1_000_000, description="Rows in all")
    n_train: int = Field(30, ge=2, description="The first so many rows train, the others test")
    noise: float = Field(0.1, ge=0, le=10, description="Standard deviation of the noise of the coordinates")
    factor: float = Field(0.8, ge=0, lt=1, description="Radius of the inner circle; the outer one's is 1")
    data_seed: Seed = Field(1, description="Seed of the data (of the one split, in the design replicate)")

    @property
    def name(self) -> str:
        """The label, or else the kind."""
        return self.label or self.kind

    @model_validator(mode="after")
    def _rows_suffice(self) -> Self:
        if self.n_train > self.n_samples - 2:
            raise PydanticCustomError(
                "rows", "n_train must leave 2 rows for the test: at most {most}", {"most": self.n_samples - 2}
            )
        return self


class Architecture(_Part):
    """A network: a builder's name and its settings."""

    kind: Literal["mlp"] = Field(description="Builder: mlp is Dense layers with an activation, and one output")
    label: Label | None = Field(None, description="Name in tables and plots; the kind unless given")
    units: tuple[Annotated[int, Field(ge=1, le=65_536)], ...] = Field(
        (500,), min_length=1, max_length=32, description="Width of each hidden layer"
    )
    activation: Literal["relu", "tanh", "sigmoid", "elu", "gelu", "silu"] = Field(
        "relu", description="Activation of the hidden layers"
    )

    @property
    def name(self) -> str:
        """The label, or else the kind."""
        return self.label or self.kind


class Training(_Part):
    """How each trial is trained."""

    epochs: int = Field(4000, ge=1, le=10_000_000, description="Passes over the training rows")
    batch_size: int = Field(32, ge=1, description="Rows of a step; the last step of an epoch may have fewer")
    optimizer: Literal["adam", "sgd", "rmsprop", "adagrad", "nadam", "lion"] = Field(
        "adam", description="Keras optimizer, with Keras' defaults but for the learning rate"
    )
    learning_rate: float = Field(0.001, gt=0, le=1e9, description="Step size")
    record_every: int = Field(10, ge=1, description="Learning curves keep epoch 1, every k-th, and the last")
    dtype: Literal["float32", "float64"] = Field("float32", description="Precision of weights and arithmetic")


class Published(_Part):
    """A single run that somebody published, to be marked on the distribution over seeds."""

    variant: Label
    train_score: Fraction
    test_score: Fraction
    epochs: int | None = Field(None, ge=1, description="Marked only where the study trains as long; None: always")
    source: str = Field(max_length=300)


class Study(_Part):
    """A declared experiment: datasets x architectures x variants x seeds, and how to train."""

    name: StudyName = Field(description="Folder of its results, and prefix of its artifacts")
    purpose: str = Field("", max_length=500, description="What it asks, in a line")
    design: Literal["replicate"] = Field("replicate", description="replicate: the data is fixed, seeds vary")
    n_seeds: int = Field(30, ge=1, le=10_000, description="Trials of each cell")
    datasets: tuple[Dataset, ...] = Field(min_length=1)
    architectures: tuple[Architecture, ...] = Field(min_length=1)
    variants: tuple[Variant, ...] = Field(min_length=1)
    training: Training = Training()
    margin: float = Field(0.01, gt=0, le=1, description="Differences of the score within it are not worth having")
    published: tuple[Published, ...] = ()

    @model_validator(mode="wrap")
    @classmethod
    def _all_faults_at_once(cls, data: Any, handler: Any) -> Self:
        """Adds the faults between the parts to those within them, so that one message names every one."""
        faults = _faults_between(data) if isinstance(data, Mapping) else []
        try:
            study: Self = handler(data)
        except ValidationError as error:
            # where an entry is faulty, pydantic adds that the list is too short
            found = [e for e in error.errors() if not (e["type"] == "too_short" and e["input"])]
            faults = [_detail(e) for e in found] + faults
        else:
            faults += _same_content(study)
        if faults:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return study


def _detail(error: Any) -> InitErrorDetails:
    kept = PydanticCustomError(error["type"], "{text}", {**error.get("ctx", {}), "text": error["msg"]})
    return InitErrorDetails(type=kept, loc=error["loc"], input=error["input"])


def _fault(loc: tuple[str | int, ...], received: Any, text: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("between", "{text}", {"text": text}), loc=loc, input=received)


def _read(part: Any, key: str) -> Any:
    return part.get(key) if isinstance(part, Mapping) else getattr(part, key, None)


def _faults_between(data: Mapping[str, Any]) -> list[InitErrorDetails]:
    """Faults that lie between parts, on data that may be faulty in its parts as well."""
    faults: list[InitErrorDetails] = []
    for field in ("datasets", "architectures", "variants"):
        faults += _twins(field, _sequence(data.get(field)))
    variants = _sequence(data.get("variants"))
    names = [_read(v, "name") for v in variants]
    if variants and BASELINE not in names:
        faults.append(
            _fault(("variants",), names, f"must hold one named '{BASELINE}', which the others are compared to")
        )
    for i, variant in enumerate(variants):
        if names[i] == BASELINE and _read(variant, "injections"):
            faults.append(_fault(("variants", i), BASELINE, "must have no injections: the baseline is the bare model"))
    for i, run in enumerate(_sequence(data.get("published"))):
        if _read(run, "variant") not in names:
            faults.append(_fault(("published", i, "variant"), _read(run, "variant"), f"must be one of {names}"))
    return faults


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _twins(field: str, parts: Sequence[Any]) -> list[InitErrorDetails]:
    key = "name" if field == "variants" else "label"
    names = [_read(part, key) or _read(part, "kind") for part in parts]
    repeated = [name for name, n in Counter(map(repr, names)).items() if n > 1]
    return [_fault((field,), names, f"must have names of their own; {name} stands there twice") for name in repeated]


def _same_content(study: Study) -> list[InitErrorDetails]:
    """Parts that differ in their names only: the trials of one would be the other's."""
    faults = []
    for field in ("datasets", "architectures", "variants"):
        seen: dict[str, str] = {}
        for i, part in enumerate(getattr(study, field)):
            first = seen.setdefault(part.model_dump_json(exclude={"name", "label"}), part.name)
            if first != part.name:
                faults.append(_fault((field, i), part.name, f"must differ from {first!r} in more than its name"))
    return faults
