"""The Keras lines that put a variant's noise into a model: what a reader copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from noiseflow.controls import control_kind
from noiseflow.noise import kind_of
from noiseflow.spec import Architecture, Control, Injection, Variant

AROUND = ("labels", "weights", "gradients")
"""Places that no Keras layer reaches."""


@dataclass(frozen=True)
class _Layer:
    """A layer as it is written: its name in the study, its class and arguments, its activation, what a penalty goes to."""

    name: str
    call: str
    activation: str | None = None
    weights: tuple[str, ...] = ()

    @property
    def is_activation(self) -> bool:
        return self.call.startswith("Activation")

    def text(self, regularizers: list[str]) -> str:
        arguments = [self.call]
        if self.activation is not None:
            arguments.append(f'activation="{self.activation}"')
        arguments += [f"{weight}_regularizer={text}" for text in regularizers for weight in self.weights]
        return f"keras.layers.{', '.join(arguments)})"


def keras_lines(architecture: Architecture, variant: Variant) -> str:
    """Python lines: the model with the variant's noise and controls in it, or where they go in a model of the user's own.

    What no Keras layer can do (noise on labels, weights or gradients, schedules, strengths in units of the signal) is told as
    a call of `noiseflow.fit_seeds`.
    """
    if any(_is_ours(injection) for injection in variant.injections) or len(_regularizers(variant)) > 1:
        return _by_fit_seeds(variant)
    if architecture.kind not in LAYERS:
        return _in_own_model(variant)
    return "\n".join([*_model(architecture, variant), *_fit(variant.controls)])


def _is_ours(injection: Injection) -> bool:
    return injection.place in AROUND or injection.relative or injection.schedule != "constant"


def _by_fit_seeds(variant: Variant) -> str:
    def arguments(part: Injection | Control) -> str:
        given = part.model_dump(exclude_defaults=True)
        return f"noiseflow.{type(part).__name__}({', '.join(f'{key}={value!r}' for key, value in given.items())})"

    lines = ["fit = noiseflow.fit_seeds(", "    build_model, x, y, seeds=range(30), epochs=epochs,"]
    for key, parts in (("noise", variant.injections), ("controls", variant.controls)):
        if parts:
            lines.append(f"    {key}=[{', '.join(map(arguments, parts))}],")
    return "\n".join([*lines, ")"])


def _in_own_model(variant: Variant) -> str:
    lines = []
    for injection in variant.injections:
        lines += [f"# {WHERE.get(injection.place) or _after_named(injection.place)}", f"x = {_noise(injection)}(x)"]
    lines += [f"# in each layer with a kernel: kernel_regularizer={text}" for text in _regularizers(variant)]
    return "\n".join([*lines, *_fit(variant.controls)])


def _after_named(place: str) -> str:
    return f"after the layer {place.partition(':')[2]!r}"


WHERE = {
    "input": "on the input",
    "before_activation": "between each hidden layer and its activation",
    "after_activation": "after the activation of each hidden layer",
}


def _noise(injection: Injection) -> str:
    return f"keras.layers.{kind_of(injection.kind).keras_layer}({injection.strength:g})"


def _regularizers(variant: Variant) -> list[str]:
    """The regularizers of each kernel that do what its controls do, as code."""
    strengths: dict[str, float] = {}
    for control in variant.controls:
        strengths[control.kind] = strengths.get(control.kind, 0.0) + (control.strength or 0.0)
    found = [control_kind(name).regularizer(strength) for name, strength in strengths.items() if strength]
    return [regularizer for regularizer in found if regularizer]


def _model(architecture: Architecture, variant: Variant) -> Iterator[str]:
    yield "model = keras.Sequential(["
    yield "    keras.Input(shape),"
    for injection in variant.injections:
        if injection.place == "input":
            yield f"    {_noise(injection)},"
    for layer in LAYERS[architecture.kind](architecture):
        for line in _with_noise(layer, variant):
            yield f"    {line},"
    output = _Layer("output", "Dense(n_outputs, activation=output_activation", weights=("kernel",))
    yield f"    {output.text(_regularizers(variant))},"
    yield "])"


def _with_noise(layer: _Layer, variant: Variant) -> Iterator[str]:
    """The lines of a layer and of the noise before and after its activation."""
    places: dict[str, list[str]] = {}
    for injection in variant.injections:
        places.setdefault(injection.place, []).append(_noise(injection))
    activated = layer.activation is not None or layer.is_activation
    before = places.get("before_activation", []) if activated else []
    after = places.get("after_activation", []) if activated else []
    penalties = _regularizers(variant)
    if layer.is_activation:
        yield from before
        yield layer.text(penalties)
    elif before:
        yield replace(layer, activation=None).text(penalties)
        yield from before
        yield f'keras.layers.Activation("{layer.activation}")'
    else:
        yield layer.text(penalties)
    yield from after
    yield from places.get(f"after:{layer.name}", [])


def _fit(controls: tuple[Control, ...]) -> Iterator[str]:
    for control in controls:
        yield from control_kind(control.kind).fit_lines(control)


def _mlp(architecture: Architecture) -> list[_Layer]:
    return [
        _Layer(f"hidden_{i}", f"Dense({units}", architecture.activation, ("kernel",))
        for i, units in enumerate(architecture.units or (), start=1)
    ]


def _cnn(architecture: Architecture) -> list[_Layer]:
    size = architecture.kernel_size
    convolutions = [
        _Layer(f"conv_{i}", f'Conv2D({filters}, {size}, padding="same"', architecture.activation, ("kernel",))
        for i, filters in enumerate(architecture.filters or (), start=1)
    ]
    return [*convolutions, _Layer("pool", "MaxPooling2D("), _Layer("flatten", "Flatten(")]


def _lstm(architecture: Architecture) -> list[_Layer]:
    units = architecture.units or ()
    recurrent = [
        _Layer(
            "lstm" if i == 0 else f"lstm_{i}",
            f"LSTM({n}" + (", return_sequences=True" if i < len(units) - 1 else ""),
            weights=("kernel", "recurrent"),
        )
        for i, n in enumerate(units)
    ]
    return [*recurrent, _Layer("activation", f'Activation("{architecture.activation}"')]


LAYERS = {"mlp": _mlp, "cnn": _cnn, "lstm": _lstm}
"""For each network that ships, its hidden layers as `noiseflow.models` builds them."""
