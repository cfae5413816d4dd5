"""Faults that lie between the parts of a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, LiteralString

from pydantic_core import InitErrorDetails, PydanticCustomError

from noiseflow.base.values import BASELINE
from noiseflow.scores import SCORES

if TYPE_CHECKING:
    from noiseflow.study.study import Study

MAX_CELLS = 10_000
MAX_TRIALS = 1_000_000
LEAST_CROSSED = 3
"""Data seeds, and seeds, that a share of variance takes."""


def faults_between(data: Mapping[str, Any]) -> list[InitErrorDetails]:
    """Faults between parts, on data that may be faulty in its parts as well."""
    faults: list[InitErrorDetails] = []
    for field in ("datasets", "architectures", "variants"):
        faults += _twins(field, _sequence(data.get(field)))
    variants = _sequence(data.get("variants"))
    names = [_value_of(v, "name") for v in variants]
    if variants and BASELINE not in names:
        faults.append(
            _fault(("variants",), names, f"must hold one named '{BASELINE}', which the others are compared to")
        )
    for i, variant in enumerate(variants):
        if names[i] == BASELINE and any(_value_of(variant, key) for key in ("injections", "controls", "architectures")):
            faults.append(
                _fault(
                    ("variants", i), BASELINE, "must have no injections and no controls: it is the bare model, anywhere"
                )
            )
    for i, run in enumerate(_sequence(data.get("published"))):
        if _value_of(run, "variant") not in names:
            faults.append(_fault(("published", i, "variant"), _value_of(run, "variant"), f"must be one of {names}"))
    for i, claim in enumerate(_sequence(data.get("claims"))):
        networks = _names("architectures", _sequence(data.get("architectures")))
        cell = {"dataset": _names("datasets", _sequence(data.get("datasets"))), "architecture": networks}
        given = {"architecture": "mlp", "against": BASELINE}
        for key, known in {**cell, "variant": names, "against": names}.items():
            name = _value_of(claim, key) or given.get(key)
            if name is not None and name not in known:
                faults.append(_fault(("claims", i, key), name, f"must be one of this study's, {known}"))
    return [*faults, *_strangers(data, "architectures", "datasets"), *_strangers(data, "variants", "architectures")]


def faults_of_study(study: Study) -> list[InitErrorDetails]:
    """Faults between parts that are sound in themselves."""
    if too_large := list(size_faults(study)):  # the others take as long as it is large
        return too_large
    return [
        *_same_content(study),
        *_same_members(study),
        *_design(study),
        *_claims(study),
        *_margin(study),
        *_unused(study),
    ]


def _fault(loc: tuple[str | int, ...], received: Any, text: str, kind: LiteralString = "between") -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError(kind, "{text}", {"text": text}), loc=loc, input=received)


def _value_of(part: Any, key: str) -> Any:
    return part.get(key) if isinstance(part, Mapping) else getattr(part, key, None)


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _names(field: str, parts: Sequence[Any]) -> list[Any]:
    return [_value_of(part, "name" if field == "variants" else "label") or _value_of(part, "kind") for part in parts]


def _twins(field: str, parts: Sequence[Any]) -> list[InitErrorDetails]:
    names = _names(field, parts)
    repeated = [name for name, n in Counter(map(repr, names)).items() if n > 1]
    if field == "variants":
        return [_fault((field,), names, f"must differ in their names; {name} is there twice") for name in repeated]
    return [
        _fault((field,), names, f"must differ in their labels; {name} is there twice", "twins") for name in repeated
    ]


def _strangers(data: Mapping[str, Any], field: str, key: str) -> Iterator[InitErrorDetails]:
    """Parts that are for others which are not there."""
    known = _names(key, _sequence(data.get(key)))
    for i, part in enumerate(_sequence(data.get(field))):
        for name in _sequence(_value_of(part, key)):
            if name not in known:
                yield _fault((field, i, key), name, f"must name {key} of this study, {known}")


def size_faults(study: Study) -> Iterator[InitErrorDetails]:
    """More cells or trials than a plan can hold."""
    n_members = {
        a.name: sum(len(v.strengths) or 1 for v in study.variants if not v.architectures or a.name in v.architectures)
        for a in study.architectures
    }
    n_cells = sum(
        n_members[a.name] for a in study.architectures for d in study.datasets if not a.datasets or d.name in a.datasets
    )
    n_trials = n_cells * study.n_seeds * ((study.n_data_seeds or 1) if study.design == "crossed" else 1)
    if n_cells > MAX_CELLS:
        yield _fault(("variants",), n_cells, f"must make at most {MAX_CELLS:,} cells with datasets and architectures")
    elif n_trials > MAX_TRIALS:
        yield _fault(("n_seeds",), study.n_seeds, f"must make at most {MAX_TRIALS:,} trials, not {n_trials:,}")


def _same_content(study: Study) -> Iterator[InitErrorDetails]:
    """Parts that differ in their names only: the trials of one would be the other's."""
    for field in ("datasets", "architectures", "variants"):
        seen: dict[str, str] = {}
        for i, part in enumerate(getattr(study, field)):
            content = part.model_dump_json(exclude={"name", "label", "architectures", "datasets"})
            first = seen.setdefault(content, part.name)
            if first != part.name:
                yield _fault((field, i), part.name, f"must differ from {first!r} in more than its name")


def _same_members(study: Study) -> Iterator[InitErrorDetails]:
    """A strength of one variant that is another variant, by name or by content."""
    owners: dict[str, int] = {}
    for i, variant in enumerate(study.variants):
        for member in variant.members:
            for mark in (member.name, member.model_dump_json(exclude={"name", "architectures"})):
                if owners.setdefault(mark, i) != i:
                    other = study.variants[owners[mark]].name
                    text = f"must differ from {other!r} at each of its strengths"
                    yield _fault(("variants", i), member.name, text)
                    break


def _design(study: Study) -> Iterator[InitErrorDetails]:
    if study.n_data_seeds is not None and study.design != "crossed":
        yield _fault(("n_data_seeds",), study.n_data_seeds, "must be left out unless the design is crossed")
    for i, dataset in enumerate(study.datasets):
        if study.design != "replicate" and dataset.is_split_once:
            yield _fault(("datasets", i), dataset.split, "is split by time, once: it takes the design replicate")
    if study.design == "replicate" and any(variant.strengths for variant in study.variants):
        text = "must be resample or crossed where strengths are chosen: on one split the choice would see the test"
        yield _fault(("design",), study.design, text)


def _claims(study: Study) -> Iterator[InitErrorDetails]:
    """A share of variance takes rows and seeds that are crossed, three of each at least."""
    sizes = (study.n_data_seeds or 0, study.n_seeds)
    for i, claim in enumerate(study.claims):
        if claim.quantity == "data_share" and (study.design != "crossed" or min(sizes) < LEAST_CROSSED):
            text = f"must be in a crossed study of {LEAST_CROSSED} data seeds and {LEAST_CROSSED} seeds at least"
            yield _fault(("claims", i, "quantity"), claim.quantity, text)


def _margin(study: Study) -> Iterator[InitErrorDetails]:
    """A score without units has a margin up to 1; a score that no margin suits has the study's."""
    scores = {dataset.scored_by for dataset in study.datasets}
    without = [score.name for score in SCORES if score in scores and score.margin is None]
    if without and "margin" not in study.model_fields_set:
        where = " or ".join(without)
        text = f"must be given where the score is {where}: the least difference worth having, in units of the target"
        yield _fault(("margin",), None, text)
    if study.margin > 1 and not all(score.in_target_units for score in scores):
        may = " or ".join(score.name for score in SCORES if score.in_target_units)
        yield _fault(("margin",), study.margin, f"must be at most 1 unless the score is {may}")


def _unused(study: Study) -> Iterator[InitErrorDetails]:
    """Datasets without an architecture."""
    parts = study.parts()
    for i, dataset in enumerate(study.datasets):
        if not any(part[0] is dataset for part in parts):
            yield _fault(("datasets", i), dataset.name, "must have an architecture that is for it")
