# ruff: noqa: INP001 - a script beside the page that it draws for
"""Draws the pictures of docs/gallery.md, from made-up numbers: `python docs/gallery.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from noiseflow import plots
from noiseflow.datasets import generate
from noiseflow.statistics.verdict import Pairing, decide
from noiseflow.study import Dataset

FOLDER = Path(__file__).parent / "images" / "gallery"
NAMES = ["baseline", "input", "before_activation", "after_activation"]
MEANS = dict(zip(NAMES, (0.769, 0.770, 0.803, 0.809), strict=True))
COLOURS = plots.variant_colours(NAMES)
N_SEEDS = 30


def draw() -> dict[str, Figure | None]:
    """Every plot by the name of its file."""
    rng = np.random.default_rng(0)
    circles = Dataset(kind="circles")
    data = generate(circles, circles.data_seed)
    training = pd.DataFrame({"X": list(data.X_train), "y": data.y_train})
    trials = _trials(rng)
    cells = trials.groupby("variant", sort=False)["score"].agg(mean="mean", std="std", n="count").reset_index()
    published = pd.DataFrame({"variant": [NAMES[3]], "score": [0.814], "percentile": [57.0]})
    predicted = _predictions(data, rng)
    shares = plots.class_one_shares(predicted[predicted["part"] == "grid"])
    tested = pd.DataFrame({"data_seed": 1, "row": range(len(data.y_test)), "y": data.y_test})
    bins = pd.concat([_bins(predicted, name, tested) for name in NAMES])
    grid = np.zeros((0, 2)) if data.grid is None else data.grid
    return {
        "differences": plots.plot_differences(_differences(trials), 0.01, COLOURS),
        "final-scores": plots.plot_final_scores(trials, cells, published, COLOURS, ceiling=0.843),
        "strengths": plots.plot_strengths(*_strengths(), COLOURS),
        "gains": plots.plot_gains(_gains(), 0.01, COLOURS),
        "ranks": plots.plot_ranks(_ranks(), 6, COLOURS),
        "history": plots.plot_history(_history(rng), 0.01, COLOURS),
        "seen-rows": plots.plot_seen_rows(_seen(rng)),
        "robustness": plots.plot_robustness(_under_noise(), COLOURS),
        "learning-curves": plots.plot_learning_curves(_bands(), COLOURS),
        "gap": plots.plot_gap(trials, NAMES, COLOURS),
        "boundary": plots.plot_boundary(shares, grid, training),
        "calibration": plots.plot_calibration(bins, COLOURS),
        "data": plots.plot_data(_rows(data)),
    }


def _trials(rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for at, name in enumerate(NAMES):
        for seed in range(N_SEEDS):
            score = round(70 * rng.normal(MEANS[name], 0.014)) / 70
            rows.append([name, seed, 1.0 - 0.01 * at, score, score])
    return pd.DataFrame(rows, columns=["variant", "seed", "train_score", "test_score", "score"])


def _differences(trials: pd.DataFrame) -> pd.DataFrame:
    table = trials.pivot_table(index="seed", columns="variant", values="score", sort=False)
    rows = []
    for name in NAMES[1:]:
        difference = table[name] - table["baseline"]
        half = 2.05 * difference.std() / N_SEEDS**0.5
        low, high = difference.mean() - half, difference.mean() + half
        pairing = Pairing(difference.to_numpy(), 0, np.arange(N_SEEDS), None, None, N_SEEDS)
        rows.append([name, difference.mean(), low, high, decide(low, high, 0.01, pairing)])
    columns = ["variant", "difference_mean", "difference_ci_low", "difference_ci_high", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _seen(rng: np.random.Generator) -> dict[str, Any]:
    waves = generate(Dataset(kind="waves"), 1).X_train[:3]
    return {"without noise": waves, "input": waves + rng.normal(0, 0.3, waves.shape)}


def _under_noise() -> pd.DataFrame:
    rows = []
    for name, slope in zip(NAMES, (0.5, 0.42, 0.4, 0.3), strict=True):
        for strength in (0.0, 0.05, 0.1, 0.2, 0.4):
            mean = MEANS[name] - slope * strength**1.2
            rows.append([name, "gaussian noise on the inputs", strength, mean, mean - 0.008, mean + 0.008])
    return pd.DataFrame(rows, columns=["variant", "noise", "test_strength", "score_mean", "ci_low", "ci_high"])


def _strengths() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    rows = []
    for name, best in zip(NAMES[1:], (0.01, 0.1, 0.2), strict=True):
        for strength in (0.003, 0.007, 0.016, 0.036, 0.083, 0.19, 0.44, 1.0):
            past = max(0.0, np.log(strength / best))
            gain = (MEANS[name] - 0.769) * min(1.0, strength / best)
            rows.append(["circles", name, "stddev", strength, max(0.5, 0.769 + gain - 0.03 * past**2), 0.03, N_SEEDS])
    cells = pd.DataFrame(rows, columns=["panel", "family", "unit", "strength", "mean", "std", "n"])
    baselines = pd.DataFrame({"panel": ["circles"], "mean": [0.769], "std": [0.03], "n": [N_SEEDS]})
    chosen = cells.loc[cells.groupby("family", sort=False)["mean"].idxmax()]
    return cells, baselines, chosen.assign(score_mean=chosen["mean"] - 0.002)


def _gains() -> pd.DataFrame:
    rows = [
        ["mlp", name, n, gain, gain - 0.004, gain + 0.004]
        for name in NAMES[1:]
        for n in (30, 60, 120, 240)
        for gain in [(MEANS[name] - 0.769) * (30 / n) ** 0.7]
    ]
    columns = ["architecture", "family", "n_train", "gain_mean", "gain_ci_low", "gain_ci_high"]
    return pd.DataFrame(rows, columns=columns)


def _ranks() -> pd.DataFrame:
    p_adjusted = [np.nan, 0.62, 0.041, 0.012]
    return pd.DataFrame({"family": NAMES, "mean_rank": [3.6, 3.1, 1.8, 1.5], "p_adjusted": p_adjusted})


def _history(rng: np.random.Generator, n_nights: int = 60) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for name in NAMES[1:]:
        nights = rng.normal(MEANS[name] - 0.769, 0.005, n_nights)
        for k, day in enumerate(pd.date_range("2026-01-05", periods=n_nights)):
            pooled, half = float(nights[: k + 1].mean()), 0.03 / (k + 1) ** 0.45
            rows.append({"panel": name, "variant": name, "campaign": day.date().isoformat()})
            rows[-1] |= {"difference_mean": nights[k], "difference_ci_low": nights[k] - 0.01}
            rows[-1] |= {"difference_ci_high": nights[k] + 0.01, "pooled_mean": pooled, "pooled_low": pooled - half}
            rows[-1] |= {"pooled_high": pooled + half, "drifted": name == NAMES[3] and k == n_nights - 9}
    return pd.DataFrame(rows)


def _bands() -> pd.DataFrame:
    epochs = np.arange(1, 4001, 40)
    parts = []
    for name in NAMES:
        for quantity, top in (("train_score", 0.99), ("test_score", MEANS[name])):
            mean = top - (top - 0.5) * np.exp(-epochs / 500)
            band = {"epoch": epochs, "mean": mean, "low": mean - 0.02, "high": mean + 0.02}
            parts.append(pd.DataFrame(band).assign(variant=name, quantity=quantity))
    return pd.concat(parts, ignore_index=True)


def _predictions(data: Any, rng: np.random.Generator) -> pd.DataFrame:
    """Class 1 inside a circle that each seed draws a little differently, with too much confidence."""
    parts = []
    for name in NAMES:
        for seed in range(N_SEEDS):
            centre, radius = rng.normal(0, 0.06, 2), rng.normal(0.9, 0.05)
            for part, X in (("test", data.X_test), ("grid", data.grid)):
                logit = (40 - 7 * NAMES.index(name)) * (radius - np.linalg.norm(X - centre, axis=1))
                rows = {"variant": name, "data_seed": 1, "seed": seed, "part": part, "row": range(len(X)), "output": 0}
                parts.append(pd.DataFrame(rows | {"prediction": 1 / (1 + np.exp(-logit))}))
    return pd.concat(parts, ignore_index=True)


def _bins(predicted: pd.DataFrame, name: str, tested: pd.DataFrame) -> pd.DataFrame:
    mine = predicted[(predicted["part"] == "test") & (predicted["variant"] == name)]
    return plots.reliability(mine, tested).assign(variant=name)


def _rows(data: Any) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"dataset": "circles", "data_seed": 1, "split": split, "row": range(len(y)), "X": list(X), "y": y})
        for split, (X, y) in data.parts.items()
    ]
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, figure in draw().items():
        if figure is not None:
            (FOLDER / f"{name}.png").write_bytes(plots.to_png(figure))
