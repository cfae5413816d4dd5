"""The controls: each has all its parts, and is refused where it does not fit."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from noiseflow.controls import CONTROLS
from noiseflow.study import Control

ALL = pytest.mark.parametrize("kind", CONTROLS, ids=lambda kind: kind.name)
WEIGHTS = [tf.constant([[1.0, 2.0]]), tf.constant([7.0])]


@ALL
def test_control_has_all_its_parts(kind):
    """The contract of a control: its fields and what they stand for, what it does to a training, the Keras code for it."""
    assert kind.name.isidentifier()
    assert kind.sentence
    assert kind.strength_label
    assert {kind.strength, *kind.defaults} == set(kind.fields)
    for annotation, field in kind.fields.values():
        assert type(None) in annotation.__args__
        assert field.default is None
        assert field.description
        assert field.examples
    assert sum([kind.steps, kind.stops, kind.averages, kind.changes_network]) == 1
    assert kind.penalises <= kind.steps
    strength = kind.fields[kind.strength][1].examples[0]
    control = Control(**{"kind": kind.name, kind.strength: strength})
    assert control.strength == strength
    assert control.of_strength(kind.probe_strength).strength == kind.probe_strength
    assert json.loads(control.model_dump_json(exclude_none=True)).keys() == {"kind", *kind.fields}
    if kind.penalises:
        assert float(kind.penalty(WEIGHTS)) > 0
        made = eval(kind.regularizer(control.strength), {"keras": keras})  # noqa: S307 - code of ours
        ours = sum(control.strength * float(kind.penalty([value])) for value in WEIGHTS)
        assert float(made(WEIGHTS[0])) == pytest.approx(ours)
        assert not kind.held_back(control, 100)
    if kind.stops or kind.averages:
        assert isinstance(kind.callback(control, 10), keras.callbacks.Callback)
        assert kind.stops == (0 < kind.held_back(control, 100) < 100)
    if kind.stops:
        assert kind.patience(control) >= 1
    if kind.averages:
        assert [kind.first_epoch(control.of_strength(share), 10) for share in (0.01, 0.3, 1.0)] == [10, 8, 1]
    if kind.changes_network:
        assert isinstance(eval(kind.layer(control), {"keras": keras}), keras.layers.Layer)  # noqa: S307 - code of ours
    if kind.steps:
        argument, neutral = (np.asarray(value) for value in (kind.argument(strength), kind.neutral))
        assert argument.shape == neutral.shape
        kept = kind.after_step(tf.constant(float(neutral.flat[0])), WEIGHTS)
        np.testing.assert_allclose(kept[0], WEIGHTS[0])
        parts = kind.losses(0.2, [(1.0, tf.zeros(3), None)], lambda y, k: y + k, 2)
        assert sum(share for share, _, _ in parts) == pytest.approx(1.0)
    if not (kind.penalises or kind.changes_network or kind.needs_fit_seeds):
        assert "model.fit(" in "\n".join(kind.fit_lines(control))


@ALL
def test_control_refuses_the_fields_of_others(kind):
    foreign = {key for other in CONTROLS for key in other.fields} - set(kind.fields)
    for key in foreign:
        with pytest.raises(ValidationError, match=f"to have {key}"):
            Control(**{"kind": kind.name, key: next(k.fields[key] for k in CONTROLS if key in k.fields)[1].examples[0]})


def test_controls_have_names_of_their_own_and_a_field_of_two_is_the_same():
    names = [kind.name for kind in CONTROLS]
    assert len(set(names)) == len(names)
    for key in {key for kind in CONTROLS for key in kind.fields}:
        assert len({id(kind.fields[key]) for kind in CONTROLS if key in kind.fields}) == 1
