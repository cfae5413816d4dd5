"""Campaigns: the seeds of a night, and what is pooled and trained again."""
