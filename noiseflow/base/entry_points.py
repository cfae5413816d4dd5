"""Entry points: how an installed package brings datasets and networks."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points


def find_entry_point(group: str, name: str) -> EntryPoint:
    """The entry point of that name; it is not loaded.

    Raises:
        LookupError: no installed package has it; the message lists those that there are.
    """
    found = entry_points(group=group)
    if name not in found.names:
        known = ", ".join(sorted(found.names)) or "none"
        raise LookupError(
            f"must be an installed entry point of the group {group}; received {name!r}, there are {known}"
        )
    return found[name]
