"""Where a batch is trained: the GPU if TensorFlow sees one, else the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def choose_device(wanted: str, gpus: Sequence[Any]) -> str:
    """TensorFlow's name of the device: `/GPU:0` or `/CPU:0`.

    Args:
        wanted: auto, cpu or gpu.
        gpus: the GPUs that TensorFlow sees.

    Raises:
        RuntimeError: gpu is wanted and there is none.
    """
    if wanted == "gpu" and not gpus:
        raise RuntimeError(
            "device 'gpu' was asked for, but TensorFlow sees none on this machine. "
            "Install TensorFlow's CUDA libraries, in the checkout: pip install -e '.[gpu]'; check CUDA_VISIBLE_DEVICES; "
            "or use device 'auto' or 'cpu'."
        )
    return "/GPU:0" if gpus and wanted != "cpu" else "/CPU:0"


def require_device(wanted: str) -> None:
    """Finds out at once, and not when the training starts, whether the device is there.

    Raises:
        RuntimeError: gpu is wanted and there is none.
    """
    choose_device(wanted, tf.config.list_physical_devices("GPU"))


def prepare_device(wanted: str) -> str:
    """TensorFlow's name of the chosen device; the memory of a GPU will grow as needed.

    Raises:
        RuntimeError: gpu is wanted and there is none.
    """
    gpus = tf.config.list_physical_devices("GPU")
    name = choose_device(wanted, gpus)
    for gpu in gpus:
        if not tf.config.experimental.get_memory_growth(gpu):
            tf.config.experimental.set_memory_growth(gpu, True)
    return name


def kind(device: str) -> str:
    """The kind, cpu or gpu, from TensorFlow's name of the device."""
    return device.strip("/").partition(":")[0].lower()
