"""How a model is trained: one frozen dataclass, which ``config.json`` mirrors."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from conec.types import CbowGradient, Negatives


@dataclass(frozen=True)
class Config:
    """Parameters of a `ContextEncoder`; see there for their meaning.

    Raises
    ------
    ValueError
        If a value is out of range; the message names the parameter.
    """

    vector_size: int = 200
    window: int = 5
    min_window: int = 1
    negative: int = 13
    negatives: Negatives = "shared"
    shared: int = 32
    batch_size: int = 64
    min_count: int = 5
    max_vocab_size: int | None = None
    sample: float = 1e-4
    ns_exponent: float = 0.75
    alpha: float | None = None
    min_alpha: float = 1e-4
    epochs: int = 5
    cbow_mean: bool = True
    cbow_gradient: CbowGradient = "corrected"
    workers: int = 1
    seed: int = 1
    deterministic: bool = False

    def __post_init__(self) -> None:
        for name in ("vector_size", "window", "negative", "epochs", "workers"):
            _check_integer(name, getattr(self, name), 1)
        _check_integer("min_window", self.min_window, 1, self.window)
        _check_integer("shared", self.shared, 1, 1024)
        _check_integer("batch_size", self.batch_size, 1, 1024)
        _check_integer("min_count", self.min_count, 0)
        _check_integer("seed", self.seed, 0, 2**63 - 1)
        if self.max_vocab_size is not None:
            _check_integer("max_vocab_size", self.max_vocab_size, 1)
        _check_number("sample", self.sample, 0)
        _check_number("ns_exponent", self.ns_exponent, -10)
        _check_number("min_alpha", self.min_alpha, 0)
        if self.alpha is not None:
            _check_number("alpha", self.alpha, 0)
        for name, allowed in (("negatives", Negatives), ("cbow_gradient", CbowGradient)):
            if getattr(self, name) not in get_args(allowed):
                known = " or ".join(map(repr, get_args(allowed)))
                raise ValueError(f"{name} is {known}, not {getattr(self, name)!r}")

    @property
    def start_alpha(self) -> float:
        """The learning rate at the start.

        The true gradient of the mean is smaller by the number of context words than
        the historical one and takes a larger rate.
        """
        if self.alpha is not None:
            return self.alpha
        return 0.1 if self.cbow_mean and self.cbow_gradient == "corrected" else 0.025

    @property
    def training_threads(self) -> int:
        """Threads that may train: one, where results are to be the same each time."""
        return 1 if self.deterministic else self.workers

    @property
    def batch(self) -> tuple[int, int]:
        """Positions in a batch, and noise words that they share."""
        return (1, self.negative) if self.negatives == "exact" else (self.batch_size, self.shared)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Config:
        """From plain data; names that this version does not know are an error."""
        unknown = set(data) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"unknown parameters: {', '.join(sorted(unknown))}")
        return cls(**data)


def _check_integer(name: str, value: Any, low: int, high: int | None = None) -> None:
    whole = isinstance(value, int) or (hasattr(value, "__index__") and not isinstance(value, bool))
    if not whole or value < low or (high is not None and value > high):
        span = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} is a whole number {span}, not {value!r}")


def _check_number(name: str, value: Any, low: float) -> None:
    if not isinstance(value, (int, float)) or not math.isfinite(value) or value < low:
        raise ValueError(f"{name} is a number of at least {low}, not {value!r}")
