"""Trains a Keras model for many seeds."""

from noiseflow.engine.disk_cache import keep_programs

keep_programs()  # before TensorFlow computes
