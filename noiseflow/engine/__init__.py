"""Trains a Keras model for many seeds; docs/engine.md is its map.

Importing it sets the environment variables that let TensorFlow keep compiled programs on disk (`disk_cache.py`).
"""

from noiseflow.engine.disk_cache import keep_programs

keep_programs()  # before TensorFlow computes
