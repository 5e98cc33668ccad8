"""Tagging schemes of named entities, and conversion between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from conec.evaluation import entities
from corpora.checks import check_choice

Scheme = Literal["iob1", "iob2", "bioes"]


def convert(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Convert the tags of a sentence to another tagging scheme.

    Parameters
    ----------
    tags : sequence of str
        In any scheme that `conec.evaluation.entities` reads.
    scheme : {"iob1", "iob2", "bioes"}
        "iob1": ``B-`` only where an entity follows another one of its type. "iob2": ``B-`` at
        the start of each entity. "bioes": also ``E-`` at its end, and ``S-`` for entities of one
        token.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If the scheme is unknown, or a tag is invalid.

    Examples
    --------
    >>> convert(["I-PER", "I-PER", "O", "I-LOC"], "bioes")
    ['B-PER', 'E-PER', 'O', 'S-LOC']
    """
    check_choice("scheme", scheme, Scheme)
    converted = ["O"] * len(tags)
    previous_stop, previous_type = 0, ""
    for entity_type, start, stop in entities(tags):
        converted[start:stop] = [f"I-{entity_type}"] * (stop - start)
        if scheme != "iob1" or (start == previous_stop and entity_type == previous_type):
            converted[start] = f"B-{entity_type}"
        if scheme == "bioes":
            converted[stop - 1] = f"E-{entity_type}"
            if stop - start == 1:
                converted[start] = f"S-{entity_type}"
        previous_stop, previous_type = stop, entity_type
    return converted
