"""What injections and controls do to a training, each against a law, a script in plain Keras, or its own absence."""

import keras
import numpy as np
import pytest
from scipy import stats

from noiseflow import fit_seeds
from noiseflow.engine.program import Program
from noiseflow.study import Control, Injection
from tests.series import series

pytestmark = pytest.mark.slow
both_engines = pytest.mark.parametrize("engine", ["vectorized", "reference"])
CHANCE = 1e-6
STANDARD_ERRORS = 5
KINDS = [
    Injection(place="input", kind="gaussian_dropout"),
    Injection(place="before_activation", kind="dropout"),
    Injection(place="after_activation", kind="alpha_dropout"),
    Injection(place="after:hidden_1", kind="gaussian", relative=True, schedule="cosine"),
    Injection(place="labels", kind="flip"),
    Injection(place="labels", kind="gaussian"),
    Injection(place="weights"),
    Injection(place="gradients"),
]


def fit(build, data, engine="vectorized", **changes):
    arguments = {"seeds": range(3), "epochs": 12, "record_every": 5, "batch_size": 15}
    arguments["validation_data"] = (data.X_test, data.y_test)
    return fit_seeds(build, data.X_train, data.y_train, engine=engine, **(arguments | changes))


N = len(KINDS)
STRENGTHS = np.vstack([np.zeros(N), 0.2 * np.eye(N)])
"""Each seed under another kind of noise, the first under none."""


@pytest.fixture(scope="module")
def many(build_small, circles):
    """One program for the whole grid."""
    return fit(build_small, circles, seeds=range(N + 1), noise=KINDS, strengths=STRENGTHS, validation_data=None)


@pytest.fixture(scope="module")
def silent(build_small, circles):
    """The same noise, of strength zero throughout."""
    return fit(build_small, circles, seeds=range(N + 1), noise=KINDS, strengths=0 * STRENGTHS, validation_data=None)


@pytest.mark.parametrize("row", range(1, N + 1), ids=lambda row: f"{KINDS[row - 1].kind}-{KINDS[row - 1].place}")
def test_noise_of_every_kind_and_place_changes_its_seed_alone(many, silent, row):
    assert max(np.abs(a - b)[row].max() for a, b in zip(many.weights, silent.weights, strict=True)) > 1e-4
    for ours, theirs in zip(many.weights, silent.weights, strict=True):
        np.testing.assert_allclose(ours[0], theirs[0], atol=1e-5)


def test_noise_of_strength_zero_is_none_bit_for_bit(build_small, circles, silent):
    clean = fit(build_small, circles, seeds=range(3), validation_data=None)
    for name, values in clean.history.items():
        assert (values == silent.history[name][:3]).all()
    assert all((a == b[:3]).all() for a, b in zip(clean.weights, silent.weights, strict=True))


def test_rows_are_the_same_in_another_batch_and_program_is_shared(build_small, circles, many, monkeypatch):
    monkeypatch.setattr(Program, "trace", lambda *arguments: pytest.fail("traced again"))
    backwards = {"seeds": range(N, -1, -1), "strengths": STRENGTHS[::-1]}
    other = fit(build_small, circles, noise=KINDS, validation_data=None, **backwards)
    for name, values in other.history.items():
        assert (values == many.history[name][::-1]).all()
    for ours, theirs in zip(other.weights, many.weights, strict=True):
        assert (ours == theirs[::-1]).all()


def test_signal_to_noise_is_told_of_gaussian_noise_within_the_model(many):
    gaussian = [i for i, noise in enumerate(KINDS) if noise.kind == "gaussian" and noise.place.startswith("after")]
    others = [i for i in range(len(KINDS)) if i not in gaussian]
    assert np.isnan(many.signal_to_noise[:, others]).all()
    relative = many.signal_to_noise[:, gaussian[0]]
    assert relative[4] == pytest.approx(1 / 0.2)
    assert np.isinf(np.delete(relative, 4)).all()


def test_relative_noise_is_absolute_noise_of_stddev_times_spread(build_small, circles):
    """Bit for bit; absolute noise of stddev 1 tells the spread."""
    noise, plainly = Injection(place="after_activation", stddev=1.0), {"validation_data": None, "shuffle": False}
    unit = fit(build_small, circles, noise=[noise], epochs=1, **plainly)
    relative = fit(build_small, circles, noise=[noise.model_copy(update={"stddev": 0.3, "relative": True})], **plainly)
    absolute = fit(build_small, circles, noise=[noise], strengths=0.3 * unit.signal_to_noise, **plainly)
    assert all((a == b).all() for a, b in zip(relative.weights, absolute.weights, strict=True))


def linear(learning_rate, loss="mse", units=1, **layer):
    def build():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, **layer)])
        model.compile(loss=loss, optimizer=keras.optimizers.SGD(learning_rate))
        return model

    return build


@both_engines
def test_schedule_that_ends_at_zero_leaves_no_noise_to_the_last_epoch(rng, engine):
    """At fixed weights the training loss is the clean one in the last epoch, and in no other."""
    x, y = rng.normal(size=(2, 20, 3))
    noise = [
        Injection(place="input", stddev=0.5, schedule="linear"),
        Injection(place="input", stddev=0.5, schedule="cosine"),
    ]
    done = fit_seeds(
        linear(0.0, units=3), x, y, seeds=[0, 1], epochs=4, noise=noise, validation_data=(x, y), engine=engine
    )
    np.testing.assert_allclose(done.history["loss"][:, -1], done.history["val_loss"][:, -1], rtol=1e-6)
    assert (np.abs(done.history["loss"] - done.history["val_loss"])[:, :-1] > 1e-3).all()


@both_engines
def test_gradient_noise_moves_weights_by_the_sum_of_its_variances(rng, engine):
    """Without a gradient SGD adds up the noise: the variance is stddev² Σ (1 + step)^-decay, inside a χ² bound."""
    x, y = rng.normal(size=(6, 3)), np.zeros((6, 400))
    build = linear(1.0, loss=lambda y, p: 0.0 * p, units=400)
    noise = [Injection(place="gradients", stddev=0.5, decay=0.55)]
    done = fit_seeds(build, x, y, seeds=[0, 1], epochs=3, batch_size=3, noise=noise, engine=engine)
    moved = []
    for row, seed in enumerate(done.seeds):
        keras.utils.set_random_seed(seed)
        moved += [(a[row] - b).ravel() for a, b in zip(done.weights, build().get_weights(), strict=True)]
    moved = np.concatenate(moved).astype(float)
    variance = 0.5**2 * np.sum(np.arange(1, 7) ** -0.55)
    low, high = stats.chi2.ppf([CHANCE, 1 - CHANCE], moved.size)
    assert low < (moved**2).sum() / variance < high


@both_engines
def test_weight_noise_adds_its_variance_times_the_inputs_squares(rng, engine):
    """E[loss] = clean + s² (mean Σx² + 1) for a linear model with a bias, whose weights stay."""
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(30, 1))
    steps = 40  # of the same rows
    data = {"x": np.tile(x, (steps, 1)), "y": np.tile(y, (steps, 1))}
    noise = [Injection(place="weights", stddev=0.3)]
    done = fit_seeds(
        linear(0.0), **data, epochs=10, batch_size=30, shuffle=False, noise=noise, validation_data=(x, y), seeds=range(2),
        engine=engine,
    )  # fmt: skip
    excess = (done.history["loss"] - done.history["val_loss"]).astype(float)  # a mean over 40 steps each
    expected = 0.3**2 * ((x**2).sum(axis=1).mean() + 1)
    assert abs(excess.mean() - expected) < STANDARD_ERRORS * excess.std(ddof=1) / np.sqrt(excess.size)
    assert excess.mean() > 0.5 * expected


def crossentropy():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.SGD(0.0), metrics=["accuracy"])
    return model


@both_engines
def test_flipped_labels_reach_the_loss_and_not_the_metrics(rng, engine):
    x, y = rng.normal(size=(40, 3)), rng.integers(0, 2, 40)
    noise = [Injection(place="labels", kind="flip", rate=0.4)]
    done = fit_seeds(
        crossentropy, x, y, seeds=[0, 1], epochs=3, batch_size=40, noise=noise, validation_data=(x, y), engine=engine
    )
    np.testing.assert_allclose(done.history["accuracy"], done.history["val_accuracy"], rtol=1e-6)
    assert (np.abs(done.history["loss"] - done.history["val_loss"]) > 1e-3).all()


@both_engines
def test_l2_is_a_kernel_regularizer_that_the_measures_leave_out(build_small, circles, engine):
    done = fit(build_small, circles, engine, controls=[Control(kind="l2", factor=0.05)], batch_size=32, seeds=[4, 5])
    keras.utils.set_random_seed(5)
    model = build_small()
    regularized = keras.models.clone_model(model, clone_function=_with_l2)
    regularized.set_weights(model.get_weights())
    regularized.compile(loss=model.loss, optimizer=keras.optimizers.Adam(0.01))
    regularized.fit(circles.X_train, circles.y_train, epochs=12, batch_size=32, verbose=0)
    for ours, theirs in zip(done.weights, regularized.get_weights(), strict=True):
        np.testing.assert_allclose(ours[1], theirs, atol=1e-4)
    unpenalised, _ = model.evaluate(circles.X_train, circles.y_train, verbose=0)
    assert done.history["loss"][1, 0] == pytest.approx(unpenalised, rel=1e-5)


def _with_l2(layer):
    config = layer.get_config()
    if isinstance(layer, keras.layers.Dense):
        config["kernel_regularizer"] = keras.regularizers.L2(0.05)
    return type(layer).from_config(config)


STOPPING = {"epochs": 60, "record_every": 7, "batch_size": 32}


@pytest.fixture(scope="module", params=["vectorized", pytest.param("reference", marks=pytest.mark.evidence)])
def early(request, build_small, circles):
    controls = [Control(kind="early_stopping", patience=5, validation_fraction=0.3)]
    return fit(
        build_small,
        circles,
        request.param,
        seeds=range(6 if request.param == "vectorized" else 2),
        controls=controls,
        **STOPPING,
    )


@pytest.mark.parametrize("row", series([0, 1], [1]))
def test_early_stopping_is_keras_callback_on_the_last_rows(early, build_small, circles, row):
    """Full batches without noise: `Model.fit` takes the same steps. 30 rows, of which the last 9 are held back."""
    x, y = circles.X_train.astype("float32"), circles.y_train.astype("float32")
    keras.utils.set_random_seed(early.seeds[row])
    model = build_small()
    stopper = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    told = model.fit(
        x[:21], y[:21], epochs=60, verbose=0, validation_data=(x[21:], y[21:]), callbacks=[stopper], batch_size=32
    )
    assert early.best_epoch[row] == stopper.best_epoch + 1
    assert early.epochs_trained[row] == len(told.epoch)
    for ours, theirs in zip(early.weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(ours[row], theirs, atol=1e-4)


def test_early_stopping_history_ends_with_the_restored_weights(early, circles):
    for row, seed in list(enumerate(early.seeds))[:2]:
        loss, accuracy = early.to_keras(seed).evaluate(circles.X_test, circles.y_test, verbose=0)
        after = early.epochs >= early.epochs_trained[row]
        assert after[-1]
        np.testing.assert_allclose(early.history["val_loss"][row, after], loss, rtol=1e-5)
        np.testing.assert_allclose(early.history["val_accuracy"][row, after], accuracy, rtol=1e-5)
        assert len(set(early.history["loss"][row, after])) == 1


def test_early_stopping_seeds_stop_apart_and_alike_in_another_batch(early, build_small, circles, monkeypatch):
    if early.engine != "vectorized":
        pytest.skip("one seed after the other")
    assert len(set(early.epochs_trained)) > 1
    monkeypatch.setattr(Program, "trace", lambda *arguments: pytest.fail("traced again"))
    controls = [Control(kind="early_stopping", patience=5, validation_fraction=0.3)]
    alone = fit(build_small, circles, seeds=[4], controls=controls, **STOPPING)
    assert all((alone.history[name] == early.history[name][[4]]).all() for name in alone.history)
    assert alone.epochs_trained[0] == early.epochs_trained[4]
    patient = [Control(kind="early_stopping", patience=1000, validation_fraction=0.3)]
    to_the_end = fit(build_small, circles, seeds=[4], controls=patient, **STOPPING)
    assert to_the_end.epochs_trained[0] == 60
    assert to_the_end.best_epoch[0] >= early.best_epoch[4]
