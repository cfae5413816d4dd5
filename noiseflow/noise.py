"""Puts injections into any functional or sequential Keras model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from noiseflow.spec import Injection

NoiseLayer = Callable[[int, str], keras.layers.Layer]
"""Makes the layer for (index of the injection, name of its site); the name is the same at every build of a model."""

Replacement = Callable[[keras.layers.Layer, int], keras.layers.Layer]
"""Gives the layer, of the same name, that stands in for (a copy of the model's own, its position); that copy, to keep it."""

SEPARATE_ACTIVATIONS = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
)


@dataclass(frozen=True)
class Injected:
    """A model with noise in it, compiled like the one it was made from; its weights stand in the same order.

    taps: (index of the injection, the tensor that its noise is added to), one for each site.
    """

    model: keras.Model
    taps: tuple[tuple[int, Any], ...]


def inject(
    model: keras.Model,
    injections: Sequence[Injection],
    noise_layer: NoiseLayer,
    replace: Replacement = lambda layer, position: layer,
) -> Injected:
    """A copy of a compiled model with noise at the places that the injections name.

    Args:
        model: functional or sequential, compiled.
        injections: noise acts at train time only, so at test time the copy computes what `model` does.
        noise_layer: makes the layer that adds the noise.
        replace: gives the layers that stand in for the model's own.

    Raises:
        ValueError: an injection's place does not exist in the model; the message lists what does.
    """
    _require_places(model, injections)
    functional = keras.Model(_structure(model.inputs), _structure(model.outputs))
    positions = {layer.name: i for i, layer in enumerate(functional.layers)}
    surgery = _Surgery(injections, noise_layer, replace, _output_layers(model), positions)
    copy = keras.models.clone_model(functional, clone_function=surgery.clone, call_function=surgery.call)
    copy.set_weights(model.get_weights())
    copy.compile(**model._compile_config.config)  # noqa: SLF001 - the arguments as they were given, functions included
    return Injected(copy, tuple(surgery.taps))


def hidden_activations(model: keras.Model) -> list[str]:
    """Names of the layers whose activation is hidden, that is not a model's output; in the model's order."""
    outputs = _output_layers(model)
    return [layer.name for layer in model.layers if _is_activated(layer) and layer.name not in outputs]


@dataclass
class _Surgery:
    """What clone_model asks at each layer: which layer stands there, and what follows its call."""

    injections: Sequence[Injection]
    noise_layer: NoiseLayer
    replace: Replacement
    outputs: frozenset[str]
    positions: Mapping[str, int]
    taps: list[tuple[int, Any]] = field(default_factory=list)
    noisy_inputs: dict[int, Any] = field(default_factory=dict)
    activations: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def clone(self, layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if self._at("before_activation") and layer.name not in self.outputs and _is_fused(layer):
            self.activations[layer.name] = layer.activation
            config["activation"] = "linear"
        return self.replace(type(layer).from_config(config), self.positions[layer.name])

    def call(self, layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = keras.tree.map_structure(self._noisy_input, (args, kwargs))
        name, site = layer.name, self.positions[layer.name]
        if name in self.outputs or not (name in self.activations or _is_activated(layer)):
            return self._add(f"after:{name}", site, layer(*args, **kwargs))
        if name in self.activations:
            y = self._add("before_activation", site, layer(*args, **kwargs))
            y = keras.layers.Activation(self.activations[name], name=f"{name}_activation")(y)
        else:
            if isinstance(layer, SEPARATE_ACTIVATIONS):
                args = keras.tree.map_structure(lambda x: self._add("before_activation", site, x), args)
            y = layer(*args, **kwargs)
        y = self._add("after_activation", site, y)
        return self._add(f"after:{name}", site, y)

    def _at(self, place: str) -> list[int]:
        return [i for i, injection in enumerate(self.injections) if injection.place == place]

    def _add(self, place: str, site: int, x: Any) -> Any:
        for rank, i in enumerate(self._at(place)):
            self.taps.append((i, x))
            x = self.noise_layer(i, f"{place.partition(':')[0]}_{site}_{rank}")(x)
        return x

    def _noisy_input(self, x: Any) -> Any:
        history = getattr(x, "_keras_history", None)
        if history is None or not isinstance(history.operation, keras.layers.InputLayer) or not self._at("input"):
            return x
        if id(x) not in self.noisy_inputs:
            self.noisy_inputs[id(x)] = self._add("input", len(self.noisy_inputs), x)
        return self.noisy_inputs[id(x)]


def _structure(tensors: Sequence[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors


def _output_layers(model: keras.Model) -> frozenset[str]:
    return frozenset(output._keras_history.operation.name for output in model.outputs)  # noqa: SLF001


def _is_fused(layer: keras.layers.Layer) -> bool:
    """Whether the layer's last act is an activation that is not the identity."""
    if isinstance(layer, keras.layers.RNN | keras.layers.Activation):
        return False
    activation = getattr(layer, "activation", None)
    return activation is not None and activation is not keras.activations.linear


def _is_activated(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, SEPARATE_ACTIVATIONS) or _is_fused(layer)


def _require_places(model: keras.Model, injections: Sequence[Injection]) -> None:
    layers = [layer.name for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    for i, injection in enumerate(injections):
        if injection.place.startswith("after:") and injection.place[6:] not in layers:
            raise ValueError(f"noise[{i}].place: the model has no layer {injection.place[6:]!r}; it has {layers}")
        if injection.place.endswith("_activation") and not hidden_activations(model):
            message = f"noise[{i}].place: {injection.place!r} needs a hidden layer with an activation; "
            raise ValueError(f"{message}the model's layers {layers} have none")
