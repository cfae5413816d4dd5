"""Faults planted in the vectorised engine, one each, and the law of `noiseflow check` that sees each of them."""

from collections import OrderedDict

import pytest
import tensorflow as tf

from noiseflow.engine import compilation, measuring, program, random, replicas, sites, step_noise, vectorized
from noiseflow.laws import LAWS, draws, trainer
from noiseflow.noise import kind_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
BY_NAME = {law.name: law for law in LAWS}
STEPS_AN_EPOCH = draws.N_COLUMNS // draws.ROWS_A_STEP
draw, draw_all, stream_key, scales = random.draw, random.draw_all, random.stream_key, vectorized.scales


def noise_at_inference(patch):
    """Evaluations of a model with noise are shifted; the engine's own proof, which looks at them first, is off."""
    walking, evaluate = measuring.PreparedModel.walking, program.Program._evaluate

    def shifted(self, numbers):
        return walking(self, numbers, lambda point, x: x + 0.1)

    def evaluated(self, epoch, state, run):
        with pytest.MonkeyPatch.context() as inner:
            if any(site.used for site in self.sites.all):
                inner.setattr(measuring.PreparedModel, "walking", shifted)
            return evaluate(self, epoch, state, run)

    patch.setattr(program.Program, "_evaluate", evaluated)
    patch.setattr(vectorized, "compare_steps", lambda *_: vectorized.Proof())


def variance_for_std(patch):
    patch.setattr(vectorized, "scales", lambda *arguments: scales(*arguments) ** 2)


def of_rows(numbers, wanted):
    """The numbers (n_seeds, n) of a draw for rows, with the row's axis."""
    return [tf.reshape(n, [n.shape[0], *w.shape]) for n, w in zip(numbers, wanted, strict=True)]


def one_noise_for_a_batch(patch):
    def drawn(wanted, seeds, step, **more):
        rows = of_rows(draw_all(wanted, seeds, step, **more), wanted)
        return [tf.reshape(tf.broadcast_to(r[:, :1], r.shape), [r.shape[0], -1]) for r in rows]

    patch.setattr(program, "draw_all", drawn)


def at_step(replaced):
    """Plants that training draws what is drawn at another step."""

    def plant(patch):
        patch.setattr(program, "draw_all", lambda w, s, step, **more: draw_all(w, s, replaced(step), **more))

    return plant


def shared_seeds(patch):
    patch.setattr(random, "stream_key", lambda seed, name: stream_key(tf.bitwise.bitwise_and(seed, 2**32 - 3), name))


def second_half_repeats(patch):
    def drawn(kind, key, step, n, randomness_off=0):
        half = draw(kind, key, step, n, randomness_off)[..., : -(-n // 2)]
        return tf.concat([half, half], axis=-1)[..., :n]

    patch.setattr(random, "draw", drawn)


def equal_shuffle(patch):
    permutation = random.permutation
    patch.setattr(program, "permutation", lambda key, step, n: permutation(key, 1 + 0 * step, n))


def no_permutation(patch):
    patch.setattr(program, "permutation", lambda key, step, n: random.permutation(key, step, n) // 2 * 2)


def no_label_noise(patch):
    patch.setattr(step_noise.StepNoise, "targets", lambda self, y: y)


def flips_to_the_next_class(patch):
    of_labels = type(kind_of("flip")).apply_to_labels

    class OnlyFlips:
        def __init__(self, numbers):
            self.numbers = numbers

        def uniform(self, stream, shape, dtype):
            drawn = self.numbers.uniform(stream, shape, dtype)
            return 0 * drawn if stream.endswith("_class") else drawn

    def apply(self, y, target, strength, numbers, stream):
        return of_labels(self, y, target, strength, OnlyFlips(numbers), stream)

    patch.setattr(type(kind_of("flip")), "apply_to_labels", apply)


def no_weight_noise(patch):
    patch.setattr(step_noise.StepNoise, "weights", lambda self, values: values)


def no_decay(patch):
    patch.setattr(sites.Site, "decays", property(lambda self: False, lambda self, value: None))


def no_schedule(patch):
    patch.setattr(sites, "factor", lambda schedule, start, final, step_at, t, cos: start + 0 * t)


def not_relative(patch):
    patch.setattr(
        vectorized, "scales", lambda problem, found, spreads, group: scales(problem, found, 1 + 0 * spreads, group)
    )


MUTANTS = {
    "noise at inference": (noise_at_inference, "no noise", "inference: losses that differ"),
    "std for variance": (variance_for_std, "distribution", "draws: variance"),
    "one noise for all rows of a batch": (one_noise_for_a_batch, "independent draws", "rows of one step"),
    "one noise for all steps of an epoch": (
        at_step(lambda step: step // STEPS_AN_EPOCH),
        "independent draws",
        "steps of one epoch",
    ),
    "the same noise each epoch": (at_step(lambda step: step % STEPS_AN_EPOCH), "independent draws", "two epochs"),
    "seeds s and s + 2 share a stream": (shared_seeds, "independent draws", "all pairs of seeds"),
    "the second half of the draws repeats the first": (
        second_half_repeats,
        "independent draws",
        "numbers of one step, at any lag",
    ),
    "a shuffle equal in each epoch": (equal_shuffle, "shuffle", "shuffle: two epochs"),
    "a shuffle that is no permutation": (no_permutation, "shuffle", "shuffle: rows not visited once"),
    "no noise on labels": (no_label_noise, "labels", "labels: variance"),
    "labels flip to the next class only": (flips_to_the_next_class, "labels", "labels: classes flipped to"),
    "no noise on weights": (no_weight_noise, "outside the model", "weights: variance"),
    "gradient noise that does not fall": (no_decay, "outside the model", "gradients: variance"),
    "schedules that stay at their start": (no_schedule, "settings", "setting cosine: variance"),
    "relative taken as absolute": (not_relative, "settings", "setting relative: variance"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_law_sees_the_fault(mutant, monkeypatch):
    plant, law, figure = MUTANTS[mutant]
    monkeypatch.setattr(compilation, "_programs", OrderedDict())
    monkeypatch.setattr(replicas, "_calls", OrderedDict(), raising=False)
    plant(monkeypatch)
    broken = [found.name for found in BY_NAME[law].figures(trainer("vectorized", "cpu")) if not found.holds]
    assert figure in broken
