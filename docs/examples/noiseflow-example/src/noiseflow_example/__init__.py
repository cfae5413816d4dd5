"""A dataset and a network for noiseflow."""
