"""What random numbers are drawn for: each purpose has numbers of its own for one seed."""

from __future__ import annotations

TOKENS, NOISE, WEIGHTS, FEATURES, SENSES, MAP = range(6)
