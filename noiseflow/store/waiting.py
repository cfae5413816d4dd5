"""When files that a dead process left under `_pending` are dropped; uses the uptime of each host, never the time of day.

A batch waits there until its trials are published, which takes less than a second; if its process dies, its files stay.
Nobody can distinguish a dead process of another host from a slow one, and clocks of two hosts cannot be compared. So each host
notes what it sees waiting, with its own seconds since it was started, and drops what it has itself seen waiting for as long as
the retention. A process that is still alive then loses nothing: it has its rows in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from math import isfinite
from pathlib import Path

from noiseflow.base.faults import InvalidInputError
from noiseflow.store.objects import Objects

RETENTION = "NOISEFLOW_RETENTION_HOURS"
ONE_WEEK = 7 * 24.0
Clock = Callable[[], tuple[str, float]]
"""Who measures, and the seconds on their own stop watch."""


def own_clock() -> tuple[str, float]:
    """The host since its last start, and the seconds since then; suspended ones count."""
    identity = [f"{os.uname().nodename}"]
    for name in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        with suppress(OSError):
            identity.append(Path(name).read_text(encoding="utf-8").strip())
    seconds = time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
    return hashlib.sha256("\n".join(identity).encode()).hexdigest()[:12], seconds


def retention() -> float:
    """Seconds that a batch may wait: a week, or NOISEFLOW_RETENTION_HOURS.

    Raises:
        InvalidInputError: that is no number of hours.
    """
    text = os.environ.get(RETENTION, "")
    with suppress(ValueError):
        hours = float(text) if text else ONE_WEEK
        if hours >= 0 and isfinite(hours):
            return 3600 * hours
    raise InvalidInputError([f"{RETENTION} must be a number of hours, 0 or more; received {text!r}. Change it."])


def overdue(objects: Objects, waiting: Collection[str], clock: Clock, seconds: float) -> set[str]:
    """The waiting batches that this host has seen for so many seconds; it notes the others."""
    host, now = clock()
    note = f"_pending/seen-{host}.json"
    before = _read_note(objects, note)
    if not waiting and not before:
        return set()
    noted = {batch: min(before.get(batch, now), now) for batch in sorted(waiting)}
    late = {batch for batch, since in noted.items() if now - since >= seconds}
    kept = {batch: since for batch, since in noted.items() if batch not in late}
    if not kept:
        objects.delete(note)
    elif kept != before:
        objects.replace(note, json.dumps(kept).encode())
    return late


def _read_note(objects: Objects, note: str) -> dict[str, float]:
    with suppress(FileNotFoundError, ValueError):
        found = json.loads(objects.get(note))
        if isinstance(found, dict) and all(isinstance(since, float) for since in found.values()):
            return found
    return {}
