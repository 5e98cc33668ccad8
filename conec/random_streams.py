"""Streams of random numbers: one for each purpose, so that they are independent."""

from __future__ import annotations

TOKENS, NOISE, WEIGHTS, FEATURES, SENSES, MAP = range(6)
