"""From a study to its cells, trials and batches, and what identifies a trial."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import pandas as pd
from pydantic import BaseModel

from noiseflow.base.faults import InvalidInputError
from noiseflow.campaigns.rounds import Round, campaign_of
from noiseflow.datasets import columns_of
from noiseflow.noise.injection import Injection
from noiseflow.study import Architecture, Dataset, Study, Training, Variant
from noiseflow.study.robustness import Robustness
from noiseflow.study.users_own import content_digest

NUMERICS_VERSION = 4
"""Raised whenever the numbers of a trial change; tests/test_golden.py notices."""


INNER_SPLITS = 3
"""Of the training rows of each data seed, for the choice of a strength."""
SEEDS_DRAWN = 300
"""Most seeds that a report draws rows, curves and predictions of: more would change no picture."""
INERT = {
    "relative": False,
    "schedule": "constant",
    "start": 1.0,
    "final": 0.0,
    "mean": 0.0,
    "draws": "element",
    "at": ["train"],
    "channels": "last",
    "padding": "marked",
}
"""Settings of injections and datasets that were added later, with the value that changes nothing."""


@dataclass(frozen=True)
class Cell:
    """One row of the summary: a variant of an architecture on a dataset, trained in one way by one engine.

    Attributes:
        family: the name of the study's variant that `variant` is, or is a strength of.
        inner: splits of the training rows that its strength is looked at on, where a family of strengths meets a finite
            table that is split again and again.
    """

    dataset: Dataset
    architecture: Architecture
    variant: Variant
    family: str
    training: Training
    engine: str
    robustness: tuple[Robustness, ...] = ()
    inner: int = 0

    @property
    def names(self) -> dict[str, Any]:
        """What the tables call it: dataset, architecture, variant, family, strength."""
        return {
            "dataset": self.dataset.name,
            "architecture": self.architecture.name,
            "variant": self.variant.name,
            "family": self.family,
            "strength": self.variant.strength,
        }

    @cached_property
    def injections(self) -> tuple[Injection, ...]:
        """The injections of the variant, their columns as numbers; without columns where all take the noise alike.

        A table's columns are looked at here, and not the key in the study: so the trials of a table without categories are
        the same whether their noise is on numeric columns or on all, and as before there was a choice.
        """
        own = self.variant.injections
        if not any(injection.place == "input" for injection in own):
            return own
        columns = columns_of(self.dataset)
        return tuple(injection.resolved(columns) for injection in own)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All that determines the numbers of its trials, their seeds aside; no names.

        Keys without a value, or with an inert one, are left out, so that a later release may add optional ones without new
        identities.
        """
        controls = [_settings(control) for control in self.variant.controls]
        return {
            "numerics": NUMERICS_VERSION,
            "engine": self.engine,
            "dataset": _rows_settings(self.dataset),
            "architecture": _settings(self.architecture, without={"label", "path", "datasets", "training"}),
            "injections": [_settings(injection) for injection in self.injections],
            "training": _settings(self.training, without={"record_every"}),
            **({"controls": controls} if controls else {}),
            **({"inner": self.inner} if self.inner else {}),
            **({"robustness": [_settings(noise) for noise in self.robustness]} if self.robustness else {}),
        }

    def trial_id(self, data_seed: int, seed: int, numerics: int = NUMERICS_VERSION) -> str:
        """Hash of all that determines a trial's numbers, and of nothing else: 32 hexadecimal digits.

        Args:
            numerics: the version of the numbers that the name is for.
        """
        first, second, last = self._written[numerics]
        return hashlib.sha256(f"{first}{data_seed}{second}{seed}{last}".encode()).hexdigest()[:32]

    @cached_property
    def _written(self) -> dict[int, list[str]]:
        """The settings as JSON by version, cut where the two seeds of a trial belong: a study has a million trials."""
        gap = {"data_seed": "<data_seed>", "seed": "<seed>"}
        versions = range(1, NUMERICS_VERSION + 1)
        texts = {version: _json({**self.settings, "numerics": version, **gap}) for version in versions}
        return {version: re.split(r'"<data_seed>"|"<seed>"', text) for version, text in texts.items()}


def _settings(part: BaseModel, without: Collection[str] = ()) -> dict[str, Any]:
    """A part's settings; of a file or an entry point the content instead of the path."""
    dumped = part.model_dump(mode="json", exclude=set(without), exclude_none=True)
    settings = {key: value for key, value in dumped.items() if key not in INERT or value != INERT[key]}
    content = content_digest(part) if isinstance(part, Dataset | Architecture) else None
    return settings if content is None else settings | {"content": content}


def _rows_settings(dataset: Dataset) -> dict[str, Any]:
    """The settings that decide which rows there are; of a sample the seed that draws it is one."""
    names = {"label", "path", "test_path", "epochs"}
    return _settings(dataset, without=names if dataset.sample else names | {"data_seed"})


class Trial(NamedTuple):
    """One training run: a row of the trials. A study has a million of them, so it is a tuple.

    Attributes:
        id: its trial_id, as `Cell.trial_id` gives it.
    """

    cell: Cell
    data_seed: int
    seed: int
    id: str


@dataclass(frozen=True)
class Batch:
    """Trials of one cell that one task trains together."""

    cell: Cell
    trials: tuple[Trial, ...]

    @property
    def seeds(self) -> list[int]:
        """The seeds of its trials, in their order."""
        return [trial.seed for trial in self.trials]

    def check_content(self) -> None:
        """Looks whether the files that its trials are named after are as they were when the plan was made.

        Raises:
            InvalidInputError: the rows, or the network, are others now.
        """
        first, has_files = self.trials[0], self.cell.dataset.path or self.cell.architecture.path
        anew = replace(self.cell)  # which has nothing cached
        if has_files and anew.trial_id(first.data_seed, first.seed) != first.id:
            files = ", ".join(repr(path) for path in (self.cell.dataset.path, self.cell.architecture.path) if path)
            must = f"datasets must keep their content while a study is trained (dataset {self.cell.dataset.name!r})"
            raise InvalidInputError([f"{must}; received other content in {files} than it began with. Run again."])

    @property
    def label(self) -> str:
        """A name to read in logs and in the UI: `circles/mlp/input 0-29`, or `circles/mlp/input 2026-11-23, 30 seeds`."""
        cell, seeds = self.cell, sorted(set(self.seeds))
        campaigns = {campaign_of(seed) for seed in seeds}
        dates = ", ".join(sorted(name for name in campaigns if name))
        which = _ranges(seeds) if None in campaigns else f"{dates}, {len(seeds)} seeds"
        return f"{cell.dataset.name}/{cell.architecture.name}/{cell.variant.name} {which}"


@dataclass(frozen=True)
class Plan:
    """The cells and trials of a study, in the order of the study.

    Attributes:
        rounds: the seeds, by campaign where there are such.
        campaign: the one that was asked for, where the plan pools campaigns.
        folder: of the summary and the report in the study's results, `runs/epochs-200`; empty for the study as it is
            declared.
        until_decided: whether seeds are added until each variant is decided, so that cells have unlike numbers of them.
    """

    study: Study
    cells: tuple[Cell, ...]
    trials: tuple[Trial, ...]
    rounds: tuple[Round, ...]
    campaign: str | None = None
    folder: str = ""
    until_decided: bool = False

    def data_seeds(self, dataset: Dataset) -> list[list[int]]:
        """The data seeds of a dataset: a list for each round; its rows are stored together."""
        found = [self.study.data_seeds(dataset, part.seeds) for part in self.rounds]
        return found if self.study.design == "resample" else found[:1]

    def latest(self, most: int) -> Plan:
        """The plan of its latest rounds only, that have `most` seeds at most; of a larger one the first `most` seeds."""
        kept = len(self.rounds) - 1
        while kept and sum(len(part.seeds) for part in self.rounds[kept - 1 :]) <= most:
            kept -= 1
        seeds = set([seed for part in self.rounds[kept:] for seed in part.seeds][:most])
        return replace(self, rounds=self.rounds[kept:], trials=tuple(t for t in self.trials if t.seed in seeds))

    def check_content(self) -> None:
        """Looks whether the users' files are still what they were when the plan was made.

        Raises:
            InvalidInputError: a file was changed since the plan was made.
        """
        for trial in {id(trial.cell): trial for trial in self.trials}.values():
            Batch(trial.cell, (trial,)).check_content()

    def counted(self, counts: Mapping[tuple[str, str, str], int]) -> Plan:
        """The plan of a run until its variants are decided, in which each cell has only its first seeds.

        Args:
            counts: dataset, architecture and variant to how many; of other cells all seeds are kept.
        """
        most = {id(cell): counts.get(_names(cell), self.study.n_seeds) for cell in self.cells}
        kept = tuple(trial for trial in self.trials if trial.seed < most[id(trial.cell)])
        return replace(self, trials=kept, until_decided=True)

    @property
    def trial_ids(self) -> list[str]:
        """Identities of all trials, in order."""
        return [trial.id for trial in self.trials]

    def superseded(self, done: Collection[str]) -> dict[int, int]:
        """How many of the trials that are not done were trained under older numerics, by version, where there are any."""
        missing = [trial for trial in self.trials if trial.id not in done]
        if len(done) == len(self.trials) - len(missing):  # nothing else is there
            return {}
        found = Counter(
            version
            for trial in missing
            for version in range(1, NUMERICS_VERSION)
            if trial.cell.trial_id(trial.data_seed, trial.seed, version) in done
        )
        return dict(sorted(found.items()))

    def named(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows of the plan's trials, with the plan's names in front, in the plan's order.

        Names are no part of a trial's identity, so this plan's names count and not the stored ones.

        Args:
            rows: with a column trial_id; rows of other trials are left out.
        """
        trials = self.trials[:1] if rows.empty else self.trials
        cells = list({id(trial.cell): trial.cell for trial in trials}.values())
        places = {id(cell): place for place, cell in enumerate(cells)}
        named = pd.DataFrame([cell.names for cell in cells]).take([places[id(trial.cell)] for trial in trials])
        named = named.reset_index(drop=True)
        named.insert(0, "trial_id", [trial.id for trial in trials])
        named = named.assign(data_seed=[t.data_seed for t in trials], seed=[t.seed for t in trials])
        return named.merge(rows.drop(columns=named.columns[1:], errors="ignore"), on="trial_id")

    def batches(self, done: Collection[str], size: int) -> list[Batch]:
        """Batches of at most `size` trials that cover exactly the trials not yet done."""
        missing = [trial for trial in self.trials if trial.id not in done]
        chunks = ((cell, list(trials)) for cell, trials in groupby(missing, key=lambda trial: trial.cell))
        return [Batch(cell, chunk) for cell, trials in chunks for chunk in _chunks(trials, size)]


EngineOf = Callable[[Dataset, Architecture, Variant], str]
"""The engine that trains a variant of an architecture on a dataset."""


def make_plan(
    study: Study, engine: str | EngineOf, rounds: Sequence[Round] | None = None, campaign: str | None = None
) -> Plan:
    """The plan of a study, for the engine that will train its trials.

    Args:
        rounds: the seeds to train; the study's own unless given.
        campaign: the one that is asked for, if any.

    Raises:
        OSError, LookupError: a file or an entry point of the study is not there.
    """
    engine_of = (lambda *_: engine) if isinstance(engine, str) else engine
    cells = tuple(
        Cell(
            d,
            a,
            member,
            variant.name,
            study.training_of(d, a),
            engine_of(d, a, member),
            study.robustness,
            INNER_SPLITS if d.is_finite and study.design != "replicate" and member.name != variant.name else 0,
        )
        for d, a, variant, member in study.parts()
    )
    rounds = tuple(rounds or [Round(None, tuple(range(study.n_seeds)))])
    seeds = [seed for part in rounds for seed in part.seeds]
    trials = tuple(
        Trial(cell, *pair, cell.trial_id(*pair)) for cell in cells for pair in study.pairs(cell.dataset, seeds)
    )
    return Plan(study, cells, trials, rounds, campaign)


def study_json(study: Study) -> str:
    """The whole study, names included, except where and how long it may train; a store keeps it under its hash."""
    return _json(study.model_dump(mode="json", exclude={"resources", *(() if study.muted else ("muted",))}))


def study_hash(study: Study) -> str:
    """Hash of `study_json`: 16 hexadecimal digits."""
    return hashlib.sha256(study_json(study).encode()).hexdigest()[:16]


def dataset_key(dataset: Dataset, data_seeds: Sequence[int]) -> str:
    """What the rows of a dataset are stored under: its kind, its data seeds and a hash of its settings."""
    return f"{dataset.kind}-{_ranges(data_seeds)}-{settings_digest(dataset)}"


def settings_digest(dataset: Dataset) -> str:
    """Hash of a dataset's name, settings and content, and of none of its seeds: 12 hexadecimal digits.

    Raises:
        OSError, LookupError: its file or entry point is not there.
    """
    return _hash([NUMERICS_VERSION, dataset.name, _rows_settings(dataset)])[:12]


def _names(cell: Cell) -> tuple[str, str, str]:
    return cell.dataset.name, cell.architecture.name, cell.variant.name


def _json(content: Any) -> str:
    return json.dumps(content, sort_keys=True)


def _hash(content: Any) -> str:
    return hashlib.sha256(_json(content).encode()).hexdigest()


def _chunks(trials: Sequence[Trial], size: int) -> Iterator[tuple[Trial, ...]]:
    """Consecutive chunks of nearly equal length, none longer than `size`."""
    n = -(-len(trials) // size)
    cuts = [round(i * len(trials) / n) for i in range(n + 1)]
    return (tuple(trials[a:b]) for a, b in pairwise(cuts))


def _ranges(numbers: Sequence[int]) -> str:
    """`0-29` for consecutive numbers, `0-4, 7` with gaps."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
