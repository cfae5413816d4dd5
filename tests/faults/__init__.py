"""Faults that are injected into real processes: `python -m tests.faults` says which row of the table comes from where."""
