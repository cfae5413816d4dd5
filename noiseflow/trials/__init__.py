"""Batches of trials: trained and checked in worker processes."""
