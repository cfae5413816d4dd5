"""What `noiseflow init` chooses for a table: how it is read, the part of each column, the split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from noiseflow.base.faults import InvalidInputError, some_named, some_of
from noiseflow.datasets.columns import column_kind, numbers, texts
from noiseflow.datasets.doubts import doubts
from noiseflow.datasets.files import guess_sheet, is_too_large, read_table
from noiseflow.datasets.guesses import (
    FEATURES,
    Guess,
    gives_target_away,
    guess_column,
    has_blanks,
    is_date,
    is_twin,
    nearly_equal,
    numbered_names,
    panel_units,
)
from noiseflow.datasets.number_text import STYLES, parse
from noiseflow.datasets.packed import BROKEN, TEXT_SUFFIXES, suffix_of
from noiseflow.datasets.preparation import prepare_table
from noiseflow.datasets.table_checks import mixed_faults
from noiseflow.datasets.table_facts import giveaways
from noiseflow.datasets.text_files import Reading, names_are_below
from noiseflow.datasets.text_guesses import guess_text
from noiseflow.study.choosing import Draft, Remarks, dataset_of, first_sound, guess_task, task_remarks

SAMPLE = 50_000
"""Rows of a file that is too large to be read whole."""
_LEAST_GROUPS = 5
_LEAST_ROWS = 4
"""Rows with a target below which nothing can be said of it: two train and two test."""


def choose_table(path: str, target: str, task: str | None) -> Draft:
    """The dataset that fits a table.

    Raises:
        InvalidInputError: the file or the target is faulty; the message names every fault.
    """
    reading, remarks = _reading(path, target)
    raw = read_table(path, reading)
    if numbered := numbered_names(raw):
        remarks.setdefault("path", []).extend(numbered)
    chosen = _targets(raw, target, path, reading, remarks)
    target, *others = chosen
    named = chosen if others else target
    settings: dict[str, Any] = {"kind": "table", "path": path, "target": named, **reading.keys()}
    settings |= _written_oddly(raw, settings, remarks)
    settings["task"] = task or _task_of(_prepared(settings)[list(chosen)])
    frame = _prepared(settings)
    remarks["task"] = task_remarks(frame[target], settings["task"]) if task is None else []
    if others and task is None:
        remarks["task"] = [
            "Guessed: several labels." if settings["task"] == "classification" else "Guessed: several numbers."
        ]
    for name in chosen:
        see_target(frame[name], settings["task"])
    settings |= _rows_aside(frame[list(chosen)], settings["task"], remarks)
    frame = _prepared(settings)
    features = frame.drop(columns=list(chosen))
    guesses = {str(name): guess_column(features[name]) for name in features.columns}
    usable = features[[name for name, guess in guesses.items() if guess.kind in FEATURES]]
    for name, reason in _twins(usable, frame[list(chosen)], settings["task"]):
        guesses[name] = Guess("constant", reason)
    usable = usable[[name for name in usable if guesses[str(name)].kind in FEATURES]]
    said = [*giveaways(usable, frame[list(chosen)], settings["task"])]
    written = (*settings.get("numeric", ()), *settings.get("categorical", ()))
    said += doubts((frame[name] for name in (*usable, *chosen) if name not in written), guesses)
    remarks.setdefault("target", []).extend(said)
    labels = pd.concat([frame[name] for name in chosen]) if settings["task"] == "classification" else frame[target]
    return first_sound(
        _choices(features, guesses, settings, remarks.get("missing", [])), labels, remarks, several=bool(others)
    )


def read_as_guessed(path: str) -> pd.DataFrame:
    """The table as it is read before a target is named.

    Raises:
        InvalidInputError: the file is faulty; the message names every fault.
    """
    return read_table(path, _reading(path, "")[0])


def _reading(path: str, target: str) -> tuple[Reading, Remarks]:
    """How the file is read, a sample of it where it is large, with a remark on each choice."""
    reading, why = _guessed(path, target) if _is_there(path) else (Reading(), {})
    remarks: Remarks = {key: [text] for key, text in why.items()}
    if is_too_large(path, reading):
        reading = replace(reading, sample=SAMPLE, drawn_by=1)  # the data seed that a study has
        remarks["sample"] = ["The file is too large to be read whole: so many of its rows are drawn at random."]
    return reading, remarks


def _guessed(path: str, target: str) -> tuple[Reading, dict[str, str]]:
    """How the file seems to be written, and why."""
    if suffix_of(path) in TEXT_SUFFIXES:
        try:
            reading, why = guess_text(path)
        except (OSError, *BROKEN):  # a packed file is broken, as reading says
            return Reading(), {}
        if names_are_below(path, target, reading):
            reading = replace(reading, skip_rows=(reading.skip_rows or 0) + 1)
            why = why | {"skip_rows": "Names are in two lines; the second line is used."}
        return reading, why
    return guess_sheet(path) if suffix_of(path) == ".xlsx" else (Reading(), {})


def _is_there(path: str) -> bool:
    try:
        read_table(path)
    except InvalidInputError as error:
        return not any(
            part in error.faults[0] for part in ("which is no file", "does not exist", "cannot be looked at")
        )
    return True


def _prepared(settings: dict[str, Any]) -> pd.DataFrame:
    """The table as it is read with what is chosen so far."""
    return prepare_table(dataset_of({"task": "classification", **settings})).frame


def _targets(frame: pd.DataFrame, given: str, path: str, reading: Reading, remarks: Remarks) -> tuple[str, ...]:
    """The columns that are meant: one, or several where no column has a name with these commas in it."""
    parts = [part for part in given.split(",") if part.strip()]
    if len(parts) < 2 or given.strip() in map(str, frame.columns):
        return (_target(frame, given, path, reading, remarks),)
    return tuple(_target(frame, part, path, reading, remarks) for part in parts)


def _task_of(targets: pd.DataFrame) -> str:
    """What is learnt of one target, or of several: labels where each has two values, else numbers.

    Raises:
        InvalidInputError: several targets are of several kinds.
    """
    if targets.shape[1] == 1:
        return guess_task(targets.iloc[:, 0])
    if found := mixed_faults(targets):
        raise InvalidInputError(found)
    return "classification" if (targets.nunique() <= 2).all() else "regression"


def _target(frame: pd.DataFrame, given: str, path: str, reading: Reading, remarks: Remarks) -> str:
    """The column that is meant: its name, or else its name in other capitals; without a header its first value or its place."""
    names = [str(name) for name in frame.columns]
    target = given.strip()
    if target in names:
        return target
    found = [name for name in names if name.casefold() == target.casefold()]
    if reading.header == "none":
        first = read_table(path, replace(reading, header=None)).columns
        found = [name for name, cell in zip(names, first, strict=False) if str(cell).strip() == target]
        found = found or ([names[int(target) - 1]] if target.isdigit() and 0 < int(target) <= len(names) else [])
    if len(found) == 1:
        remarks["target"] = [f"{given!r} was given."]
        return found[0]
    shown = ", ".join(name[:80] for name in names[:20])
    hint = " The first line looks like values, so that columns have no names." if reading.header == "none" else ""
    received = f"received {given!r}" if given else "received none (--target NAME)"
    raise InvalidInputError([f"target must be a column of the table; {received}, the columns are {shown}.{hint}"])


def _written_oddly(frame: pd.DataFrame, settings: dict[str, Any], remarks: Remarks) -> dict[str, Any]:
    """Numbers that are text, words for missing values, and texts that are nearly equal."""
    reading = Reading(**{key: settings[key] for key in Reading.__dataclass_fields__ if key in settings})
    numeric, categorical, uneven = [], [], []
    targets = [settings["target"]] if isinstance(settings["target"], str) else settings["target"]
    words = list(settings.get("na_values", ()))
    if infinite := [n for n in frame if column_kind(frame[n]) == "number" and np.isinf(numbers(frame[n])).any()]:
        words += ["inf"] * ("inf" not in words)
        remarks.setdefault("na_values", []).append(
            f"{some_named(map(str, infinite))}: infinite numbers are taken for missing."
        )
    for name in map(str, frame.columns):
        column = frame[name]
        if column_kind(column) not in ("category", "date") or not _is_text(column):
            continue
        if name in targets and column.nunique() == 2:
            uneven += [name] * bool(has_blanks(column) or nearly_equal(column))
            continue
        guess = guess_column(column)
        if guess.kind == "number" and guess.parsed and not _reads_itself(column, reading):
            numeric.append(name)
            odd = [word for word in guess.parsed.odd if word not in words]
            words += odd
            doubt = f" {some_named(odd)} {'is' if len(odd) == 1 else 'are'} taken for missing: not sure." if odd else ""
            remarks.setdefault("numeric", []).append(f"{name!r} {guess.why}.{doubt}")
        elif guess.kind in ("category", "group", "identifier"):
            alike = nearly_equal(column) if guess.kind != "identifier" else []
            if has_blanks(column) or alike:
                uneven.append(name)
                remarks.setdefault("tidy", []).extend(
                    [f"{name!r}: {some_named(list(alike[0]))} are taken for one."] if alike else []
                )
            unique = list(texts(column).dropna().str.strip().unique())
            if len(unique) >= 10 and 0.8 * len(unique) <= len(parse(unique).numbers) < len(unique):
                categorical.append(name)
                remarks.setdefault("categorical", []).append(
                    f"{name!r} holds numbers and {some_named(list(parse(unique).odd[:3]))}."
                )
    if uneven:
        have = "has" if len(uneven) == 1 else "have"
        what = f"{some_named(uneven)} {have} texts that differ in blanks, capitals or a mark at the end only."
        remarks.setdefault("tidy", []).insert(0, what)
    found: dict[str, Any] = {"numeric": numeric, "categorical": categorical, "na_values": words, "tidy": bool(uneven)}
    return {key: value for key, value in found.items() if value}


def _is_text(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_object_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype)


def _reads_itself(column: pd.Series[Any], reading: Reading) -> bool:
    """Whether the texts become numbers without being named, as the study says how numbers are written."""
    unique = list(texts(column).dropna().unique())
    styles = [style for style in (reading.style, STYLES[0]) if style]
    return reading.style is not None and any(not (p := parse(unique, s)).others and not p.unit for s in styles)


def see_target(column: pd.Series[Any], task: str) -> None:
    """Raises where nothing can be predicted: there are hardly any values, one only, dates, or a name for each row."""
    name, distinct, n = repr(column.name), column.nunique(), int(column.notna().sum())
    if 0 < n < _LEAST_ROWS:
        must = f"have at least {_LEAST_ROWS} rows with {name}"
        raise InvalidInputError(
            [f"the table must {must}; received {n}, too few to see how it can be predicted. Bring more rows."]
        )
    if column_kind(column) == "date" or (column_kind(column) == "category" and is_date(column)):
        fix = "Turn it into numbers, such as days since the first, or choose another."
        raise InvalidInputError([f"target must be numbers or classes; received {name}, which holds dates. {fix}"])
    if distinct < 2:
        shown = f"{str(column.dropna().iloc[0])!r} throughout" if distinct else "empty"
        raise InvalidInputError(
            [f"target must differ between rows; received {name}, which is {shown}. Choose another."]
        )
    if task == "classification" and distinct == 2 and column.value_counts().min() == 1:
        only = str(column.value_counts().index[-1])
        text = f"target must have at least 2 rows of each class; received {name} with 1 of {only!r}. Choose another."
        raise InvalidInputError([text])
    if task == "classification" and distinct > 20 and distinct > n / 2:
        received = f"{name} with {distinct:,} different values in {n:,} rows"
        raise InvalidInputError([f"target must have classes that rows share; received {received}. Choose another."])


def _rows_aside(targets: pd.DataFrame, task: str, remarks: Remarks) -> dict[str, Any]:
    """Rows without a target, and classes of one row, are set aside."""
    column = targets.iloc[:, 0]
    missing, counts = int(targets.isna().any(axis=1).sum()), column.value_counts()
    rare = [str(label) for label, n in counts.items() if n == 1] if task == "classification" and len(counts) > 2 else []
    reasons = {"missing_target": missing, "rare_classes": len(rare)}
    if missing:
        lacking = " or no ".join(repr(str(name)) for name in targets.columns)
        text = f"{missing} of {len(column)} rows have no {lacking}: they are left out."
        remarks.setdefault("set_aside", []).append(text)
    if rare:
        remarks.setdefault("set_aside", []).append(
            f"Only one row has {some_named(rare)}: it can be in training or test only, and is left out."
        )
    chosen = tuple(reason for reason, n in reasons.items() if n)
    return {"set_aside": chosen} if chosen and len(rare) < len(counts) - 1 else {}


def _choices(
    features: pd.DataFrame, guesses: dict[str, Guess], settings: dict[str, Any], words: list[str]
) -> Iterator[tuple[dict[str, Any], Remarks]]:
    """Settings to choose from with the remarks of each, the best first; the next are for when rows cannot be split so."""
    dropped = {
        name: f"{name!r} {guess.why}."
        for name, guess in guesses.items()
        if guess.kind not in ("number", "category", "group", "date", "time")
    }
    dates = [name for name, guess in guesses.items() if guess.kind == "date"]
    times = dates if len(dates) == 1 else [] if dates else [n for n, g in guesses.items() if g.kind == "time"][:1]
    units = [name for name in panel_units(features, guesses) if features[name].nunique() >= 2 * _LEAST_GROUPS]
    named = [name for name, g in guesses.items() if g.kind == "group"]
    sure = [
        name for name in (*(n for n in named if guesses[n].sure), *units) if features[name].nunique() >= _LEAST_GROUPS
    ]
    sure = [name for name in dict.fromkeys(sure) if not features[name].isna().any()]
    by_class = settings["task"] == "classification" and isinstance(settings["target"], str)
    plain = {"split": "stratified" if by_class else "random"}
    several = "holds dates, as others do: to test on the latest rows, name it under time"
    for by, split in [
        *((name, "group") for name in sure),
        *((name, "time") for name in times),
        ("", ""),
        ("", "random"),
    ]:
        if by and features[by].isna().any():
            continue
        mine = dict(dropped)
        own: Remarks = {"split": []}
        if split == "group":
            own["split"].append(
                f"{by!r} looks like a name that rows share: those of one stay together, either to train or to test, "
                "and it is no feature. If rows do not belong together, set split anew."
            )
        elif split == "time":
            what = "holds dates" if by in dates else "orders the rows in time"
            own["split"].append(
                f"{by!r} {what}: the latest rows test, and it is no feature. There is one such split, so that the conclusions "
                "hold for it only. If time plays no part, name the column under drop, and set split and design anew."
            )
        mine |= {name: f"{name!r} {several if len(dates) > 1 else 'holds dates'}." for name in dates if name != by}
        mine |= {
            n: f"{n!r} {g.why}: name it under time to test on the latest rows."
            for n, g in guesses.items()
            if g.kind == "time" and n != by
        }
        doubtful = [
            name for name in dict.fromkeys([*named, *panel_units(features, guesses)]) if name != by and not split
        ]
        own["split"] += [
            f"Not sure: {name!r} looks like a name that rows share. If they belong together, write group: {name}, not split."
            for name in doubtful
        ]
        own["split"] += [
            f"Not sure: {n!r} {g.why}. To test on the latest rows, write time: {n} in place of split."
            for n, g in guesses.items()
            if g.kind == "number" and not g.sure and not g.parsed and not split
        ]
        own["drop"] = list(mine.values())
        kept = features.drop(columns=[*mine, *([by] if by else [])])
        if kept.empty and (only := [name for name, guess in guesses.items() if _is_last_resort(name, guess)]):
            if by:  # there is nothing else to learn from
                continue
            mine = {name: why for name, why in mine.items() if name not in only}
            own["drop"], kept = list(mine.values()), features[only]
            own["split"].append(f"{some_named(only)} counts or orders the rows, but is all there is to learn from.")
        own["missing"] = _missing_remarks(kept)
        own["missing"] += words if own["missing"] else []
        chosen = {"split": split, "split_by": by} if by else {"split": split} if split else plain
        own["split"] += ["There are too few rows of each class to split by class."] if split == "random" else []
        impute = {"missing": "impute"} if own["missing"] else {}
        roles = {
            key: [n for n in settings[key] if n not in mine] for key in ("numeric", "categorical") if key in settings
        }
        yield (
            settings
            | chosen
            | impute
            | {key: names or None for key, names in roles.items()}
            | {"drop": [*mine] or None},
            own,
        )


def _is_last_resort(name: str, guess: Guess) -> bool:
    """Whether a column of numbers that counts or orders the rows has a name, so that something may be learnt from it."""
    return guess.kind == "time" or (guess.why == "seems to number the rows" and not name.startswith("Unnamed"))


def _twins(features: pd.DataFrame, targets: pd.DataFrame, task: str) -> Iterator[tuple[str, str]]:
    """Features that are nearly the target and are called like it, each with the end of a sentence, unless all are."""
    found = {
        str(name): f"is called like {str(target)!r} and gives it away. Keep it if it is known before"
        for target in targets.columns
        for name in features.columns
        if is_twin(name, target)
        and gives_target_away(features[name], targets[target], is_class=task == "classification")
    }
    yield from found.items() if len(found) < features.shape[1] else ()


def _missing_remarks(features: pd.DataFrame) -> list[str]:
    missing = features.isna().sum()
    missing = missing[missing > 0]
    if missing.empty:
        return []
    columns = some_of(f"{str(name)!r} ({n} of {len(features)})" for name, n in missing.items())
    return [f"Missing values in {columns}: they take the training rows' median, or commonest."]
