"""Results as Parquet, on a disk or in an object store: published whole or not at all, looked at before they are believed.

In the order to read them: `store.py` has the calls that the rest of the library makes. `publishing.py` is the order in which
a batch is written, so that a kill loses nothing; `disk.py` and `bucket.py` write one file (`objects.py` is what they have in
common), and `recovery.py` repairs in the next run what a dead process left. `guard.py` moves damaged files to
quarantine, `waiting.py` says when unfinished ones are dropped. `reading.py` gives rows, `schemas.py` the columns, `files.py`
the checksum of one file. `catalogue.py` and `known.py` only save time. `compaction.py` copies a store into larger files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from noiseflow.store.files import FORMAT
from noiseflow.store.objects import Objects, StoreError
from noiseflow.store.schemas import FOLLOWERS, IDENTITIES, SCHEMAS
from noiseflow.store.store import Store, find_store

__all__ = ["FOLLOWERS", "FORMAT", "IDENTITIES", "SCHEMAS", "Objects", "Store", "StoreError", "find_store", "footer"]


def footer(study_hash: str, software: Mapping[str, str]) -> dict[str, str]:
    """What the Parquet footers carry: the study's hash, which names its file, package versions and the git commit."""
    return {"study_hash": study_hash, "software": json.dumps(dict(software))}
