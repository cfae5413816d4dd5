"""From a user's Keras model to the program that trains many of it, compiled once for all fits of its form."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from math import prod

import keras
import numpy as np
import tensorflow as tf

from noiseflow.engine.fingerprint import model_key
from noiseflow.engine.form import ProgramInputs, ProgramSpec, RowLayout
from noiseflow.engine.memory import OUT_OF_MEMORY
from noiseflow.engine.model import PreparedModel, UntrainableError, require_trainable
from noiseflow.engine.problem import Array, Problem
from noiseflow.engine.program import Program
from noiseflow.engine.sites import Sites, sites_of
from noiseflow.engine.spread import Spreads
from noiseflow.engine.targets import target_forms
from noiseflow.engine.vectorizable import explained, require_no_foreign_randomness, require_vectorizable

PROGRAMS_KEPT = 16


@dataclass(frozen=True)
class Compiled:
    """A program, and what measures the signals that its noise is added to."""

    program: Program
    spreads: Spreads


_programs: OrderedDict[Hashable, Compiled] = OrderedDict()


class Compiler:
    """Compiles programs for the model of one problem. To be used under KERAS_LOCK.

    Args:
        template: the model that `build_model` gives; it is traced, and changed by nothing.

    Raises:
        NotVectorizableError: the model has a part that cannot be trained in this way.
        ValueError: an injection's place does not exist in the model, or does not suit its targets.
    """

    def __init__(self, problem: Problem, template: keras.Model) -> None:
        require_trainable(template)
        require_vectorizable(template)
        self.problem = problem
        self.template = template
        self.model_key = model_key(problem.build_model, template)
        targets = target_forms(template, problem)
        try:
            self.prepared = PreparedModel.of(template, problem)
            found = self.prepared.survey(problem)
        except (*OUT_OF_MEMORY, UntrainableError):
            raise
        except Exception as error:
            raise explained(template, error) from error
        self.sites = sites_of(problem, found, targets)
        after = [shape for point, shape in found.points.items() if point.place in ("input", "after")]
        self.activations = sum(prod(size or 1 for size in shape[1:]) for shape in after)
        """Numbers that the layers give for one row."""

    def program(self, form: ProgramSpec, run: ProgramInputs) -> Compiled:
        """The program for a form; an earlier fit's, if only values differ.

        Args:
            run: of any shard, for its shapes and dtypes.
        """
        key = self._key(form, run)
        if key is None or key not in _programs:
            compiled = self._compile(form, run)
            if key is None:
                return compiled
            _programs[key] = compiled
        _programs.move_to_end(key)
        while len(_programs) > PROGRAMS_KEPT:
            _programs.popitem(last=False)
        return _programs[key]

    def _key(self, form: ProgramSpec, run: ProgramInputs) -> Hashable | None:
        """What two fits must have in common to share a program; None where that is not known."""
        if self.model_key is None:
            return None
        controls = self.problem.early_stopping is not None
        shapes = tuple((tuple(v.shape), v.dtype.name) for v in keras.tree.flatten(run))
        structure = str(keras.tree.map_structure(lambda v: None, run))
        return self.model_key, self.sites, controls, form, shapes, structure, self.prepared.rows_a_batch

    def _compile(self, form: ProgramSpec, run: ProgramInputs) -> Compiled:
        run = with_sites(run, self.problem, self.sites, np.zeros((form.width, len(self.sites.all))))
        try:
            program = Program(self.prepared, form, self.sites)
            program.trace(program.start([np.stack([w] * form.width) for w in self.template.get_weights()]), run)
        except OUT_OF_MEMORY:
            raise
        except Exception as error:
            raise explained(self.template, error) from error
        require_no_foreign_randomness(self.template, program.function.graph)
        return Compiled(program, Spreads(self.prepared, self.sites))


def form_of(problem: Problem, width: int) -> ProgramSpec:
    """What the program of a problem is compiled for."""
    gathered = problem.shuffle and problem.train.n_rows > problem.batch_size
    return ProgramSpec(
        width=width,
        batch_size=min(problem.batch_size, problem.train.n_rows),
        shuffle=problem.shuffle,
        train=RowLayout.of(problem.train, width, gathered=gathered),
        evaluations=tuple(
            (name, RowLayout.of(rows, width, gathered=False)) for name, rows in problem.evaluations.items()
        ),
        averages=problem.average_from > 0,
        held=None if problem.held is None else RowLayout.of(problem.held, width, gathered=False),
    )


def with_sites(run: ProgramInputs, problem: Problem, sites: Sites, scales: Array) -> ProgramInputs:
    """The run with the scales (width, n_sites) of the sites, and the settings of their injections' schedules."""
    injections = [problem.noise[site.injection] for site in sites.all]
    floats = keras.config.floatx()
    return run._replace(
        scales=tf.constant(scales, floats),
        schedules=tf.constant(np.reshape([injection.scheduled for injection in injections], (-1, 3)), floats),
        decays=tf.constant([injection.decay or 0.0 for injection in injections], floats),
    )
