"""Check parameters, and the tokens of documents; errors say what was expected and passed."""

from __future__ import annotations

import difflib
import math
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from numbers import Integral, Number, Real
from typing import Any, TypeVar, get_args

from corpora.errors import CorpusError

__all__ = [
    "ParameterError",
    "advice",
    "are_tokens",
    "check_choice",
    "check_encodable",
    "check_flag",
    "check_instance",
    "check_integer",
    "check_number",
    "check_sizes",
    "check_token",
    "closest",
    "row_columns",
    "shorten",
    "shown",
    "table_columns",
    "token_error",
    "token_list",
    "word_list",
]

T = TypeVar("T")

# characters that are compared in detail: of all names together, and of each name
_COMPARED, _COMPARED_OF_ONE = 20_000, 100

_JOINED_TOKENS = 1 << 16  # joined at a time, to bound the memory of the check


class ParameterError(ValueError, TypeError):
    """A parameter has the wrong type.

    It is a TypeError as well as a ValueError, so that either can be caught.
    """


def check_integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return a value as an int.

    Raises
    ------
    ParameterError
        If it is not an integer.
    ValueError
        If it is out of range.
    """
    bounds = f">= {low}" if high is None else f"from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ParameterError(f"{name} must be an integer {bounds}, got {value!r}")
    whole = int(value)
    if whole < low or (high is not None and whole > high):
        raise ValueError(f"{name} must be an integer {bounds}, got {value!r}")
    return whole


def check_number(
    name: str, value: Any, low: float, high: float | None = None, *, above: bool = False
) -> float:
    """Return a value as a float.

    Parameters
    ----------
    name : str
    value : object
    low, high : float
        Bounds; `high` is None if there is no upper bound.
    above : bool
        Whether `low` itself is out of range.

    Raises
    ------
    ParameterError
        If it is not a number.
    ValueError
        If it is not finite or out of range.
    """
    sign = ">" if above else ">="
    bounds = f"{sign} {low:g}" + ("" if high is None else f" and <= {high:g}")
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ParameterError(f"{name} must be a number {bounds}, got {value!r}")
    try:
        number = float(value)
    except OverflowError:  # an integer beyond the range of floats
        number = math.inf
    too_low = number <= low if above else number < low
    if not math.isfinite(number) or too_low or (high is not None and number > high):
        raise ValueError(f"{name} must be a finite number {bounds}, got {value!r}")
    return number


def check_sizes(name: str, values: Any) -> tuple[int, ...]:
    """Return a sequence of integers >= 1, such as the sizes of layers, as a tuple of int.

    Raises
    ------
    ParameterError
        If it is not a sequence, or has a value that is not an integer.
    ValueError
        If a size is below 1.
    """
    is_array = type(values).__module__ == "numpy" and getattr(values, "ndim", 0) == 1
    if isinstance(values, (str, bytes)) or not (is_array or isinstance(values, Sequence)):
        raise ParameterError(f"{name} must be a sequence of sizes, such as (100,), got {values!r}")
    return tuple(check_integer(f"each size in {name}", size, 1) for size in values)


def check_flag(name: str, value: Any) -> bool:
    """Return a value as a bool; 0, 1 and NumPy's booleans are accepted as well."""
    # NumPy is not imported for its booleans: importing corpora does not need it.
    is_numpy = type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_")
    if (is_numpy or isinstance(value, (bool, Integral))) and value in (0, 1):
        return bool(value)
    raise ParameterError(f"{name} must be True or False, got {value!r}")


def check_choice(name: str, value: Any, allowed: Any) -> None:
    """Raise ValueError unless a value is one of a ``Literal`` or of a sequence of strings."""
    options = get_args(allowed) or tuple(allowed)
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}")


def check_instance(name: str, value: Any, kind: type[T]) -> T:
    """Return a value that must be an instance of a class of settings.

    Raises
    ------
    ParameterError
        If it is not. For a dict, the message says how to create the instance.
    """
    if isinstance(value, kind):
        return value
    hint = f". Use {kind.__name__}(**{name})" if isinstance(value, Mapping) else ""
    raise ParameterError(f"{name} must be of the class {kind.__name__}, got {shown(value)}{hint}")


def shown(value: object) -> str:
    """Format a value of the wrong type for a message."""
    if isinstance(value, str):
        return reprlib.repr(str(value))
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{value} of type {name}" if isinstance(value, Number) else name


def advice(value: object) -> str:
    """Say what to do about an object that is not a string, for the end of a message."""
    is_nan = isinstance(value, Real) and value != value
    if value is None or is_nan or type(value).__name__ in ("NAType", "NaTType"):
        return ". Leave missing values out"
    if isinstance(value, (bytes, bytearray)):
        return ". Decode it, for example with .decode()"
    if isinstance(value, Number):
        return ". Convert numbers with str()"
    if isinstance(value, (list, tuple)):
        return ". A document is one flat list; join its sentences with corpora.with_breaks"
    if isinstance(getattr(value, "text", None), str):
        return ". Pass its .text"
    return ""


def check_encodable(
    texts: Iterable[str], what: str, error: Callable[[str], Exception] = ValueError
) -> None:
    """Raise an error if a text has half of a surrogate pair, and so cannot be written to a file."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as problem:
        at = problem.start
        raise error(
            f"{what} must be valid text, got half of a surrogate pair in "
            f"{shorten(problem.object[max(at - 20, 0) : at + 20])}: decode bytes with the right "
            "encoding"
        ) from None


def closest(name: str, names: Iterable[str], n: int = 3, cutoff: float = 0.6) -> list[str]:
    """Return at most `n` names that are similar to a name, the most similar first.

    Case is ignored. After the similar names come up to two that contain the name. The time is
    bounded: among very many names, only those with the same beginning or end are compared.

    Parameters
    ----------
    name : str
    names : iterable of str
    n : int
    cutoff : float
        Lowest similarity, from 0 to 1, as in `difflib.get_close_matches`.
    """
    listed = list(names)
    size, sought = len(name), name[:_COMPARED_OF_ONE].lower()
    # the lengths limit how similar two texts can be
    pool = [
        other for other in listed if 2 * min(size, len(other)) >= cutoff * (size + len(other)) > 0
    ]
    limit = max(_COMPARED // (len(sought) + 1), 100)
    k = 1
    while len(pool) > limit and k < min(size, 20):
        start, end = name[:k], name[-k:]
        pool = [other for other in pool if other[:k] == start or other[-k:] == end]
        k += 1
    lowered: dict[str, str] = {}
    for other in pool[:limit]:
        lowered.setdefault(other[:_COMPARED_OF_ONE].lower(), other)
    similar = [lowered[match] for match in difflib.get_close_matches(sought, lowered, n, cutoff)]
    if len(similar) < n and name:
        containing = [other for other in listed if name in other and other not in similar]
        similar += containing[: min(2, n - len(similar))]
    return similar


def shorten(value: Any, width: int = 80) -> str:
    """Return the representation of a value, shortened for a message."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 1000:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value[: width + 1] if isinstance(value, str) else value)
    return text if len(text) <= width else f"{text[: width - 1]}\u2026"


# Tokens


def are_tokens(tokens: Sequence[object], *, surrogates: bool = False) -> bool:
    """Whether all tokens are strings; halves of surrogate pairs are rejected by default."""
    try:
        # join and encode check all tokens in C, in a fraction of the time of counting them.
        for start in range(0, len(tokens), _JOINED_TOKENS):
            part = tokens if len(tokens) <= _JOINED_TOKENS else tokens[start:][:_JOINED_TOKENS]
            text = "".join(part)  # type: ignore[arg-type]
            if not (surrogates or text.isascii()):
                text.encode()
    except (TypeError, UnicodeEncodeError):
        return False
    return True


def token_error(tokens: Sequence[object], where: str) -> Exception:
    """Create the error for tokens that `are_tokens` rejects.

    Parameters
    ----------
    tokens : sequence
    where : str
        The document in the message, such as "document 3".

    Returns
    -------
    TypeError or CorpusError
        TypeError for a token that is not a string, CorpusError for half of a surrogate pair; the
        message names its position.
    """
    for position, token in enumerate(tokens):
        error = _error_of(token, f"{where}, position {position} (counted from 0)")
        if error is not None:
            return error
    return TypeError(f"{where} must be a list of str, got {type(tokens).__name__}")


def check_token(token: object, where: str) -> str:
    """Return a word, token or text.

    Raises
    ------
    TypeError
        If it is not a string.
    CorpusError
        If it contains half of a surrogate pair.
    """
    if isinstance(token, str) and are_tokens((token,)):
        return token
    error = _error_of(token, where)
    assert error is not None
    raise error


def token_list(document: object, where: str, *, surrogates: bool = False) -> list[str]:
    """Return the tokens of a document.

    Parameters
    ----------
    document : iterable of str
        A spaCy ``Doc`` or ``Span`` gives the texts of its tokens.
    where : str
        The document in messages, such as "document 3".
    surrogates : bool, default False
        Allow halves of surrogate pairs, which represent undecodable bytes of a file with
        ``errors="surrogateescape"``.

    Returns
    -------
    list of str
        Not copied if `document` is a list.

    Raises
    ------
    TypeError
        If it is not an iterable of strings with an order.
    CorpusError
        If a token contains half of a surrogate pair.
    """
    if isinstance(document, str):
        raise TypeError(
            f"{where} must be a list of str, got the string {shown(document)}. Use text.split()"
        )
    if type(document) is list:
        tokens: list[Any] = document
    elif _is_from_spacy(document) and isinstance(document, Iterable):
        tokens = [token.text for token in document]
    else:
        columns = table_columns(document)
        if columns is not None or isinstance(document, (bytes, bytearray, memoryview, Set)):
            raise _document_error(document, where)
        try:
            # tolist converts NumPy's strings to Python's
            tokens = document.tolist() if _is_array(document) else list(document)  # type: ignore
        except TypeError:
            raise _document_error(document, where) from None
    if not are_tokens(tokens, surrogates=surrogates):
        raise token_error(tokens, where)
    return tokens


def word_list(name: str, words: object) -> list[str]:
    """Return words that were passed as an iterable; a string is one word.

    Raises
    ------
    TypeError
        If `words` is not an iterable of strings.
    """
    if isinstance(words, str):
        return [words]
    is_table = not isinstance(words, tuple) and table_columns(words) is not None
    if is_table or not isinstance(words, Iterable):
        raise ParameterError(f"{name} must be a list of words, got {shown(words)}")
    found = list(words)
    for position, word in enumerate(found):
        if not isinstance(word, str):
            raise ParameterError(
                f"{name} must be a list of words, got {shown(word)} at position {position} "
                "(counted from 0)"
            )
    return found


def row_columns(value: object) -> list[Any] | None:
    """Column names of a row of a table: a dict, named tuple or ``sqlite3.Row``; else None."""
    if isinstance(value, Mapping):
        return list(value)
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", None)
        return None if fields is None else list(fields)
    if type(value).__name__ == "Row" and callable(keys := getattr(value, "keys", None)):
        return list(keys())
    return None


def table_columns(value: object) -> list[Any] | None:
    """Column names of a row of a table, or of a table with names; None for any other object."""
    if (columns := row_columns(value)) is not None:
        return columns
    if (names := getattr(getattr(value, "dtype", None), "names", None)) is not None:
        return list(names)  # a structured array
    shape = getattr(value, "shape", None)
    if not isinstance(shape, tuple) or len(shape) != 2:
        return None
    for attribute in ("column_names", "columns"):
        if (names := getattr(value, attribute, None)) is not None:
            return list(names)
    return None


def _document_error(document: object, where: str) -> TypeError:
    expected = f"{where} must be a list of str, got {shown(document)}"
    if (columns := table_columns(document)) is not None:
        names = ", ".join(map(repr, columns[:8])) + (", ..." if len(columns) > 8 else "")
        return TypeError(f"{expected} with the columns {names}. Pass the tokens of one column")
    if isinstance(document, Set):
        return TypeError(f"{expected}, whose tokens have no order")
    return TypeError(f"{expected}{advice(document)}")


def _error_of(token: object, where: str) -> Exception | None:
    if not isinstance(token, str):
        return TypeError(f"{where}: a token must be a str, got {shown(token)}{advice(token)}")
    try:
        token.encode()
    except UnicodeEncodeError as error:
        return CorpusError(
            f"{where}: {shown(token)} contains half of a surrogate pair, U+"
            f"{ord(token[error.start]):04X}, which cannot be written as UTF-8. Remove it, for "
            'example with text.encode("utf-8", "ignore").decode()'
        )
    return None


def _is_array(value: object) -> bool:
    return type(value).__module__ == "numpy" and getattr(value, "ndim", 0) == 1


def _is_from_spacy(value: object) -> bool:
    return type(value).__module__.startswith("spacy.tokens")
