"""Results as Parquet, on a disk or in an object store: published whole or not at all, looked at before they are believed."""

from __future__ import annotations

import json
from collections.abc import Mapping

from noiseflow.store.files import FORMAT
from noiseflow.store.objects import StoreError
from noiseflow.store.schemas import FOLLOWERS, IDENTITIES, SCHEMAS, Identity
from noiseflow.store.store import Store, find_store

__all__ = ["FOLLOWERS", "FORMAT", "IDENTITIES", "SCHEMAS", "Identity", "Store", "StoreError", "find_store", "footer"]


def footer(study_json: str, study_hash: str, software: Mapping[str, str]) -> dict[str, str]:
    """What the Parquet footers carry: the study, its hash, package versions and the git commit."""
    return {"study": study_json, "study_hash": study_hash, "software": json.dumps(dict(software))}
