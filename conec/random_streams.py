"""Numbers that identify independent random streams, one for each use."""

from __future__ import annotations

TOKENS, NOISE, WEIGHTS, FEATURES, SENSES, MAP, AVERAGES = range(7)
