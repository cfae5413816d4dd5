"""Files of public packages, each drafted by `noiseflow init` and trained as it is: the table of docs/data.md.

    python -m benchmarks.public_files SITE_PACKAGES FOLDER [--epochs 20] [--as-it-is]

SITE_PACKAGES is where the packages lie that bring the files: pydataset, river, aeon, sktime, vega_datasets, palmerpenguins,
mlxtend and statsmodels. Nothing of them is imported. What is done is kept in FOLDER, and is not done again. With --as-it-is
nothing more is trained.
"""

from __future__ import annotations

import argparse
import re
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
    parser.add_argument("--as-it-is", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    lines = ["| file, target | read as | by hand | constant / boosting / network |", f"|{'---|' * 4}"]
    for source, target in FILES:
        path = copied(options.packages, source, options.folder)
        cells = done(path, target, options.epochs, trains=not options.as_it_is)
        lines.append(f"| `{path.name}`, {_target(target)} | {cells} |")
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


def done(path: Path, target: str, epochs: int, *, trains: bool) -> str:
    """What was read of a file and what a network reached, as cells of a table; or why it was refused."""
    study = path.with_suffix(".yaml")
    if not study.exists():
        drafted = run("init", str(path), "--target", target, "--output", str(study))
        if drafted.returncode:
            return f"refused: {drafted.stderr.strip()} | |"
        if path.name in BY_HAND:
            drafted_by_init = yaml.safe_load(study.read_text(encoding="utf-8"))
            drafted_by_init["datasets"][0].update(BY_HAND[path.name])
            study.write_text(yaml.safe_dump(drafted_by_init, sort_keys=False), encoding="utf-8")
    declared = yaml.safe_load(study.read_text(encoding="utf-8"))
    place = path.parent / "results" / declared["name"] / "runs" / f"epochs-{epochs}"
    if trains and not (place / "report" / "index.html").exists():
        began = time.perf_counter()
        options = ["--seeds", str(SEEDS), "--epochs", str(epochs), "--results", str(path.parent / "results")]
        trained = run("run", str(study), *options)
        seconds = time.perf_counter() - began
        path.with_suffix(".log").write_text(f"{seconds:.0f} s\n{trained.stdout}\n{trained.stderr}", encoding="utf-8")
        if trained.returncode:
            return f"not trained: {trained.stderr.strip()[-300:]} | |"
    (dataset,) = (Dataset.model_validate(part | {"path": str(path)}) for part in declared["datasets"])
    read = what_was_read(dataset, range(1, SEEDS + 1))
    scores = [read.scores.get(name) for name in (CONSTANT, BOOSTING)]
    if (stored := place / "summary.parquet").exists():
        scores.append(pd.read_parquet(stored).set_index("variant").loc["baseline", "test_score_mean"])
    shown = " / ".join("" if score is None else f"{round(score, 2) + 0.0:.2f}".replace("-", "−") for score in scores)
    by_hand = f"`{', '.join(BY_HAND[path.name])}`" if path.name in BY_HAND else "no"
    return f"{_read(read)} | {by_hand} | {read.score} {shown}{' / not trained' * (len(scores) < 3)}"


def _read(read: WhatWasRead) -> str:
    """Rows and kinds of columns, in a few words."""
    kinds = Counter(column.used_as for column in read.columns if column.used_as != "target")
    n = sum(int(text.replace(",", "")) for text in re.findall(r"([\d,]+) (?:train|test)", read.rows))
    return f"{n:,} rows; {', '.join(f'{count} {kind}' for kind, count in kinds.items())}"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*NOISEFLOW, *arguments], capture_output=True, text=True, check=False)


def _target(target: str) -> str:
    names = target.split(",")
    return target if len(names) == 1 else f"{names[0]} … {names[-1]}"


if __name__ == "__main__":
    main()
