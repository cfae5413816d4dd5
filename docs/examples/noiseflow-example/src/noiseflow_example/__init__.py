"""A dataset and a network of one's own for noiseflow."""
