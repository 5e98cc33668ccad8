"""How a model is trained: one frozen dataclass, which ``config.json`` mirrors."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import Any, get_args

import numpy as np

from conec.types import CbowGradient, Init, Negatives


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
    shared: int = 20
    batch_size: int = 64
    min_count: int = 5
    max_vocab_size: int | None = None
    sample: float = 1e-4
    ns_exponent: float = 0.75
    alpha: float | None = None
    min_alpha: float = 1e-4
    alpha_exponent: float | None = None
    epochs: int = 5
    cbow_mean: bool = True
    cbow_gradient: CbowGradient = "corrected"
    init: Init = "word2vec"
    workers: int = 1
    seed: int = 1
    deterministic: bool = False

    def __post_init__(self) -> None:
        high = dict.fromkeys(("vector_size", "window"), 1 << 16)
        high |= dict.fromkeys(("negative", "shared", "batch_size"), 1 << 10)
        for name in ("vector_size", "window", "negative", "shared", "batch_size"):
            self._set(name, check_integer(name, getattr(self, name), 1, high[name]))
        for name in ("epochs", "workers"):
            self._set(name, check_integer(name, getattr(self, name), 1))
        self._set("min_window", check_integer("min_window", self.min_window, 1, self.window))
        self._set("min_count", check_integer("min_count", self.min_count, 0))
        self._set("seed", check_integer("seed", self.seed, 0, 2**63 - 1))
        if self.max_vocab_size is not None:
            self._set("max_vocab_size", check_integer("max_vocab_size", self.max_vocab_size, 1))
        for name in ("sample", "min_alpha", "alpha"):
            if name != "alpha" or self.alpha is not None:
                self._set(name, check_number(name, getattr(self, name), 0))
        if self.alpha_exponent is not None:
            self._set("alpha_exponent", check_number("alpha_exponent", self.alpha_exponent, 0, 1))
        self._set("ns_exponent", check_number("ns_exponent", self.ns_exponent, -10, 10))
        for name in ("cbow_mean", "deterministic"):
            self._set(name, _check_switch(name, getattr(self, name)))
        for name, allowed in (
            ("negatives", Negatives),
            ("cbow_gradient", CbowGradient),
            ("init", Init),
        ):
            check_choice(name, getattr(self, name), allowed)

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # it is frozen from here on

    @property
    def start_alpha(self) -> float:
        """The learning rate at the start.

        The true gradient of the mean is smaller by the number of context words than
        the historical one and takes a larger rate; and it is that of a word seen once.
        """
        if self.alpha is not None:
            return self.alpha
        return 0.6 if self._is_gradient_of_mean else 0.025

    @property
    def rate_exponent(self) -> float:
        """How fast learning rates fall with words' counts."""
        if self.alpha_exponent is not None:
            return self.alpha_exponent
        return 0.25 if self._is_gradient_of_mean else 0.0

    @property
    def _is_gradient_of_mean(self) -> bool:
        return self.cbow_mean and self.cbow_gradient == "corrected"

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


def check_integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Value as an int; ValueError if it is none or out of range."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        whole = int(value)
        if whole >= low and (high is None or whole <= high):
            return whole
    span = f"at least {low}" if high is None else f"from {low} to {high}"
    raise ValueError(f"{name} is a whole number {span}, not {value!r}")


def check_number(name: str, value: Any, low: float, high: float | None = None) -> float:
    """Value as a float; ValueError if it is none, not finite or out of range."""
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
        if math.isfinite(number) and number >= low and (high is None or number <= high):
            return number
    span = f"of at least {low}" if high is None else f"from {low} to {high}"
    raise ValueError(f"{name} is a number {span}, not {value!r}")


def check_choice(name: str, value: Any, allowed: Any) -> None:
    """ValueError unless the value is one of a ``Literal``."""
    if not isinstance(value, str) or value not in get_args(allowed):
        known = ", ".join(map(repr, get_args(allowed)))
        raise ValueError(f"{name} is one of {known}, not {value!r}")


def _check_switch(name: str, value: Any) -> bool:
    # 0 and 1 too, as in gensim
    if isinstance(value, (bool, np.bool_, Integral)) and value in (0, 1):
        return bool(value)
    raise ValueError(f"{name} is True or False, not {value!r}")
