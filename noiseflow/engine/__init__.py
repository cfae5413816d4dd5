"""Trains a Keras model for many seeds."""
