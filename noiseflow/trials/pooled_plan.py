"""What a campaign trains: fresh seeds beside the seeds of all campaigns before it, and a few of the first ones again."""

from __future__ import annotations

from noiseflow.campaigns.rounds import campaign_of, campaign_round, pooled_rounds
from noiseflow.store import Store
from noiseflow.study import Study
from noiseflow.trials.plan import Batch, EngineOf, Plan, make_plan

REPLAYED = 2  # trials of each cell


def pooled_plan(study: Study, engine: str | EngineOf, campaign: str, store: Store) -> Plan:
    """The plan of a campaign: its own seeds, and the seeds of every stored campaign that was trained in the same way.

    A campaign with missing trials, because a batch failed, is completed by the next one.

    Args:
        campaign: an ISO date.
    """
    plan = make_plan(study, engine, pooled_rounds(campaign_round(campaign, study.n_seeds), store.seeds()))
    done = store.trial_ids()
    alike = {campaign, *(campaign_of(trial.seed) for trial in plan.trials if trial.id in done)}
    return make_plan(study, engine, [part for part in plan.rounds if part.campaign in alike], campaign)


def replays(plan: Plan, store: Store) -> list[Batch]:
    """Batches of the first campaign's trials that the plan's is to train again, less those that it has."""
    first, campaign = plan.rounds[0], plan.campaign
    if campaign in (None, first.campaign):
        return []
    seeds, done = set(first.seeds[:REPLAYED]), store.trial_ids()
    replayed = store.read("replays")
    has = set(replayed.loc[replayed["campaign"] == campaign, "trial_id"])
    return [
        Batch(cell, trials)
        for cell in plan.cells
        if (trials := tuple(t for t in plan.trials if t.cell is cell and t.seed in seeds and t.id in done - has))
    ]
