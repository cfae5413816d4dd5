"""Campaigns: the seeds of a night, drift between nights, replays, and what stays valid at every look."""
