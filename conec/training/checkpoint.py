"""Where a run of training stands: what a checkpoint needs beside the weights."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from conec.types import JSON
from corpora.checks import check_integer, check_number


@dataclass
class TrainingState:
    """Where a run of training stands.

    Attributes
    ----------
    epochs : int
        Epochs of this run.
    start_alpha, end_alpha : float
        Learning rates at its two ends.
    fingerprint : int
        Of the token stream.
    run : int
        Number of this run of training in the model's life; another run draws other
        random numbers.
    epoch : int
        Epochs done.
    next_range : int
        Ranges done of the epoch at work.
    losses, positions : list
        Of these ranges.
    range_tokens : int
        Length of a range.
    """

    epochs: int
    start_alpha: float
    end_alpha: float
    fingerprint: int
    run: int = 0
    epoch: int = 0
    next_range: int = 0
    losses: list[float] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    range_tokens: int = 0

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epoch >= self.epochs

    def to_dict(self) -> JSON:
        """As plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: JSON) -> TrainingState:
        """From plain data; ValueError or TypeError if it is damaged."""
        state = cls(**data)
        for name in ("epochs", "fingerprint", "run", "epoch", "next_range", "range_tokens"):
            check_integer(name, getattr(state, name), 0)
        for name in ("start_alpha", "end_alpha"):
            check_number(name, getattr(state, name), 0)
        state.losses = floats(state.losses)
        if len(state.losses) != state.next_range or len(state.positions) != state.next_range:
            raise ValueError("losses and positions are not those of the ranges done")
        state.positions = [check_integer("positions", n, 0) for n in state.positions]
        return state


def floats(data: Any) -> list[float]:
    """A list of numbers that JSON gave, null for NaN; TypeError if it is none."""
    if not isinstance(data, list) or not all(type(x) in (int, float, type(None)) for x in data):
        raise TypeError(f"a list of numbers is needed, not {data!r}")
    return [math.nan if x is None else float(x) for x in data]
