"""The vectorised engine against `Model.fit`, at length."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from noiseflow import Injection, fit_seeds
from noiseflow.controls import CONTROLS, control_kind
from noiseflow.engine.keras_state import floatx
from noiseflow.study import Control
from tests.conftest import mlp
from tests.series import series

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.mark.parametrize(
    ("dtype", "tolerance", "epochs"),
    [("float64", 1e-9, 60), pytest.param("float32", 1e-3, 300, marks=pytest.mark.evidence)],
)
def test_baseline_of_the_tutorial_equals_model_fit(circles, dtype, tolerance, epochs):
    """In float32, as people train, at the length that docs/engine.md speaks of; in float64 a fault shows at once."""
    with floatx(dtype):
        build = mlp(500, 0.001)
        vectorized, reference = (
            fit_seeds(
                build,
                circles.X_train,
                circles.y_train,
                seeds=range(2),
                epochs=epochs,
                record_every=10,
                validation_data=(circles.X_test, circles.y_test),
                evaluations={"train": (circles.X_train, circles.y_train)},
                engine=engine,
            )
            for engine in ("vectorized", "reference")
        )
    assert vectorized.weights[0].dtype == dtype
    for name, expected in reference.history.items():
        difference = np.abs(vectorized.history[name] - expected).max()
        if name.endswith("loss"):
            assert difference < tolerance, name
        else:
            rows = len(circles.y_test) if name.startswith("val") else len(circles.y_train)
            most = 0 if dtype == "float64" else 1
            assert difference * rows <= most + 1e-3, name


EXACT = [kind for kind in CONTROLS if not kind.mixes and not kind.changes_network]
"""Those that draw nothing, which each engine does from streams of its own, and that `fit_seeds` takes."""


@pytest.mark.parametrize("control", series([kind.name for kind in EXACT], ["sam", "early_stopping"]))
def test_control_on_both_engines_is_the_same(circles, bare, control):
    """Its penalty, or when it stops and what it restores: numbers of two engines from the same seeds, and not a bare fit's."""
    kind = control_kind(control)
    strength = {"early_stopping": 1, "best_epoch": 0.3, "l2": 0.1, "max_norm": 0.5}.get(kind.name, kind.probe_strength)
    control = Control(**{"kind": kind.name, **kind.defaults, kind.strength: strength})
    with floatx("float64"):
        vectorized, reference = (controlled(circles, engine, control) for engine in ("vectorized", "reference"))
    np.testing.assert_array_equal(vectorized.epochs_trained, reference.epochs_trained)
    for name, expected in reference.history.items():
        np.testing.assert_allclose(vectorized.history[name], expected, atol=1e-9, err_msg=name)
    for ours, theirs in zip(vectorized.weights, reference.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(vectorized.weights, bare.weights, strict=True))


def controlled(data, engine, *controls):
    """A fit of both seeds in double precision."""
    return fit_seeds(
        mlp(20, 0.05),
        data.X_train,
        data.y_train,
        seeds=range(2),
        epochs=12,
        batch_size=15,
        shuffle=False,
        controls=controls,
        validation_data=(data.X_test, data.y_test),
        engine=engine,
    )


@pytest.fixture(scope="module")
def bare(circles):
    """The fit without controls."""
    with floatx("float64"):
        return controlled(circles, "vectorized")


STRONG = {"input": 0.3, "before_activation": 0.6, "after_activation": 0.6}
SEEDS = range(24)


def scores(data, place, engine, stddev):
    """Test accuracies of SEEDS after 300 full-batch steps: (n_seeds,).

    Ten steps an epoch, over the same 30 rows ten times, keep `Model.fit` from spending all its time between epochs.
    """
    done = fit_seeds(
        mlp(100, 0.01),
        np.tile(data.X_train, (10, 1)),
        np.tile(data.y_train, 10),
        seeds=SEEDS,
        epochs=30,
        batch_size=30,
        shuffle=False,
        record_every=30,
        validation_data=EVALUATION,
        noise=[Injection(place=place, stddev=stddev)] if stddev else [],
        engine=engine,
    )
    return done.history["val_accuracy"][:, -1]


def _evaluation():
    from sklearn.datasets import make_circles

    return make_circles(n_samples=2000, noise=0.1, factor=0.8, random_state=99)


EVALUATION = _evaluation()


@pytest.mark.evidence
def test_noise_changes_the_result_and_as_much_as_keras_noise_does(circles):
    """An engine that dropped the noise fails the first assertion; its size at each place is tested below."""
    clean = scores(circles, "input", "vectorized", 0)
    noisy = {place: scores(circles, place, "vectorized", stddev) for place, stddev in STRONG.items()}
    for place, found in noisy.items():
        assert stats.ttest_rel(found, clean).pvalue < 0.001, place
    place = "before_activation"
    reference = scores(circles, place, "reference", STRONG[place])
    assert ttost_paired(noisy[place], reference, -0.03, 0.03)[0] < 0.05


@pytest.mark.parametrize("place", series(STRONG, ["before_activation"]))
def test_training_loss_under_noise_has_keras_mean(circles, place):
    """At fixed weights the mean training loss is that of Keras' own noise layer: its size is right at each place."""

    def build():
        model = mlp(100, 0.001)()
        model.optimizer.learning_rate = 0.0
        model.layers[0].set_weights([3 * w for w in model.layers[0].get_weights()])
        return model

    x, y = np.tile(circles.X_train, (40, 1)), np.tile(circles.y_train, 40)
    kept = {"seeds": range(2), "epochs": 40, "shuffle": False, "batch_size": 1200}

    def losses(engine, stddev):
        noise = [Injection(place=place, stddev=stddev)]
        return fit_seeds(build, x, y, noise=noise, engine=engine, **kept).history["loss"]

    ours, theirs, doubled = losses("vectorized", 0.5), losses("reference", 0.5), losses("vectorized", 1.0)
    error = np.sqrt(ours.var(axis=1) / 40 + theirs.var(axis=1) / 40)
    assert (np.abs(ours.mean(axis=1) - theirs.mean(axis=1)) < 5 * error).all()
    assert (np.abs(doubled.mean(axis=1) - theirs.mean(axis=1)) > 10 * error).all()  # the test has the power to tell
