"""Trials as the store gives them, made of scores."""

import json

import pandas as pd


def made_trials(cells, *, dataset="d", architecture="a", diverged=(), **columns):
    """A row for each score; cells: variant, or (family, strength), -> {(data_seed, seed): score}.

    diverged: (variant, data_seed, seed).
    """
    rows = []
    for cell, scores in cells.items():
        family, strength = cell if isinstance(cell, tuple) else (cell, None if cell == "baseline" else 0.1)
        variant = f"{family} {strength:g}" if isinstance(cell, tuple) else cell
        for (data_seed, seed), score in scores.items():
            broken = (variant, data_seed, seed) in diverged
            rows.append(
                {
                    "dataset": dataset,
                    "architecture": architecture,
                    "variant": variant,
                    "family": family,
                    "strength": strength,
                    "data_seed": data_seed,
                    "seed": seed,
                    "status": "diverged" if broken else "completed",
                    "score_name": "accuracy",
                    "train_score": 1.0,
                    "test_score": score,
                    "eval_score": None,
                    **columns,
                }
            )
    return pd.DataFrame(rows)


def resampled(scores):
    """Scores of one seed for each data seed, as (data_seed, seed) -> score."""
    return {(k + 1, k): score for k, score in enumerate(scores)}


def crossed(grid):
    """Scores (n_data_seeds, n_seeds) as (data_seed, seed) -> score."""
    return {(i + 1, j): score for i, row in enumerate(grid) for j, score in enumerate(row)}


def under_noise(trials, lost=lambda variant, strength: (0.5 if variant == "baseline" else 0.1) * strength):
    """The trials, each with a score at strengths 0, .1 and .4 of noise at test time."""

    def measures(row):
        found = [(s, row["test_score"] - lost(row["variant"], s)) for s in (0.0, 0.1, 0.4)]
        return json.dumps(
            [{"noise": "gaussian noise on the inputs", "strength": s, "loss": 1.0, "score": x} for s, x in found]
        )

    return trials.assign(robustness=[measures(row) for row in trials.to_dict("records")])
