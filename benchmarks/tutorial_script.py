"""The tutorial's baseline as its reader would run it: one model, one `Model.fit`, 4,000 epochs."""

import sys

import keras
from sklearn.datasets import make_circles


def main(epochs: int) -> None:
    """Trains and prints the accuracies."""
    X, y = make_circles(n_samples=100, noise=0.1, random_state=1)
    X_train, X_test, y_train, y_test = X[:30], X[30:], y[:30], y[30:]
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(500, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]
    )
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    model.fit(X_train, y_train, validation_data=(X_test, y_test), epochs=epochs, batch_size=32, verbose=0)
    _, train = model.evaluate(X_train, y_train, verbose=0)
    _, test = model.evaluate(X_test, y_test, verbose=0)
    print(f"Train: {train:.3f}, Test: {test:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
