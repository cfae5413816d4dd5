"""How many replicas one program holds, and how many programs run at once: from the model's size, the cores and the memory."""

from __future__ import annotations

import os
from math import prod
from threading import BoundedSemaphore

import keras

from noiseflow.training.problem import Problem
from noiseflow.training.replicas import WIDTH

WIDTH_ON_GPU = 256  # a GPU has no use for small shards
COPIES = 4  # of each activation at once, at the most: itself, its gradient, its noise, and what XLA keeps
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
core = BoundedSemaphore(CORES)
"""To be held by a thread that computes: two fits in one process share the cores."""


def bytes_a_replica(model: keras.Model, problem: Problem) -> int:
    """Estimate of the memory that training one replica takes, its share of the data included."""
    rows = min(problem.batch_size, problem.train.n_rows)
    shapes = [t.shape for layer in model.layers for t in keras.tree.flatten(layer.output)]
    activations = sum(prod(size or 1 for size in shape[1:]) for shape in shapes) * rows * COPIES
    weights = sum(prod(w.shape) for w in model.weights) * COPIES
    data = sum(a.nbytes for a in keras.tree.flatten(problem.train.parts)) * problem.train.per_seed
    return int((activations + weights) * 4 + data)


def width_of(model: keras.Model, problem: Problem, device: str, memory: int | None = None) -> int:
    """Replicas of one program: WIDTH, halved until they fit the memory; on a GPU up to WIDTH_ON_GPU, if there are as many.

    It depends on the model, the data and the machine, and not on how many seeds there are where a row could tell.
    """
    wanted = WIDTH if device.startswith("/CPU") else WIDTH_ON_GPU
    memory = total_memory() if memory is None else memory
    while wanted > 1 and wanted * bytes_a_replica(model, problem) > memory // 2:
        wanted //= 2
    return wanted


def programs_at_once(device: str) -> int:
    """One a core; a GPU runs one after the other."""
    return CORES if device.startswith("/CPU") else 1


def total_memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
