"""What the trials of a study say, all of it: which functions of the statistics its design and its parts ask for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from noiseflow.base.values import BASELINE
from noiseflow.campaigns.drift import drift_history
from noiseflow.campaigns.history import history
from noiseflow.campaigns.repeated_looks import compare_at_every_look
from noiseflow.campaigns.replays import compare_replays
from noiseflow.report.predicted import Predicted, on_test_rows
from noiseflow.statistics.crossfit import honest_scores
from noiseflow.statistics.failures import mark_failures
from noiseflow.statistics.families import choose_strengths, compare_families
from noiseflow.statistics.inference import ALPHA
from noiseflow.statistics.looks import Due
from noiseflow.statistics.pairs import GROUP, CellKey
from noiseflow.statistics.ranks import MeanRanks, mean_ranks
from noiseflow.statistics.robustness import compare_under_noise
from noiseflow.statistics.summary import summarize
from noiseflow.statistics.trend import gain_trend
from noiseflow.statistics.variance_table import variance_components
from noiseflow.study import Study

LEAST_SIZES = 3  # numbers of training rows that a trend takes


@dataclass(frozen=True)
class Findings:
    """The findings in the trials of a study; a frame has no rows where its question does not arise.

    Attributes:
        summary: a row a cell.
        choices: a row a family of strengths, chosen without leakage.
        rivals: the first variant against each of the others, each with the strength it chose.
        trend: the gain of each family over the number of training rows.
        components: variance from data and from initialisation.
        ranks: of the variants over five datasets or more, None below.
        robustness: a row a cell and strength of noise at test time.
        history: of studies with campaigns, a row a campaign and compared cell.
        drift: a row a cell and test of the latest campaign.
        replays: a row a trial that a campaign trained again.
        test_rows: the differences on the few test rows, where a study of one split is scored on fresh rows.
        looks: a row a look and comparison, where this is not the only look.
    """

    summary: pd.DataFrame
    choices: pd.DataFrame = field(default_factory=pd.DataFrame)
    rivals: pd.DataFrame = field(default_factory=pd.DataFrame)
    trend: pd.DataFrame = field(default_factory=pd.DataFrame)
    components: pd.DataFrame = field(default_factory=pd.DataFrame)
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    drift: pd.DataFrame = field(default_factory=pd.DataFrame)
    replays: pd.DataFrame = field(default_factory=pd.DataFrame)
    robustness: pd.DataFrame = field(default_factory=pd.DataFrame)
    ranks: MeanRanks | None = None
    test_rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    looks: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The findings that have rows, by name; the summary always."""
        found = {**vars(self), "ranks": self.ranks.ranks if self.ranks else pd.DataFrame()}
        found["replays_compared"] = found.pop("replays")  # the replays themselves have that name
        return {name: frame for name, frame in found.items() if name == "summary" or len(frame)}


def find(
    study: Study,
    trials: pd.DataFrame,
    replays: pd.DataFrame | None = None,
    *,
    repeated_looks: bool = True,
    constants: Mapping[str, float] | None = None,
    predicted: Predicted | None = None,
    dues: Mapping[CellKey, Due] | None = None,
) -> Findings:
    """What the trials of a study's plan say.

    Where trials have campaigns, what is said of differences stays valid under repeated looks, and comparisons that would
    not (families, rivals, the trend, ranks) are not made.

    Args:
        trials: of the plan, with the plan's names.
        replays: trials that campaigns trained again, with the columns of the trials.
        repeated_looks: False says that this is the only look at these campaigns.
        constants: dataset to the score of the best constant prediction, which a training that failed does not beat.
        predicted: predictions on the test rows, by which differences hold for new rows of the same kind.
        dues: what each comparison is judged by, where this is not the only look.

    Raises:
        ValueError: there are campaigns, and pairs that depend on each other (see `summarize`).
    """
    nothing = pd.DataFrame()
    reused, trials = reused_rows(study, trials), mark_failures(trials, constants or {})
    if repeated_looks and "campaign" in trials and trials["campaign"].notna().any():
        return _of_campaigns(trials, replays, study.margin, reused)
    rows = {} if predicted is None else predicted.variances(study, trials)
    summary = summarize(trials, study.margin, reused=reused, rows=rows, dues=dues)
    level = min((due.level for due in (dues or {}).values()), default=ALPHA)
    trained = set(trials["family"].unique()) if "family" in trials else set()
    families = [name for name in (variant.name for variant in study.variants) if name != BASELINE and name in trained]
    chosen = any(variant.strengths for variant in study.variants)
    if trials.empty:
        return Findings(summary)
    sizes = trend_sizes(study)
    given: dict[str, Any] = {"reused": reused, "level": level}
    choices = choose_strengths(trials, study.margin, summary=summary, **given) if chosen else nothing
    rivals = compare_families(trials, study.margin, families[0], **given) if chosen and len(families) > 1 else nothing
    return Findings(
        summary=summary,
        choices=_with_score_name(choices, summary),
        rivals=_with_score_name(rivals, summary),
        trend=_at_level(_trend(trials, sizes), level) if sizes else nothing,
        components=variance_components(trials) if study.design == "crossed" else nothing,
        robustness=compare_under_noise(trials, study.margin, reused, level),
        ranks=_ranks(trials, level),
        test_rows=on_test_rows(study, trials, predicted),
    )


def _of_campaigns(
    trials: pd.DataFrame, replays: pd.DataFrame | None, margin: float, reused: Mapping[str, float]
) -> Findings:
    drifts = drift_history(trials)
    return Findings(
        summary=summarize(trials, margin, reused=reused, compare=compare_at_every_look, measures=["score"]),
        history=history(trials, drifts),
        drift=drifts[drifts["campaign"] == trials["campaign"].dropna().max()].reset_index(drop=True),
        replays=pd.DataFrame() if replays is None or replays.empty else compare_replays(replays, trials),
    )


def _with_score_name(compared: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """Comparisons with the name of their score."""
    if compared.empty:
        return compared
    return compared.merge(summary.drop_duplicates(GROUP)[[*GROUP, "score_name"]], on=GROUP, how="left", validate="m:1")


def _trend(trials: pd.DataFrame, sizes: Mapping[str, int]) -> pd.DataFrame:
    """The trend over datasets of these sizes, with the name of their score."""
    names = trials.loc[trials["dataset"].isin(list(sizes)), "score_name"]
    return gain_trend(honest_scores(trials), sizes).assign(score_name=names.iloc[0])


def _ranks(trials: pd.DataFrame, level: float) -> MeanRanks | None:
    found = mean_ranks(trials)
    if found is None:
        return None
    return replace(found, p_value=min(1.0, found.p_value * ALPHA / level), ranks=_at_level(found.ranks, level))


def _at_level(frame: pd.DataFrame, level: float) -> pd.DataFrame:
    """The frame with its p as much larger as the level of this look is below .05, so that .05 is still the limit."""
    held_to_level = frame.assign(p_adjusted=(frame["p_adjusted"] * (ALPHA / level)).clip(upper=1.0))
    if "seen" not in held_to_level:
        return held_to_level
    return held_to_level.assign(seen=held_to_level["seen"] & (held_to_level["p_adjusted"] < ALPHA))


def reused_rows(study: Study, trials: pd.DataFrame) -> dict[str, float]:
    """Datasets that split the same rows again for each data seed: name to test rows over training rows."""
    if study.design == "replicate":
        return {}
    finite = {dataset.name for dataset in study.datasets if dataset.is_finite}
    first = trials[trials["dataset"].isin(finite)].drop_duplicates("dataset")
    return {str(row["dataset"]): row["n_test"] / row["n_train"] for row in first.to_dict("records")}


def trend_sizes(study: Study) -> Mapping[str, int]:
    """Datasets that differ in their number of training rows only, if there are enough: name to that number."""
    alike: dict[str, dict[str, int]] = defaultdict(dict)
    for dataset in study.datasets:
        if dataset.n_train is not None:
            kind = dataset.model_dump_json(exclude={"label", "n_train", "n_samples", "data_seed", "epochs"})
            alike[kind][dataset.name] = dataset.n_train
    largest = max(alike.values(), key=len, default={})
    return largest if len(set(largest.values())) >= LEAST_SIZES else {}
