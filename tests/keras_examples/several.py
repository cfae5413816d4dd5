"""Autoencoders, several inputs or outputs, losses and steps of one's own."""

from __future__ import annotations

from typing import Any

import keras

from tests.keras_examples.heads import K, L, binary, classifier, regressor


def sparse_autoencoder() -> keras.Model:
    inputs = keras.Input((6,))
    code = L.Dense(4, activation="relu", activity_regularizer=keras.regularizers.L1(0.01), name="first")(inputs)
    model = keras.Model(inputs, L.Dense(6)(code))
    model.compile("adam", "mse")
    return model


def conv_autoencoder() -> keras.Model:
    inputs = keras.Input((8, 8, 2))
    x = L.MaxPooling2D(2, padding="same")(L.Conv2D(4, 3, activation="relu", padding="same", name="first")(inputs))
    x = L.Conv2DTranspose(4, 3, strides=2, activation="relu", padding="same")(x)
    model = keras.Model(inputs, L.Conv2D(2, 3, activation="sigmoid", padding="same")(x))
    model.compile("adam", "binary_crossentropy")
    return model


def anomaly_autoencoder() -> keras.Model:
    inputs = keras.Input((8, 3))
    x = L.Conv1D(4, 3, strides=2, activation="relu", padding="same", name="first")(inputs)
    model = keras.Model(inputs, L.Conv1DTranspose(3, 3, strides=2, padding="same")(x))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


class Sampling(keras.layers.Layer):
    """Draws the code of a variational autoencoder, and adds its divergence from the prior to the loss."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(7)

    def call(self, inputs: Any) -> Any:
        mean, log_variance = inputs
        self.add_loss(-0.05 * K.mean(K.sum(1 + log_variance - K.square(mean) - K.exp(log_variance), axis=1)))
        noise = keras.random.normal(K.shape(mean), dtype=self.compute_dtype, seed=self.seed_generator)
        return mean + K.exp(0.5 * log_variance) * noise


def variational_autoencoder(kind: type[keras.Model] = keras.Model) -> keras.Model:
    inputs = keras.Input((6,))
    x = L.Dense(5, activation="relu", name="first")(inputs)
    code = Sampling()([L.Dense(2)(x), L.Dense(2)(x)])
    model = kind(inputs, L.Dense(6)(L.Dense(5, activation="relu")(code)))
    model.compile("adam", "mse")
    return model


class OwnStep(keras.Model):
    """Trains in a step of its own."""

    def train_step(self, data: Any) -> Any:
        return super().train_step(data)


class Distilled(keras.Model):
    """A student whose loss is its own: it looks at its teacher too."""

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        own = super().compute_loss(x, y, y_pred, sample_weight, training=training)
        return 0.5 * own + 0.5 * K.mean(K.square(y_pred - self.teacher(x, training=False)))


def distillation() -> keras.Model:
    inputs = keras.Input((6,))
    student = Distilled(inputs, L.Dense(3)(L.Dense(4, activation="relu", name="first")(inputs)))
    student.teacher = keras.Sequential([keras.Input((6,)), L.Dense(8, activation="relu"), L.Dense(3)])
    student.teacher.trainable = False
    student.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return student


def contrastive(y: Any, distance: Any) -> Any:
    """Pulls alike pairs together and pushes others apart, up to a margin."""
    return K.mean((1 - y) * K.square(distance) + y * K.square(K.maximum(1.0 - distance, 0.0)))


def siamese() -> keras.Model:
    one, other = keras.Input((8, 8, 2), name="one"), keras.Input((8, 8, 2), name="other")
    encoder = keras.Sequential(
        [keras.Input((8, 8, 2)), L.BatchNormalization(), L.Conv2D(3, 5, activation="tanh", name="first"), L.Flatten()]
    )
    distance = L.Lambda(lambda v: K.sqrt(K.maximum(K.sum(K.square(v[0] - v[1]), axis=1, keepdims=True), 1e-6)))(
        [encoder(one), encoder(other)]
    )
    x = L.BatchNormalization()(L.Concatenate()([distance, K.mean(K.abs(encoder(one) - encoder(other)), 1, True)]))
    model = keras.Model([one, other], L.Dense(1, activation="sigmoid")(x))
    model.compile("rmsprop", contrastive)
    return model


def of_the_batch(y: Any, embedded: Any) -> Any:
    """The batch's triplet loss: each row with the rows of its class and those of the others."""
    labels = K.reshape(y, (-1, 1))
    alike = K.cast(K.equal(labels, K.transpose(labels)), embedded.dtype)
    distance = 1.0 - K.matmul(embedded, K.transpose(embedded))
    return K.mean(K.relu(K.max(distance * alike, axis=1) - K.min(distance + 2.0 * alike, axis=1) + 0.5))


def metric_learning() -> keras.Model:
    inputs = keras.Input((8, 8, 2))
    x = L.Flatten()(L.Conv2D(4, 3, strides=2, activation="relu", name="first")(inputs))
    model = keras.Model(inputs, L.UnitNormalization()(L.Dense(4)(x)))
    model.compile("adam", of_the_batch)
    return model


def multitask() -> keras.Model:
    """Two outputs by name, and a loss, a weight and a metric of each."""
    inputs = keras.Input((6,))
    x = L.Dense(6, activation="relu", name="first")(inputs)
    model = keras.Model(
        inputs, {"box": L.Dense(1, name="box")(x), "kind": L.Dense(3, activation="softmax", name="kind")(x)}
    )
    model.compile(
        "adam",
        {"box": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"box": 0.25, "kind": 1.0},
        metrics={"kind": ["accuracy"]},
    )
    return model


class Watched(keras.layers.Layer):
    """Adds to the loss, and measures, in `call`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.measured = keras.metrics.Mean(name="activity")

    def call(self, x: Any) -> Any:
        self.add_loss(1e-2 * K.mean(K.square(x)))
        self.measured.update_state(K.mean(K.abs(x)))
        return x


def watched() -> keras.Model:
    inputs = keras.Input((6,))
    return regressor(inputs, Watched()(L.Dense(5, activation="relu", name="first")(inputs)))


class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """Up for four steps, then down; without `get_config`."""

    def __call__(self, step: Any) -> Any:
        step = K.cast(step, keras.config.floatx())
        return 0.05 * K.minimum(K.rsqrt(step + 1.0), (step + 1.0) / 8.0)


def transfer_learning() -> keras.Model:
    """A frozen encoder in inference mode, one that is trained, and a learning rate by a schedule of one's own."""
    inputs = keras.Input((6,))
    frozen = keras.Sequential([keras.Input((6,)), L.Dense(5, activation="relu"), L.BatchNormalization()], name="frozen")
    frozen.trainable = False
    tuned = keras.Sequential([keras.Input((5,)), L.Dense(5, activation="relu", name="first"), L.BatchNormalization()])
    return classifier(inputs, tuned(frozen(inputs, training=False)), keras.optimizers.Adam(Warmup(), clipnorm=1.0))


class PointCloud(keras.Model):
    """Subclassed, with a training argument; points are transformed by a matrix that a part of the model gives."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = L.Conv1D(4, 1, name="first"), L.BatchNormalization(momentum=0.0)
        self.matrix = L.Dense(9, kernel_initializer="zeros", bias_initializer="ones")
        self.head = L.Dense(3, activation="softmax")

    def call(self, points: Any, training: bool | None = None) -> Any:
        matrix = K.reshape(self.matrix(K.max(points, axis=1)), (-1, 3, 3))
        self.add_loss(
            1e-3 * K.sum(K.square(K.matmul(matrix, K.transpose(matrix, (0, 2, 1))) - K.eye(3, dtype=matrix.dtype)))
        )
        x = K.relu(self.norm(self.convolution(K.matmul(points, matrix)), training=training))
        return self.head(K.max(x, axis=1) if training else K.max(x, axis=1) * 1.0)


def point_cloud() -> keras.Model:
    model = PointCloud()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def augmented(*layers: Any) -> keras.Model:
    inputs = x = keras.Input((8, 8, 2))
    for layer in (L.RandomFlip("horizontal"), L.RandomContrast(0.2), *layers):
        x = layer(x)
    return classifier(inputs, L.GlobalAveragePooling2D()(L.Conv2D(4, 3, activation="relu", name="first")(x)))


def dropped_out() -> keras.Model:
    inputs = keras.Input((6,))
    x = L.Dropout(0.3)(L.Dense(8, activation="relu", name="first")(L.GaussianNoise(0.1)(inputs)))
    return binary(inputs, x)
