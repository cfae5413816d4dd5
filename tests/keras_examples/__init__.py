"""Models of keras.io's examples, by their architecture, and the rows that each trains on.

The code is our own, and everything is small: few units, few rows, tiny images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from tests.keras_examples.heads import BITS, CLASSES, IMAGES, PADDED, REALS, SERIES, VECTORS, VIDEOS, WORDS, L
from tests.keras_examples.images import (
    convmixer,
    convnet,
    inception,
    mlp_mixer,
    normalizations,
    residual,
    squeeze_and_excite,
    unet,
    vision_transformer,
    xception,
)
from tests.keras_examples.sequences import (
    bidirectional_lstm,
    gru_with_masking,
    next_frame,
    seq2seq_attention,
    series_transformer,
    tab_transformer,
    text_convnet,
    text_transformer,
    video,
    wavenet,
)
from tests.keras_examples.several import (
    OwnStep,
    anomaly_autoencoder,
    augmented,
    conv_autoencoder,
    distillation,
    dropped_out,
    metric_learning,
    multitask,
    point_cloud,
    siamese,
    sparse_autoencoder,
    transfer_learning,
    variational_autoencoder,
    watched,
)
from tests.keras_examples.tables import deep_and_cross, gated_residual, mlp, recommender, structured_data, wide_and_deep


@dataclass(frozen=True)
class Example:
    """One model and its rows.

    noise: the place where noise is put; random: whether training draws random numbers; exact: whether it is
    compared in float64; falls_back: why it trains by `Model.fit`, if it does, as the warning says.
    """

    build: Callable[[], keras.Model]
    x: Any
    y: Any
    noise: str | None = "before_activation"
    random: bool = False
    exact: bool = False
    falls_back: str | None = None


FEATURES = {"numbers": VECTORS[:, :4], "kind": WORDS[:, :1]}
AFTER = "after:first"
EXAMPLES = {
    "simple MLP": Example(mlp, VECTORS, CLASSES, exact=True),
    "structured data with dict inputs": Example(structured_data, FEATURES, BITS, AFTER, exact=True),
    "wide and deep": Example(wide_and_deep, [VECTORS[:, :4], WORDS[:, :1]], BITS),
    "deep and cross": Example(deep_and_cross, VECTORS, REALS, exact=True),
    "gated residual, variable selection": Example(gated_residual, VECTORS, REALS, "input"),
    "collaborative filtering": Example(recommender, WORDS[:, :2], BITS, AFTER),
    "convnet": Example(convnet, IMAGES, CLASSES, exact=True),
    "residual network": Example(residual, IMAGES, CLASSES),
    "xception": Example(xception, IMAGES, CLASSES, "input"),
    "squeeze and excite": Example(squeeze_and_excite, IMAGES, CLASSES),
    "inception": Example(inception, IMAGES, CLASSES, AFTER),
    "u-net": Example(unet, IMAGES, (IMAGES[..., 0] > 0.5).astype("int32")),
    "convmixer": Example(convmixer, IMAGES, CLASSES),
    "mlp-mixer": Example(mlp_mixer, IMAGES, CLASSES),
    "vision transformer": Example(vision_transformer, IMAGES, CLASSES, AFTER),
    "spectral and group normalisation": Example(normalizations, IMAGES, BITS, falls_back="spectral_normalization"),
    "text transformer": Example(text_transformer, WORDS, CLASSES),
    "bidirectional lstm": Example(bidirectional_lstm, WORDS, BITS, AFTER),
    "gru with masking": Example(gru_with_masking, PADDED, BITS, AFTER),
    "text convnet": Example(text_convnet, WORDS, BITS),
    "tab transformer": Example(tab_transformer, WORDS, CLASSES, AFTER),
    "timeseries transformer": Example(series_transformer, SERIES, CLASSES),
    "wavenet": Example(wavenet, SERIES, REALS),
    "seq2seq with attention": Example(seq2seq_attention, SERIES, REALS, AFTER, exact=True),
    "video": Example(video, VIDEOS, CLASSES, AFTER),
    "next frame": Example(next_frame, VIDEOS, VIDEOS, "input"),
    "sparse autoencoder": Example(sparse_autoencoder, VECTORS, VECTORS, exact=True),
    "convolutional autoencoder": Example(conv_autoencoder, IMAGES, IMAGES),
    "anomaly autoencoder": Example(anomaly_autoencoder, SERIES, SERIES),
    "variational autoencoder": Example(variational_autoencoder, VECTORS, VECTORS, random=True),
    "variational autoencoder, own step": Example(
        lambda: variational_autoencoder(OwnStep), VECTORS, VECTORS, None, True, falls_back="has its own train_step"
    ),
    "distillation": Example(distillation, VECTORS, CLASSES),
    "siamese": Example(siamese, [IMAGES, IMAGES[::-1]], BITS),
    "metric learning": Example(metric_learning, IMAGES, CLASSES),
    "multitask": Example(multitask, VECTORS, {"box": REALS, "kind": CLASSES}),
    "loss and metric of a layer": Example(watched, VECTORS, REALS),
    "transfer learning": Example(transfer_learning, VECTORS, CLASSES),
    "point cloud": Example(point_cloud, SERIES, CLASSES, AFTER),
    "augmentation": Example(augmented, IMAGES, CLASSES, random=True),
    "augmentation with rotation": Example(
        lambda: augmented(L.RandomRotation(0.1)), IMAGES, CLASSES, None, True, falls_back="does not vectorise"
    ),
    "text transformer with dropout": Example(lambda: text_transformer(0.3), WORDS, CLASSES, random=True),
    "dropout and gaussian noise": Example(dropped_out, VECTORS, BITS, random=True),
}
