"""What `noiseflow init` chooses for an .npz file: the task, the channels, the split."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from noiseflow.datasets.archives import read_archive
from noiseflow.datasets.arrays import channels_of, filled_remarks, is_one_hot, layout_doubts
from noiseflow.study.choosing import Draft, Remarks, first_sound, guess_task, task_remarks


def choose_arrays(path: str, _target: str, task: str | None) -> Draft:
    """The dataset that fits an .npz file.

    Raises:
        InvalidInputError: the file is faulty; the message names every fault.
    """
    archive, remarks, channels = read_archive(path), Remarks(), None
    y = archive.y
    y = y.argmax(axis=1) if is_one_hot(y) and task != "regression" else y
    is_labels = y.ndim == 2 and len(np.unique(y)) == 2
    is_classes = y.dtype.kind in "bUO" or is_labels or (y.ndim == 1 and guess_task(pd.Series(y)) == "classification")
    settings: dict[str, Any] = {
        "kind": "arrays",
        "path": path,
        "task": task or ("classification" if is_classes else "regression"),
    }
    remarks["task"] = task_remarks(pd.Series(y.ravel()), settings["task"]) if task is None else []
    if y.ndim == 2 and y.shape[1] > 1:
        remarks["task"].append(f"y has {y.shape[1]} columns: each is a target.")
    if not archive.is_padded and (channels := channels_of(archive.X)):
        settings["channels"] = channels
        said = (
            "has its channels before its height or steps"
            if channels == "first"
            else "seems to hold images without channels"
        )
        remarks["channels"] = [f"X of the shape {archive.X.shape} {said}: a guess."]
    remarks["path"] = layout_doubts(archive, channels)
    if archive.is_padded:
        settings["padding"] = "masked"
        remarks["padding"] = [
            "Sequences of several lengths: steps that are not there are skipped, and take no part in means."
        ]
    if remark := filled_remarks(archive.X):
        settings["missing"], remarks["missing"] = "impute", remark
    if archive.X.dtype == np.uint8:
        remarks["standardize"] = [
            "X holds whole numbers from 0 to 255, which this scales. Or: scale: 255 with standardize: false, for 0 to 1."
        ]
    split = (
        "given"
        if archive.is_test is not None
        else "group"
        if archive.groups is not None
        else "time"
        if archive.time is not None
        else None
    )
    if split:
        settings["split"] = split
        remarks["split"] = [
            "The file brings x_test and y_test." if split == "given" else f"By the array of the file: {split}."
        ]
    n_axes = archive.X.ndim + (channels == "none")
    network = {4: "{kind: cnn, filters: [8], kernel_size: 3}", 3: "{kind: lstm, units: [16]}"}.get(n_axes, "")
    several = y.ndim == 2 and y.shape[1] > 1
    draft = first_sound(iter([(settings, Remarks())]), pd.Series(y.ravel()), remarks, several=several)
    return replace(draft, network=network or draft.network)
