"""Results as Parquet, on a disk or in an object store: published whole or not at all, looked at before they are believed."""

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
