"""Twins."""
TWINS = {}
