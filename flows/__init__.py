"""The Prefect job. Prefect sends usage data unless this is set before it is imported."""

import os
from contextlib import suppress
from importlib import import_module

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")


def write_no_device_id() -> None:
    """Keeps Prefect from writing a device id that it sends nowhere; to be called before a flow is declared.

    Where a flow is declared or run, Prefect 3.8 writes an id and "milestones" to its home before it looks at DO_NOT_TRACK: only
    the lack of a terminal keeps it from that, and no setting does. Who has set DO_NOT_TRACK=0 has the id.
    """
    with suppress(ImportError, AttributeError):
        analytics = import_module("prefect._internal.analytics")
        if not analytics.is_telemetry_enabled():
            analytics.try_mark_milestone = lambda _milestone: False  # type: ignore[attr-defined] # of any module
