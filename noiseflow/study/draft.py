"""A study file for the user's own data: what `noiseflow init` writes."""

from __future__ import annotations

import hashlib
import os
import re
import textwrap
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from text_unidecode import unidecode

from noiseflow.datasets.facts import what_was_read
from noiseflow.study import Dataset
from noiseflow.study import loading as studies
from noiseflow.study.choosing import N_SEEDS, Draft, see_file
from noiseflow.study.choosing_arrays import choose_arrays
from noiseflow.study.choosing_table import choose_table

_STEPS = {("table", "classification"): 10_000, ("table", "regression"): 2_000}
"""Of the optimizer, in all: enough for a small network to overfit a small table; of a regression, not so far that it fails."""
_OTHER_STEPS = 1_000

STRENGTHS = {"input": 0.1, "before_activation": 0.3, "after_activation": 0.3}
"""Stddevs to begin with, where nothing is known of similar data."""
Suggest = Callable[[Dataset], tuple[Mapping[str, float], str]]
"""From a dataset to stddevs in place of STRENGTHS, and why, in a line."""
VARIANTS = """variants:
  - name: baseline
  - name: input
    injections: [{place: input, stddev: INPUT}]
  - name: before_activation
    injections: [{place: before_activation, stddev: BEFORE_ACTIVATION}]
  - name: after_activation
    injections: [{place: after_activation, stddev: AFTER_ACTIVATION}]
  # Rivals: is noise better than these?
  - name: dropout
    injections: [{place: after_activation, kind: dropout, rate: 0.3}]
  - name: l2
    controls: [{kind: l2, factor: 0.001}]
"""


def draft_study(
    path: str, target: str, task: str | None = None, name: str | None = None, written_to: str | None = None
) -> str:
    """The text of a commented study file for the user's own file, which runs as it is.

    Args:
        path: of the table or the .npz file; is given in the text as here, or relative to `written_to`.
        target: the column that is predicted, or several with commas between; of an .npz file nothing.
        task: classification or regression; guessed from the target unless given.
        name: of the study; made from the file's name unless given.
        written_to: path of the study file that the text is for.

    Raises:
        InvalidInputError: the file, the target or the name is faulty; the message names every fault.
    """
    return _drafted(path, target, task, name, written_to)[0]


def draft_and_look(
    path: str, target: str, task: str | None = None, written_to: str | None = None, suggest: Suggest | None = None
) -> tuple[str, list[str]]:
    """The text of `draft_study`, and what was read of the file, as lines.

    Args:
        suggest: the strengths to begin with.
    """
    text, draft = _drafted(path, target, task, None, written_to, suggest)
    return text, what_was_read(draft.dataset, range(1, 6)).lines()


def choose(path: str, target: str, task: str | None = None) -> Draft:
    """The dataset that fits a file; arguments and errors as in `draft_study`."""
    see_file(path)
    return (choose_arrays if path.lower().endswith(".npz") else choose_table)(path, target, task)


def _drafted(
    path: str,
    target: str,
    task: str | None,
    name: str | None,
    written_to: str | None,
    suggest: Suggest | None = None,
) -> tuple[str, Draft]:
    draft = choose(path, target, task)
    shown = path if written_to is None else os.path.relpath(path, Path(written_to).parent)
    strengths, why = suggest(draft.dataset) if suggest else (STRENGTHS, "")
    text = _text(draft, name or study_name(written_to or path), shown) + _variants(strengths, why)
    studies.validate(yaml.safe_load(text))
    return text, draft


def study_name(path: str) -> str:
    """The file's name in the letters that a study's name may have.

    Letters of other scripts become Latin ones, so that it can be read: `データ` is `deta`. As several words may become the
    same, a code of the name follows. It also follows where nothing is left to read.
    """
    stem = unicodedata.normalize("NFKC", Path(path).stem.lower())
    plain = re.sub(r"[^a-z0-9]+", "-", unidecode(stem).lower()).strip("-")
    accents_aside = (c for c in unicodedata.normalize("NFKD", stem) if not unicodedata.combining(c))
    if not plain or any(c.isalpha() and not c.isascii() for c in accents_aside):
        code = hashlib.sha256(stem.encode()).hexdigest()[:8]
        plain = f"{plain[:54].strip('-') or 'study'}-{code}"
    return plain[:63].strip("-")


def _text(draft: Draft, name: str, path: str) -> str:
    dataset, batch_size = draft.dataset, _batch_size(draft.n_train)
    epochs = _epochs(draft.n_train, batch_size, _STEPS.get((dataset.kind, dataset.of_task), _OTHER_STEPS))
    design, n_trials = ("replicate" if dataset.is_split_once else "resample"), 6 * N_SEEDS
    why = "one split, seeds vary" if dataset.is_split_once else "each seed splits the rows anew"
    what = f"to predict {', '.join(dataset.targets)}" if dataset.targets else f"on {Path(path).name}"
    purpose = f"Does noise help {what}?"[:500]
    lines = [
        f"# Does noise help on {Path(str(dataset.path)).name!r}? Drafted by `noiseflow init`; every value is a suggestion.",
        f"name: {_scalar(name)}",
        f"purpose: {_scalar(purpose)}",
        f"design: {design}  # {why}",
        f"n_seeds: {N_SEEDS}  # 6 variants x {N_SEEDS} seeds = {n_trials} trials",
        "",
        "datasets:",
        *_dataset_lines(draft, path),
        "",
        "architectures:",
        f"  - {draft.network}",
        "",
        f"# {draft.n_train} rows train: {epochs} epochs are {epochs * -(-draft.n_train // batch_size):,} steps.",
        f"training: {{epochs: {epochs}, batch_size: {batch_size}, record_every: {max(1, epochs // 100)}}}",
        "",
        "# Strengths are in units of the standardised features, or of the hidden layer's values.",
    ]
    return "\n".join(lines) + "\n"


def _variants(strengths: Mapping[str, float], why: str) -> str:
    text = VARIANTS
    for place, stddev in strengths.items():
        text = text.replace(f"stddev: {place.upper()}}}", f"stddev: {stddev}}}")
    return "".join(f"# {line}\n" for line in textwrap.wrap(why, 110)) + text


ORDER = (
    "kind", "path", "separator", "decimal", "thousands", "encoding", "header", "skip_rows", "sheet", "na_values", "sample",
    "not_missing", "tidy", "channels", "scale", "padding", "target", "task", "score", "set_aside", "test_fraction", "split",
    "split_by", "drop", "numeric", "categorical", "missing", "standardize",
)  # fmt: skip
"""Keys of a dataset as a drafted study has them."""


def _dataset_lines(draft: Draft, path: str) -> list[str]:
    """The dataset's settings, each below the remarks about it."""
    dataset = draft.dataset
    shown = {key: getattr(dataset, key) for key in ORDER} | {"path": path}
    if dataset.split == "given":
        shown["test_fraction"] = None
    lines: list[str] = []
    for key, value in shown.items():
        if value is None or (key == "missing" and value == "refuse"):
            continue
        lines += [
            f"    # {one_line}" for remark in draft.remarks.get(key, []) for one_line in textwrap.wrap(remark, 110)
        ]
        lines.append(f"    {key}: {_value(value)}")
    lines[0] = "  - " + lines[0].strip()
    return lines


def _batch_size(n_train: int) -> int:
    """Batch size for that many rows."""
    return next(
        size for least, size in ((20_000, 512), (2_000, 128), (64, 32), (0, min(8, n_train))) if n_train >= least
    )


def _epochs(n_train: int, batch_size: int, steps: int) -> int:
    """Epochs for that many rows: so many steps, but no more than 2,000 epochs and no fewer than 20."""
    epochs = steps // -(-n_train // batch_size)
    rounded = round(epochs, 1 - len(str(epochs))) if epochs else 0
    return max(20, min(2_000, rounded))


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_scalar, value))}]"
    return str(value) if isinstance(value, float) else _scalar(value)


def _scalar(value: Any) -> str:
    """The value as YAML: plain where that reads the same, else between quotes."""
    if isinstance(value, str) and not (re.fullmatch(r"[A-Za-z][\w./ -]*", value) and yaml.safe_load(value) == value):
        return yaml.safe_dump(value, default_style='"', allow_unicode=True, width=10_000).strip()
    return str(value).lower() if isinstance(value, bool) else str(value)
