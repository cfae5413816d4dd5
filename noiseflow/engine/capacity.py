"""How many replicas one program holds, and how many programs run at once: from the model's size, the cores and the memory."""

from __future__ import annotations

import os
from math import prod
from threading import Semaphore

import keras

from noiseflow.engine.problem import Problem
from noiseflow.engine.replicas import WIDTH

WIDTH_ON_GPU = 64  # a GPU has no use for small shards; with 30 seeds half of it is idle
CACHE_BYTES = (
    2**23
)  # what a program may work on (measured: an MLP is fastest with 8 replicas, the CNN of 2 MB each with 4)
LEAST_WIDTH = 2
COPIES = 4  # of each activation at once, at the most: itself, its gradient, its noise, and what XLA keeps
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
core = Semaphore(CORES)
"""To be held by a thread that computes: two fits in one process share the cores."""


def bytes_a_replica(model: keras.Model, activations: int, problem: Problem) -> int:
    """Estimate of the memory that training one replica takes, its own data included.

    Args:
        activations: numbers that the layers give for one row.
    """
    activations *= min(problem.batch_size, problem.train.n_rows) * COPIES
    weights = sum(prod(w.shape) for w in model.weights) * COPIES
    data = sum(a.nbytes for a in keras.tree.flatten(problem.train.parts)) * problem.train.per_seed
    return int((activations + weights) * 4 + data / len(problem.seeds))


def width_of(model: keras.Model, activations: int, problem: Problem, device: str, memory: int | None = None) -> int:
    """Replicas of one program, from the model, the data and the machine; never from how many seeds there are.

    On a CPU WIDTH, halved until they fit the cache, but not below LEAST_WIDTH; on a GPU WIDTH_ON_GPU. Halved further until
    all programs that run at once fit half of the machine's memory (of all, not of the memory that is free now), so that rows
    repeat. What runs out of memory all the same is halved while it trains (`vectorized.py`).
    """
    each = bytes_a_replica(model, activations, problem)
    memory = total_memory() if memory is None else memory
    width = WIDTH if device.startswith("/CPU") else WIDTH_ON_GPU
    if device.startswith("/CPU"):
        while width > LEAST_WIDTH and width * each > CACHE_BYTES:
            width //= 2
    while width > 1 and programs_at_once(device) * width * each > memory // 2:
        width //= 2
    return width


def programs_at_once(device: str) -> int:
    """One a core; a GPU runs one after the other."""
    return CORES if device.startswith("/CPU") else 1


def total_memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
