"""Campaigns: dated additions to a study, such as one night's, each with seeds that no other has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from noiseflow.base.faults import InvalidInputError
from noiseflow.study import Study

SEEDS_A_DAY = 10_000
"""Seeds that a campaign may have at most: Keras takes seeds of 32 bits, which then last until the year 3145."""
FIRST_DAY = date(1970, 1, 1)
"""Its seeds would be the study's own: campaigns are later."""
LAST_DAY = FIRST_DAY + timedelta(days=2**32 // SEEDS_A_DAY - 1)


@dataclass(frozen=True)
class Round:
    """Seeds that a study is trained with: a campaign's, or without one its own."""

    campaign: str | None
    seeds: tuple[int, ...]


def campaign_round(campaign: str, n_seeds: int) -> Round:
    """The fresh seeds of a campaign: 10,000 × days since 1970 + i.

    Args:
        campaign: an ISO date.
        n_seeds: how many, SEEDS_A_DAY at most.

    Raises:
        InvalidInputError: no seeds are there for that date.
    """
    first = SEEDS_A_DAY * (_in_range(date.fromisoformat(campaign)) - FIRST_DAY).days
    return Round(campaign, tuple(range(first, first + n_seeds)))


def campaign_of(seed: int) -> str | None:
    """The campaign that a seed belongs to; None of a study's own seeds."""
    if seed < SEEDS_A_DAY:
        return None
    return _day(seed // SEEDS_A_DAY)


@cache
def _day(number: int) -> str:
    return (FIRST_DAY + timedelta(days=number)).isoformat()


def pooled_rounds(campaign: Round, seeds: Iterable[int]) -> list[Round]:
    """The campaign and all that these seeds belong to, by date; a campaign has the seeds that are there, and its own."""
    found: dict[str, set[int]] = defaultdict(set)
    found[str(campaign.campaign)].update(campaign.seeds)
    for seed in seeds:
        if (name := campaign_of(seed)) is not None:
            found[name].add(seed)
    return [Round(name, tuple(sorted(found[name]))) for name in sorted(found)]


def campaign_name(campaign: str, scheduled: datetime) -> str:
    """The ISO date of a campaign that is given as a date, or as a time zone: then the date there of the scheduled time.

    So a run that starts late, or again, adds to the night that it was meant for.

    Args:
        campaign: a date or a time zone.
        scheduled: when the run was to start, with a time zone.

    Raises:
        InvalidInputError: no seeds are there for that date.
    """
    if campaign in available_timezones():
        return _in_range(scheduled.astimezone(ZoneInfo(campaign)).date()).isoformat()
    return _in_range(date.fromisoformat(campaign)).isoformat()


def _in_range(day: date) -> date:
    """The day, if it can be a campaign's.

    Raises:
        InvalidInputError: it cannot.
    """
    if not FIRST_DAY < day <= LAST_DAY:
        raise InvalidInputError([_name_fault(day.isoformat())])
    return day


def campaign_faults(study: Study, campaign: str) -> list[str]:
    """What keeps a study from having this campaign."""
    return [*_name_faults(campaign), *_study_faults(study)]


def seed_faults(study: Study, seeds: Sequence[int] | None) -> list[str]:
    """Faults of datasets where a data seed is more than 32 bits hold; seeds None: the study's own."""
    return [
        f"datasets[{i}].data_seed must leave room for the seeds that are added to it, below {2**32:,}; received "
        f"{dataset.data_seed} (study {study.name!r}). Lower it."
        for i, dataset in enumerate(study.datasets)
        if max(study.data_seeds(dataset, seeds)) >= 2**32
    ]


def _name_faults(campaign: str) -> list[str]:
    with suppress(ValueError):
        if campaign in available_timezones() or FIRST_DAY < date.fromisoformat(campaign) <= LAST_DAY:
            return []
    return [_name_fault(campaign)]


def _name_fault(campaign: str) -> str:
    return (
        f"campaign must be an ISO date after {FIRST_DAY} and up to {LAST_DAY}, or the name of a time zone; received "
        f"{campaign!r}. Give a date such as 2026-11-23, or a zone such as Europe/Vienna for the date there that the run is "
        "scheduled for."
    )


def _study_faults(study: Study) -> list[str]:
    """A confidence sequence takes pairs that do not depend on each other."""
    texts = []
    if study.design == "crossed":
        texts.append(
            "a campaign needs the design resample or replicate: crossed pairs depend on each other; received crossed. "
            "Use resample, where each seed has its own rows."
        )
    if study.design == "resample" and any(dataset.is_finite for dataset in study.datasets):
        texts.append(
            "a campaign needs fresh rows for each seed: new splits of the same rows depend on each other, and looking again "
            "every night would mislead. Use the design replicate, or a dataset that generates rows."
        )
    if any(variant.strengths for variant in study.variants):
        texts.append(
            "a campaign needs variants of one strength: a choice that may change every night has no interval that stays "
            "valid. Give each strength as its own variant."
        )
    return [f"{text} (study {study.name!r})" for text in texts]
