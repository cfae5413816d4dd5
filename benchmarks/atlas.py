"""Small public tables and series, each trained with noise at several places and strengths: `noiseflow/atlas/atlas.parquet`.

    python -m benchmarks.atlas SITE_PACKAGES FOLDER [--write]

SITE_PACKAGES is where pydataset, aeon, palmerpenguins and mlxtend lie, which bring the files; nothing of them is
imported. What is trained is kept in FOLDER. With --write the file that ships is written anew.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmarks.public_files import RDATA, copied
from noiseflow import run_study
from noiseflow.atlas import FILE, traits_of
from noiseflow.study import Study
from noiseflow.study.draft import draft_study

SEEDS, STEPS, MOST_TRAINED = 20, 3_000, 400
TABLES: tuple[tuple[str, str], ...] = (
    (f"{RDATA}/MASS/Pima.tr.csv", "type"),
    (f"{RDATA}/MASS/biopsy.csv", "class"),
    (f"{RDATA}/MASS/crabs.csv", "sp"),
    (f"{RDATA}/MASS/fgl.csv", "type"),
    (f"{RDATA}/MASS/synth.tr.csv", "yc"),
    (f"{RDATA}/MASS/cats.csv", "Sex"),
    (f"{RDATA}/datasets/iris.csv", "Species"),
    (f"{RDATA}/rpart/kyphosis.csv", "Kyphosis"),
    (f"{RDATA}/survival/lung.csv", "status"),
    (f"{RDATA}/Zelig/turnout.csv", "vote"),
    ("palmerpenguins/data/penguins.csv", "species"),
    ("mlxtend/data/data/wine.csv", "14"),
    (f"{RDATA}/MASS/Boston.csv", "medv"),
    (f"{RDATA}/MASS/UScrime.csv", "y"),
    (f"{RDATA}/datasets/swiss.csv", "Fertility"),
    (f"{RDATA}/datasets/airquality.csv", "Ozone"),
    (f"{RDATA}/datasets/quakes.csv", "mag"),
    (f"{RDATA}/datasets/trees.csv", "Volume"),
    (f"{RDATA}/rpart/car.test.frame.csv", "Mileage"),
    (f"{RDATA}/Ecdat/Housing.csv", "price"),
)
"""Where each table lies in the packages, and what is predicted."""
SERIES = ("GunPoint", "ItalyPowerDemand", "ArrowHead")
GENERATED: tuple[dict[str, Any], ...] = (
    {"kind": "circles", "n_samples": 300, "n_train": 60},
    {"kind": "xor", "n_samples": 300, "n_train": 60},
    {"kind": "friedman1", "n_samples": 300, "n_train": 60},
    {"kind": "waves", "n_samples": 300, "n_train": 60},
    {"kind": "digits", "n_train": 200},
    {"kind": "diabetes", "n_train": 200},
)
NOISE = {"input": (0.1, 0.3, 1.0), "before_activation": (0.1, 0.3, 1.0), "after_activation": (0.1, 0.3, 1.0)}


def main() -> None:
    """Trains what is not trained, and writes the atlas."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for name, source, dataset in datasets(options.packages, options.folder):
        began = time.perf_counter()
        parts.append(rows_of(name, source, dataset, str(options.folder / "results")))
        best = parts[-1].loc[parts[-1]["gain"].idxmax()]
        seconds = time.perf_counter() - began
        print(f"{name:<20} {best['place']} {best['strength']}: {best['gain']:+.3f} ({seconds:.0f} s)", flush=True)
    rows = pd.concat(parts, ignore_index=True)
    if options.write:
        rows.to_parquet(FILE, index=False)
    print("\n".join(table(rows)))


def datasets(packages: Path, folder: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The name, the source and the settings of each dataset."""
    for source, target in TABLES:
        path = copied(packages, source, folder)
        settings = yaml.safe_load(draft_study(str(path), target))["datasets"][0]
        yield path.name.partition(".csv")[0].lower().replace(".", "-"), source, plain(settings)
    for name in SERIES:
        path = folder / f"{name}.npz"
        if not path.exists():
            np.savez(path, **series(packages / "aeon/datasets/data" / name, name))
        yield (
            name.lower(),
            f"aeon/datasets/data/{name}",
            {"kind": "arrays", "path": str(path), "task": "classification"},
        )
    for settings in GENERATED:
        yield str(settings["kind"]).replace("_", "-"), "noiseflow", settings


def table(rows: pd.DataFrame) -> list[str]:
    """The table of docs/atlas.md: of each dataset the noise of the largest mean gain."""
    lines = ["| dataset | rows × features | baseline | most gained by | gain (95 % band) |", "|---|---|---|---|---|"]
    for name, own in rows.groupby("dataset", sort=False):
        best = own.loc[own["gain"].idxmax()]
        scale, unit, digits = (100, " points", 1) if best["n_classes"] else (1, " of R²", 3)
        gain, low, high = (f"{scale * best[end]:+.{digits}f}".replace("-", "−") for end in ("gain", "low", "high"))
        lines.append(
            f"| {name} | {best['n_train']:,} × {best['width']:,} | {best['baseline']:.3f} "
            f"| `{best['place']}`, {best['strength']:g} | {gain}{unit} ({low} to {high}) |"
        )
    return lines


def plain(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with a score that all datasets of a task have."""
    return settings | {"score": "accuracy" if settings["task"] == "classification" else "r2"}


def series(folder: Path, name: str) -> dict[str, Any]:
    """X (n, steps, channels) and y of both files of a series; lines `a:b:c` a channel each, the class last."""
    rows, labels = [], []
    for part in ("TRAIN", "TEST"):
        for line in (folder / f"{name}_{part}.ts").read_text(encoding="utf-8").splitlines():
            if line and line[0] not in "#@":
                *channels, label = line.split(":")
                rows.append(np.array([[float(value) for value in one.split(",")] for one in channels]).T)
                labels.append(label)
    return {"X": np.stack(rows), "y": np.unique(labels, return_inverse=True)[1]}


def rows_of(name: str, source: str, dataset: dict[str, Any], results: str) -> pd.DataFrame:
    """A row for each place and strength of a dataset."""
    variants: list[dict[str, Any]] = [{"name": "baseline"}]
    for place, strengths in NOISE.items():
        variants += [
            {"name": f"{place} {stddev}", "injections": [{"place": place, "stddev": stddev}]} for stddev in strengths
        ]
    content: dict[str, Any] = {
        "name": f"atlas-{name}",
        "design": "resample",
        "n_seeds": SEEDS,
        "datasets": [dataset],
        "architectures": [{"kind": "mlp", "units": [64]}],
        "training": {"epochs": 1},
        "variants": variants,
    }
    traits = traits_of(Study.model_validate(content).datasets[0])
    if traits.n_train > MOST_TRAINED:
        dataset["n_train"] = MOST_TRAINED
        dataset.pop("test_fraction", None)
        traits = traits_of(Study.model_validate(content).datasets[0])
    batch_size = min(32, traits.n_train)
    epochs = max(20, STEPS // ceil(traits.n_train / batch_size))
    content["training"] = {"epochs": epochs, "batch_size": batch_size, "record_every": max(1, epochs // 10)}
    summary = run_study(Study.model_validate(content), results).summary.set_index("variant")
    found = []
    for place, strengths in NOISE.items():
        for stddev in strengths:
            row = summary.loc[f"{place} {stddev}"]
            found.append(
                {
                    "dataset": name,
                    "source": source,
                    **vars(traits),
                    "baseline": summary.loc["baseline", "test_score_mean"],
                    "place": place,
                    "strength": stddev,
                    "n": int(row["n_pairs"]),
                    "gain": row["difference_mean"],
                    "low": row["difference_ci_low"],
                    "high": row["difference_ci_high"],
                    "std": abs(row["difference_mean"] / row["effect_size"]) if abs(row["effect_size"]) > 0 else 0.0,
                    "verdict": row["verdict"],
                }
            )
    return pd.DataFrame(found)


if __name__ == "__main__":
    main()
