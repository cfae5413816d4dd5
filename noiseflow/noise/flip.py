"""Flip: a label counts as another class."""

from __future__ import annotations

from noiseflow.noise.kind import Kind


class Flip(Kind):
    """With probability `rate` a row counts as one of the other classes, each as likely as the next."""

    name = "flip"
    strength = "rate"
    places = ("labels",)
    sentence = "with probability `rate` a row counts as one of the other classes, each as likely as the next"
