"""A linear-chain conditional random field (CRF), by python-crfsuite."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

Attributes = list[list[str]]
"""Attributes (binary features) of each token of a sentence."""


def require_crfsuite() -> Any:
    """Import and return the module pycrfsuite.

    Raises
    ------
    ImportError
        If it is not installed; the message names the extra to install.
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
    """Train a CRF by L-BFGS (OWL-QN if `c1` is positive), and write it to a file.

    Parameters
    ----------
    path : Path
        File to write.
    sentences : iterable of (list of list of str, sequence of str)
        Attributes and labels of the tokens of each sentence. CRFsuite keeps a compact copy, so
        the sentences may be generated.
    c1, c2 : float
        Weights of the L1 and L2 penalties.
    max_iterations : int
    progress : bool
        Show a bar.
    """
    from tqdm import tqdm

    crfsuite = require_crfsuite()
    base: Any = crfsuite.Trainer
    hidden = None if progress else True
    with tqdm(total=max_iterations, desc="CRF", unit="iteration", disable=hidden) as bar:

        class Trainer(base):  # type: ignore[misc]
            def message(self, text: str) -> None:
                if text.startswith("***** Iteration"):
                    bar.update()
                if text.strip():
                    logger.debug("CRFsuite: %s", text.strip())

        trainer = Trainer(algorithm="lbfgs", verbose=True)
        trainer.set_params({"c1": c1, "c2": c2, "max_iterations": max_iterations})
        begin = time.perf_counter()
        n_sentences = 0
        for attributes, labels in sentences:
            trainer.append(crfsuite.ItemSequence(attributes), labels)
            n_sentences += 1
        prepared = time.perf_counter()
        logger.info("computed features of %d sentences in %.1f s", n_sentences, prepared - begin)
        trainer.train(str(path))
        if not _is_complete(path.read_bytes() if path.exists() else b""):
            # CRFsuite does not report it
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        logger.info("trained the CRF in %.1f s", time.perf_counter() - prepared)


def _is_complete(content: bytes) -> bool:
    """Whether a file of CRFsuite has the length that its header says."""
    return content.startswith(b"lCRF") and int.from_bytes(content[4:8], "little") == len(content)


class Field:
    """A trained conditional random field.

    Parameters
    ----------
    content : bytes
        Content of a file written by `train`.

    Raises
    ------
    ValueError
        If this is not a complete CRFsuite model.
    """

    def __init__(self, content: bytes) -> None:
        self._tagger = require_crfsuite().Tagger()
        self.content = content  # CRFsuite keeps reading from it
        # CRFsuite checks only the magic number, and crashes if the rest is damaged
        if not _is_complete(content):
            raise ValueError("not a CRFsuite model, or truncated")
        self._tagger.open_inmemory(content)

    def __reduce__(self) -> tuple[type[Field], tuple[bytes]]:
        return Field, (self.content,)  # CRFsuite's object cannot be copied

    def predict(self, attributes: Attributes) -> list[str]:
        """Predict the most probable sequence of labels of a sentence."""
        if not attributes:
            return []
        labels: list[str] = self._tagger.tag(require_crfsuite().ItemSequence(attributes))
        return labels
