"""Twins of Keras' dense layer and embedding."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from noiseflow.training.twins.windows import add

Tensor = Any
FEW_INPUTS = 4
"""Up to so many inputs a sum of products, which XLA fuses with what follows, beats a product of matrices (measured)."""


class VectorizedDense(keras.layers.Dense):
    """`Dense`, faster where there are few inputs."""

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        n_inputs = inputs.shape[-1]
        if n_inputs > FEW_INPUTS or self.lora_enabled or self.quantization_mode:
            return super().call(inputs, training=training)
        kernel = tf.convert_to_tensor(self.kernel)
        outputs = add([inputs[..., i : i + 1] * kernel[i] for i in range(n_inputs)])
        if self.bias is not None:
            outputs += tf.convert_to_tensor(self.bias)
        return outputs if self.activation is None else self.activation(outputs)


class VectorizedEmbedding(keras.layers.Embedding):
    """`Embedding` whose gradient is dense, as an optimizer inside `tf.vectorized_map` needs it."""

    def call(self, inputs: Tensor) -> Tensor:
        if self.lora_enabled or self.quantization_mode:
            raise NotImplementedError(f"layer {self.name!r}: lora and quantization have no vectorised form.")
        indices = tf.cast(inputs, tf.int32)
        return tf.cast(_look_up(tf.convert_to_tensor(self.embeddings), indices), self.compute_dtype)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _look_up(embeddings: Tensor, indices: Tensor) -> Any:
    size, width = embeddings.shape
    indices = tf.where(indices < 0, indices + size, indices)

    def gradient(upstream: Tensor) -> tuple[Tensor, None]:
        rows = tf.reshape(upstream, (-1, width))
        return tf.math.unsorted_segment_sum(rows, tf.reshape(indices, [-1]), size), None

    return tf.gather(embeddings, indices), gradient
