"""A conditional random field: CRFsuite, by way of python-crfsuite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Attributes = list[list[str]]
"""Of each token of a sentence, those that it has."""


def require() -> Any:
    """The module pycrfsuite.

    Raises
    ------
    ImportError
        If it is not installed; names the extra.
    """
    try:
        import pycrfsuite
    except ImportError as error:
        raise ImportError(
            "taggers need python-crfsuite: pip install similarity-encoders[ner]"
        ) from error
    return pycrfsuite


def train(
    path: Path,
    sentences: Iterable[tuple[Attributes, Sequence[str]]],
    *,
    c1: float,
    c2: float,
    max_iterations: int,
    progress: bool = False,
) -> None:
    """Train by L-BFGS (or OWL-QN, with `c1`), and write the field to a file.

    Parameters
    ----------
    path : Path
    sentences : iterable of (list of list of str, sequence of str)
        Attributes and labels of the tokens of each; held in compact form only.
    c1, c2 : float
        Weights of the L1 and L2 penalties.
    max_iterations : int
        At most so many.
    progress : bool
        Show a bar.
    """
    from tqdm import tqdm

    crfsuite = require()
    base: Any = crfsuite.Trainer
    quiet = None if progress else True
    with tqdm(total=max_iterations, desc="CRF", unit="iteration", disable=quiet) as bar:

        class Trainer(base):  # type: ignore[misc]
            def message(self, text: str) -> None:
                if text.startswith("***** Iteration"):
                    bar.update()

        trainer = Trainer(algorithm="lbfgs", verbose=True)
        trainer.set_params({"c1": c1, "c2": c2, "max_iterations": max_iterations})
        for attributes, labels in sentences:
            trainer.append(crfsuite.ItemSequence(attributes), labels)
        trainer.train(str(path))


class Field:
    """A trained field.

    Parameters
    ----------
    content : bytes
        Of a file that `train` wrote.

    Raises
    ------
    ValueError
        If it is none.
    """

    def __init__(self, content: bytes) -> None:
        self._tagger = require().Tagger()
        self._content = content  # CRFsuite reads on in it
        # CRFsuite takes what lies behind its mark on trust, and would crash
        whole = int.from_bytes(content[4:8], "little") == len(content)
        if not content.startswith(b"lCRF") or not whole:
            raise ValueError("it is no file of CRFsuite, or not a whole one")
        self._tagger.open_inmemory(content)

    def __reduce__(self) -> tuple[type[Field], tuple[bytes]]:
        return Field, (self._content,)  # CRFsuite's object cannot be copied

    def labels(self, attributes: Attributes) -> list[str]:
        """The most probable labels of a sentence's tokens."""
        if not attributes:
            return []
        found: list[str] = self._tagger.tag(require().ItemSequence(attributes))
        return found
