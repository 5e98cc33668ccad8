"""How tags write entities down, and from one such scheme to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from conec.evaluation import entities
from corpora.checks import check_choice

Scheme = Literal["iob1", "iob2", "bioes"]
SCHEMES: tuple[str, ...] = get_args(Scheme)


def convert(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Write the entities of a sentence in another scheme.

    Parameters
    ----------
    tags : sequence of str
        Of any scheme that `conec.evaluation.entities` reads.
    scheme : {"iob1", "iob2", "bioes"}
        ``B-`` only where an entity follows another of its type; at the beginning of each;
        or with ``E-`` at the end and ``S-`` for those of one token as well.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If the scheme is unknown, or a tag is none.

    Examples
    --------
    >>> convert(["I-PER", "I-PER", "O", "I-LOC"], "bioes")
    ['B-PER', 'E-PER', 'O', 'S-LOC']
    """
    check_choice("scheme", scheme, Scheme)
    written = ["O"] * len(tags)
    end, before = 0, ""
    for kind, start, stop in entities(tags):
        written[start:stop] = [f"I-{kind}"] * (stop - start)
        if scheme != "iob1" or (start == end and kind == before):
            written[start] = f"B-{kind}"
        if scheme == "bioes":
            written[stop - 1] = f"E-{kind}"
            if stop - start == 1:
                written[start] = f"S-{kind}"
        end, before = stop, kind
    return written
