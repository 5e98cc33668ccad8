"""Tagging schemes of named entities, and conversion between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from conec.evaluation import entities
from conec.evaluation.entities import check_prefixes, parse_tag
from corpora.checks import check_choice

Scheme = Literal["iob1", "iob2", "bioes", "bilou", "bmewo", "io"]

# Prefixes of the first, an inner, the last and the only token of an entity.
_PREFIXES = {
    "iob1": ("B", "I", "I", "B"),  # otherwise I
    "iob2": ("B", "I", "I", "B"),
    "bioes": ("B", "I", "E", "S"),
    "bilou": ("B", "I", "L", "U"),
    "bmewo": ("B", "M", "E", "W"),
    "io": ("I", "I", "I", "I"),
}
_MAX_TYPES = 50  # of tags without prefixes; more are other annotations, such as parts of speech


def convert(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Convert the tags of a sentence to another tagging scheme.

    Parameters
    ----------
    tags : sequence of str
        In any scheme that `conec.evaluation.entities` reads.
    scheme : {"iob1", "iob2", "bioes", "bilou", "bmewo", "io"}
        "iob1": ``B-`` only where an entity follows another one of its type. "iob2": ``B-`` at
        the start of each entity. "bioes": also ``E-`` at its end, and ``S-`` for entities of one
        token; "bilou": the same with ``L-`` and ``U-``; "bmewo": with ``M-`` inside, ``E-`` and
        ``W-``. "io": only ``I-``; adjacent entities of a type become one.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If the scheme is unknown, a tag is invalid, or schemes are mixed.

    Examples
    --------
    >>> convert(["I-PER", "I-PER", "O", "I-LOC"], "bioes")
    ['B-PER', 'E-PER', 'O', 'S-LOC']
    """
    check_choice("scheme", scheme, Scheme)
    converted = ["O"] * len(tags)
    previous_stop, previous_type = 0, ""
    for entity_type, start, stop in entities(tags):
        first, inside, last, single = _PREFIXES[scheme]
        if scheme == "iob1" and (start != previous_stop or entity_type != previous_type):
            first = single = "I"
        converted[start:stop] = [f"{inside}-{entity_type}"] * (stop - start)
        converted[stop - 1] = f"{last}-{entity_type}"
        converted[start] = f"{first if stop - start > 1 else single}-{entity_type}"
        previous_stop, previous_type = stop, entity_type
    return converted


def with_prefixes(sentences: Sequence[Sequence[str]]) -> list[list[str]]:
    """Check the tags of all sentences, and add ``I-`` if they are types without prefixes.

    Types without prefixes (PER, LOC and O, as in plain IO) are accepted if all tags have this form,
    and some are O. Other annotations, such as parts of speech, have no O or more types.

    Raises
    ------
    ValueError
        If a tag is invalid, or tags of several schemes are mixed.
    """
    tags = {tag for sentence in sentences for tag in sentence}
    types = tags - {"O", ""}
    if types and "O" in tags and len(types) <= _MAX_TYPES and all("-" not in tag for tag in types):
        return [[tag if tag in ("O", "") else f"I-{tag}" for tag in s] for s in sentences]
    check_prefixes(parse_tag(tag)[0] for tag in tags)
    return [list(sentence) for sentence in sentences]


def types_of(tags: Iterable[str]) -> list[str]:
    """Types of the entities in tags, sorted."""
    return sorted({parse_tag(tag)[1] for tag in tags} - {""})
