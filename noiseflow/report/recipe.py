"""The Keras lines that put a variant's noise into a model: what a reader copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from noiseflow.architectures import Layer, architecture_kind
from noiseflow.architectures.steps import layers_for
from noiseflow.controls import control_kind
from noiseflow.noise import OUTSIDE, PLACES, kind_of
from noiseflow.noise.kind import STATE
from noiseflow.study import Architecture, Control, Injection, Training, Variant


@dataclass(frozen=True)
class Task:
    """What a model learns.

    Attributes:
        shape: of a row.
        n_classes: 0 for a regression.
        training: how it is trained.
        masked: whether the last feature of a sequence says which steps are there.
        n_targets: values, or labels, that it predicts of a row.
    """

    shape: tuple[int, ...]
    n_classes: int
    training: Training
    masked: bool = False
    n_targets: int = 1


PLAIN = Variant(name="plain")


def keras_lines(architecture: Architecture, variant: Variant, task: Task) -> str:
    """Python lines: the model with the variant's noise and controls in it, or where they go in a model of the user's own.

    What no Keras layer can do (noise on labels, weights or gradients, schedules, strengths in units of the signal) is written
    as a call of `noiseflow.fit_seeds`. The lines run as they are, given x and y where they train.
    """
    is_own = architecture_kind(architecture.kind).is_users_own
    classes = [
        _class_name(i) for i in dict.fromkeys(variant.injections) if kind_of(i.kind).layer(i.strength or 0.0) is None
    ]
    ours = any(_is_ours(injection) for injection in variant.injections) or len(set(classes)) < len(classes)
    if ours or len(_regularizers(variant)) > 1 or any(control_kind(c.kind).needs_fit_seeds for c in variant.controls):
        build = [
            "",
            "def build_model():",
            *(f"    {line}" for line in _compiled(architecture, PLAIN, task)),
            "    return model",
            "",
        ]
        given = f"# x, y: your training rows{'; build_model(): your compiled model' if is_own else ''}"
        head = ["import noiseflow"] if is_own else ["import keras", "import noiseflow", *build]
        return "\n".join([*head, given, _fit_seeds_lines(variant, task)])
    if is_own:
        return "\n".join(_in_own_model(variant))
    fit = [*_fit(variant.controls)] or [f"model.fit(x, y, epochs=epochs, batch_size={task.training.batch_size})"]
    then = ["then, with x and y, your training rows:", f"epochs = {task.training.epochs}  # as trained here", *fit]
    return "\n".join(["import keras", "", *_compiled(architecture, variant, task), *(f"# {line}" for line in then)])


def _compiled(architecture: Architecture, variant: Variant, task: Task) -> Iterator[str]:
    yield from _model(architecture, variant, task)
    kind = "mean_squared_error" if not task.n_classes else "binary_crossentropy"
    loss = "sparse_categorical_crossentropy" if task.n_classes > 2 else kind
    metric = f'"{"binary_" * (task.n_targets > 1)}accuracy"' if task.n_classes else "keras.metrics.R2Score()"
    known = {"adam": "Adam", "sgd": "SGD", "rmsprop": "RMSprop", "adagrad": "Adagrad", "nadam": "Nadam", "lion": "Lion"}
    optimizer = f"keras.optimizers.{known[task.training.optimizer]}({task.training.learning_rate:g})"
    yield f'model.compile({optimizer}, loss="{loss}", metrics=[{metric}])'


def _is_ours(injection: Injection) -> bool:
    """Whether no Keras layer, nor a few lines of one, does the same."""
    kind, plain = kind_of(injection.kind), {"place", "kind", kind_of(injection.kind).strength}
    special = {key for key in injection.model_dump(exclude_defaults=True) if key not in plain}
    has_code = kind.layer(injection.strength or 0.0) or kind.expression(injection.strength or 0.0)
    return injection.place in (*OUTSIDE, STATE) or bool(special) or has_code is None


def _fit_seeds_lines(variant: Variant, task: Task) -> str:
    def arguments(part: Injection | Control) -> str:
        given = part.model_dump(exclude_defaults=True)
        return f"noiseflow.{type(part).__name__}({', '.join(f'{key}={value!r}' for key, value in given.items())})"

    lines = ["fit = noiseflow.fit_seeds(", "    build_model, x, y, seeds=range(30),"]
    lines.append(f"    epochs={task.training.epochs}, batch_size={task.training.batch_size},")
    for key, parts in (("noise", variant.injections), ("controls", variant.controls)):
        if parts:
            lines.append(f"    {key}=[{', '.join(map(arguments, parts))}],")
    return "\n".join([*lines, ")"])


def _in_own_model(variant: Variant) -> list[str]:
    lines = ["import keras", "", *_classes(variant)]
    for injection in variant.injections:
        where = PLACES.get(injection.place) or _after_named(injection.place)
        lines += [f"# in your model, {where} (x is the tensor there):", f"x = {_noise(injection)}(x)"]
    normal = [control_kind(c.kind).layer(c) for c in variant.controls if control_kind(c.kind).changes_network]
    lines += [f"# before each hidden activation: x = {text}(x)" for text in normal]
    lines += [f"# in each layer with a kernel: kernel_regularizer={text}" for text in _regularizers(variant)]
    return [*lines, *_fit(variant.controls)]


def _after_named(place: str) -> str:
    return f"after the layer {place.partition(':')[2]!r}"


def _noise(injection: Injection) -> str:
    return kind_of(injection.kind).layer(injection.strength or 0.0) or f"{_class_name(injection)}()"


def _class_name(injection: Injection) -> str:
    return f"{''.join(word.capitalize() for word in injection.kind.split('_'))}Noise"


def _classes(variant: Variant) -> Iterator[str]:
    """Layers that Keras lacks, as code."""
    for injection in dict.fromkeys(variant.injections):
        kind = kind_of(injection.kind)
        if kind.layer(injection.strength or 0.0) is None:
            yield f"class {_class_name(injection)}(keras.layers.Layer):"
            yield "    def call(self, x, training=False):"
            yield f"        return {kind.expression(injection.strength or 0.0)} if training else x"
            yield ""


def _regularizers(variant: Variant) -> list[str]:
    """The regularizers of each kernel that do what its controls do, as code."""
    strengths: dict[str, float] = {}
    for control in variant.controls:
        strengths[control.kind] = strengths.get(control.kind, 0.0) + (control.strength or 0.0)
    found = [control_kind(name).regularizer(strength) for name, strength in strengths.items() if strength]
    return [regularizer for regularizer in found if regularizer]


def _model(architecture: Architecture, variant: Variant, task: Task) -> Iterator[str]:
    yield from _classes(variant)
    yield "model = keras.Sequential(["
    yield f"    keras.Input({task.shape!r}),"
    for injection in variant.injections:
        if injection.place == "input":
            yield f"    {_noise(injection)},"
    for layer in layers_for(architecture_kind(architecture.kind), architecture, task.shape, masked=task.masked):
        for line in _with_noise(layer, variant):
            yield f"    {line},"
    arguments = [f"kernel_regularizer={text}" for text in _regularizers(variant)]
    activation = {0: [], 2: ['activation="sigmoid"']}.get(task.n_classes, ['activation="softmax"'])
    n_outputs = task.n_classes if task.n_classes > 2 else task.n_targets
    yield f"    keras.layers.Dense({', '.join([str(n_outputs), *activation, *arguments])}),"
    yield "])"


def _with_noise(layer: Layer, variant: Variant) -> Iterator[str]:
    """The lines of a layer and of the noise before and after its activation."""
    normal = [control_kind(c.kind).layer(c) for c in variant.controls if control_kind(c.kind).changes_network]
    places: dict[str, list[str]] = {"before_activation": normal}
    for injection in variant.injections:
        places.setdefault(injection.place, []).append(_noise(injection))
    activated = layer.activation is not None or layer.is_activation
    before = places.get("before_activation", []) if activated else []
    after = places.get("after_activation", []) if activated else []
    penalties = _regularizers(variant)
    if layer.is_activation:
        yield from before
        yield layer.code(penalties)
    elif before:
        yield layer.without_activation().code(penalties)
        yield from before
        yield f'keras.layers.Activation("{layer.activation}")'
    else:
        yield layer.code(penalties)
    yield from after
    yield from places.get(f"after:{layer.name}", [])


def _fit(controls: tuple[Control, ...]) -> Iterator[str]:
    for control in controls:
        yield from control_kind(control.kind).fit_lines(control)
