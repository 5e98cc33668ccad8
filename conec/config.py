"""The parameters of a `ContextEncoder`: defaults, bounds and help, defined in one place.

The signature and docstring of `ContextEncoder` and the options of ``conec train`` are generated
from `Config`.
"""

# ruff: noqa: RUF009
from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from textwrap import wrap
from typing import Any, Concatenate, ParamSpec, TypeVar, get_args

from conec.types import CbowGradient, Init, Negatives
from corpora.checks import check_choice, check_flag, check_integer, check_number

P = ParamSpec("P")
Class = TypeVar("Class", bound=type)


@dataclass(frozen=True)
class Parameter:
    """A parameter of `Config`.

    Attributes
    ----------
    name : str
    type : type
        int, float, bool, or str for one of `choices`.
    default : object
    help : str
        Plain text, with the names of other parameters in backticks.
    low, high : float or None
        Bounds, inclusive.
    choices : tuple of str
        Allowed values of a string parameter; empty for other types.
    optional : bool
        Whether None is allowed.
    default_help : str
        Meaning of a default of None; empty if there is nothing to explain.
    """

    name: str
    type: type
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    default_help: str = ""

    def check(self, value: Any) -> Any:
        """Check a value, and convert it to the type of the parameter.

        Raises
        ------
        ParameterError
            If it has the wrong type.
        ValueError
            If it is out of range.
        """
        if value is None and self.optional:
            return None
        if self.type is int:
            high = None if self.high is None else int(self.high)
            return check_integer(self.name, value, int(self.low or 0), high)
        if self.type is float:
            return check_number(self.name, value, self.low or 0.0, self.high)
        if self.type is bool:
            return check_flag(self.name, value)
        check_choice(self.name, value, self.choices)
        return str(value)

    def described(self) -> str:
        """Format the parameter as an entry of a numpydoc docstring."""
        kind = "{" + ", ".join(f'"{c}"' for c in self.choices) + "}" if self.choices else (
            self.type.__name__
        )  # fmt: skip
        default = "optional" if self.default is None else f"default {self.default!r}"
        text = self.help
        if self.default_help:
            text += f" Default: {self.default_help}."
        lines = wrap(text, 88, initial_indent="    ", subsequent_indent="    ")
        return "\n".join([f"{self.name} : {kind}, {default}", *lines])


def _parameter(
    default: Any,
    help: str,
    low: float | None = None,
    high: float | None = None,
    *,
    choices: Any = None,
    default_help: str = "",
) -> Any:
    """Define a field of `Config`; `choices` is a ``Literal``."""
    metadata = {
        "help": help,
        "low": low,
        "high": high,
        "choices": get_args(choices),
        "default_help": default_help,
    }
    return field(default=default, metadata=metadata)


_HISTORICAL = 'with `cbow_mean` False or `cbow_gradient` "word2vec"'


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters of a `ContextEncoder`, checked and converted to plain types.

    Raises
    ------
    ValueError
        If a value is out of range or has the wrong type; the message names the parameter.
    """

    vector_size: int = _parameter(200, "Dimensions d of the embeddings.", 1, 1 << 16)
    window: int = _parameter(5, "Maximum number of context words on each side.", 1, 1 << 16)
    min_window: int = _parameter(
        1,
        "The window of each position is drawn uniformly from `min_window` to `window`. If they "
        "are equal, it is constant (gensim's shrink_windows=False).",
        1,
        1 << 16,
    )
    negative: int = _parameter(13, "Negative samples (noise words) per position.", 1, 1 << 10)
    negatives: Negatives = _parameter(
        "shared",
        '"shared": a batch of positions shares its noise words, which is several times faster. '
        '"exact": each position draws its own noise words and takes its own gradient step, as in '
        "word2vec.",
        choices=Negatives,
    )
    shared: int = _parameter(
        20,
        "Noise words that a batch shares; each has weight `negative` / `shared`. Only used with "
        '`negatives` "shared".',
        1,
        1 << 10,
    )
    batch_size: int = _parameter(
        64, 'Positions in a batch. Only used with `negatives` "shared".', 1, 1 << 10
    )
    min_count: int = _parameter(5, "Ignore words that occur less often.", 0)
    max_vocab_size: int | None = _parameter(
        None,
        "Drop the rarest words whenever there are more than this while words are counted, as in "
        "gensim. Counts may then be too low; counting needs little memory without it.",
        1,
        default_help="no limit",
    )
    max_final_vocab: int | None = _parameter(
        None,
        "Maximum number of words. `min_count` is raised so that there are no more.",
        1,
        default_help="no limit",
    )
    sample: float = _parameter(
        1e-4,
        "Threshold for subsampling frequent words; 0 turns it off. In a text of a few thousand "
        "words, most are frequent: use 1e-3 or 1e-2.",
        0,
    )
    ns_exponent: float = _parameter(
        0.75, "Noise words are drawn in proportion to their count to this power.", -10, 10
    )
    alpha: float | None = _parameter(
        None,
        "Learning rate at the start of training.",
        0,
        default_help=f"0.6, or 0.025 {_HISTORICAL}",
    )
    min_alpha: float = _parameter(1e-4, "Learning rate at the end of training.", 0)
    alpha_exponent: float | None = _parameter(
        None,
        "The learning rate of a word is divided by its count to the power of `alpha_exponent`, "
        "as frequent words are updated more often. With 0, all words have the same rate, as in "
        "word2vec, and 0.15 is a good value of `alpha`.",
        0,
        1,
        default_help=f"0.25, or 0 {_HISTORICAL}",
    )
    epochs: int = _parameter(5, "Passes over the corpus.", 1)
    cbow_mean: bool = _parameter(True, "Average the context vectors instead of summing them.")
    cbow_gradient: CbowGradient = _parameter(
        "corrected",
        'Gradient of the mean. "corrected": the true gradient. "word2vec": as in word2vec.c and '
        "gensim, without the division by the number of context words.",
        choices=CbowGradient,
    )
    init: Init = _parameter(
        "word2vec",
        'Initial weights. "word2vec": W1 uniform in ±0.5/d, W2 zero. "glorot": both uniform in '
        "±4·sqrt(6/(V+d)), as in the thesis's experiments.",
        choices=Init,
    )
    workers: int = _parameter(1, "Training threads.", 1, 1 << 10)
    seed: int = _parameter(
        1, "Random seed. With one worker, the same seed gives the same vectors.", 0, 2**63 - 1
    )
    deterministic: bool = _parameter(
        False,
        "Make results bit-identical for any number of workers (at most 8 are used). Training is "
        "slightly slower, and the vectors differ from those of default training.",
    )

    def __post_init__(self) -> None:
        for name, parameter in PARAMETERS.items():
            object.__setattr__(self, name, parameter.check(getattr(self, name)))
        check_integer("min_window", self.min_window, 1, self.window)

    @property
    def start_alpha(self) -> float:
        """The learning rate at the start of training.

        The true gradient of the mean is word2vec's divided by the number of context words, so
        its default rate is higher. This is the rate of a word that occurs once.
        """
        if self.alpha is not None:
            return self.alpha
        return 0.6 if self.is_gradient_of_mean else 0.025

    @property
    def rate_exponent(self) -> float:
        """`alpha_exponent`, or its default."""
        if self.alpha_exponent is not None:
            return self.alpha_exponent
        return 0.25 if self.is_gradient_of_mean else 0.0

    @property
    def is_gradient_of_mean(self) -> bool:
        """Whether the gradient is that of the mean, smaller than word2vec's."""
        return self.cbow_mean and self.cbow_gradient == "corrected"

    @property
    def batch(self) -> tuple[int, int]:
        """Positions in a batch, and the number of noise words that they share."""
        return (1, self.negative) if self.negatives == "exact" else (self.batch_size, self.shared)

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Config:
        """Create the parameters from plain data; ValueError if one is unknown or invalid."""
        if "max_final_vocab" not in data:  # max_vocab_size had this meaning in earlier versions
            data = {**data, "max_final_vocab": data.get("max_vocab_size"), "max_vocab_size": None}
        unknown = set(data) - set(PARAMETERS)
        if unknown:
            raise ValueError(
                f"unknown parameters: {', '.join(sorted(unknown))}. A newer version may have "
                "written them"
            )
        return cls(**data)


def _described_fields() -> dict[str, Parameter]:
    types = {"int": int, "float": float, "bool": bool}
    parameters = {}
    for f in fields(Config):
        base, _, optional = str(f.type).partition(" | ")
        parameters[f.name] = Parameter(
            f.name, types.get(base, str), f.default, optional=bool(optional), **f.metadata
        )
    return parameters


PARAMETERS: dict[str, Parameter] = _described_fields()
"""All parameters of `Config` by name, in order."""


def takes_parameters_of(
    config: Callable[P, Config],
) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    """Decorate an ``__init__(self, *corpus, **parameters)`` that takes the parameters of `Config`.

    `inspect.signature`, ``help()`` and type checkers then show each parameter with its default.
    """

    def decorate(function: Callable[..., None]) -> Callable[Concatenate[Any, P], None]:
        return with_signature(function)

    del config  # only its type is used
    return decorate


def with_signature(function: Callable[..., Any], **defaults: Any) -> Callable[..., Any]:
    """Replace ``**parameters`` in the signature of a function by the parameters of `Config`.

    Parameters
    ----------
    function : callable
    **defaults
        Parameters whose defaults differ from those of `Config`.
    """
    explicit = [
        p
        for p in inspect.signature(function).parameters.values()
        if p.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    ]
    configured = [
        p.replace(default=defaults.get(p.name, p.default))
        for p in inspect.signature(Config).parameters.values()
    ]
    signature = inspect.Signature([*explicit, *configured], return_annotation=None)
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def documents_parameters(cls: Class) -> Class:
    """Decorate a class: replace ``{parameters}`` in its docstring by the parameters of `Config`."""
    if cls.__doc__ is not None:  # python -OO removes docstrings
        entries = "\n".join(parameter.described() for parameter in PARAMETERS.values())
        cls.__doc__ = cls.__doc__.replace("{parameters}", entries.replace("\n", "\n    "))
    return cls
