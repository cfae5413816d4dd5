"""Tasks: retries, a time limit and logs around one call of the library each."""

from typing import Any

from prefect.cache_policies import NO_CACHE

KEEPS_NOTHING: dict[str, Any] = {"persist_result": False, "cache_policy": NO_CACHE, "result_serializer": "json"}
"""Results are in the store; Prefect would pickle them."""
STEP: dict[str, Any] = {"retries": 2, "retry_delay_seconds": 5, **KEEPS_NOTHING}
"""A step that may succeed at the next attempt."""
