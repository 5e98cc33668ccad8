"""A linear-chain conditional random field (CRF), by python-crfsuite."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conec.evaluation.entities import parse_tag
from corpora.callbacks import progress_bar
from corpora.files import temporary_files_in

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

    Raises
    ------
    OSError
        If the file cannot be written completely, as on a full disk.
    """
    crfsuite = require_crfsuite()
    base: Any = crfsuite.Trainer
    with progress_bar(total=max_iterations, desc="CRF", unit=" iterations", shown=progress) as bar:

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
        _check_written(path)
        logger.info("trained the CRF in %.1f s", time.perf_counter() - prepared)


def _check_written(path: Path) -> None:
    """Raise OSError if CRFsuite, which reports no errors of writing, left an incomplete file."""
    with temporary_files_in(path.parent.parent):
        try:
            check_model(path.read_bytes())
        except (FileNotFoundError, ValueError):
            # The system reports why if the same is tried again.
            size = path.stat().st_size if path.exists() else 0
            with open(path.with_name("probe"), "wb") as file:
                for _ in range(size // (1 << 20) + 2):
                    file.write(bytes(1 << 20))
                file.flush()
                os.fsync(file.fileno())
            raise OSError(errno.EIO, "CRFsuite could not write its model") from None


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
        self.labels = check_model(content)
        self._tagger = require_crfsuite().Tagger()
        self.content = content  # CRFsuite keeps reading from it
        self._tagger.open_inmemory(content)

    def __reduce__(self) -> tuple[type[Field], tuple[bytes]]:
        return Field, (self.content,)  # CRFsuite's object cannot be copied

    def predict(self, attributes: Attributes) -> list[str]:
        """Predict the most probable sequence of labels of a sentence."""
        if not attributes:
            return []
        labels: list[str] = self._tagger.tag(require_crfsuite().ItemSequence(attributes))
        return labels


# Structure of the file. CRFsuite checks nothing but the first bytes: it follows all offsets and
# indices in the file, in C, wherever they lead.

_HEADER = 48  # bytes
_FEATURE = np.dtype([("type", "<u4"), ("source", "<u4"), ("target", "<u4"), ("weight", "<f8")])
_TABLES = 256  # hash tables of a database of strings
_MAX_LABELS = 4096  # CRFsuite allocates the square of their number

IntArray = npt.NDArray[np.int64]


def check_model(content: bytes) -> list[str]:
    """Check the structure of a file of CRFsuite: that all of its offsets and indices are valid.

    Returns
    -------
    list of str
        The labels.

    Raises
    ------
    ValueError
        If the structure is invalid; the message says where.
    """
    if len(content) < _HEADER or content[:4] != b"lCRF" or content[8:12] != b"FOMC":
        raise ValueError("not a CRFsuite model, or truncated")
    # The number of features is not in the header: CRFsuite leaves it 0.
    size, _, _, _, n_labels, n_attributes, *offsets = np.frombuffer(content, "<u4", 11, 4).tolist()
    if size != len(content):
        raise ValueError("not a CRFsuite model, or truncated")
    if not 1 <= n_labels <= _MAX_LABELS:
        raise ValueError(f"a CRFsuite model with {n_labels} labels is not supported")
    file = _File(content)
    features_at, labels_at, attributes_at, label_refs_at, attribute_refs_at = offsets
    n_features = file.check_features(features_at, n_labels, n_attributes)
    file.check_references(label_refs_at, b"LFRF", n_labels, n_features)
    file.check_references(attribute_refs_at, b"AFRF", n_attributes, n_features)
    file.check_strings(attributes_at, n_attributes)
    names = file.check_strings(labels_at, n_labels)
    labels = []
    for offset in names:
        end = content.index(0, offset)
        labels.append(content[offset:end].decode())  # UnicodeDecodeError is a ValueError
        parse_tag(labels[-1])
    if len(labels) < n_labels or len(set(labels)) < len(labels):
        raise ValueError("a label is missing or occurs twice")
    return labels


class _File:
    """A file of CRFsuite."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.bytes = np.frombuffer(content, np.uint8)

    def integers(self, positions: IntArray) -> IntArray:
        """Read integers at any positions; ValueError if one lies outside of the file."""
        if positions.size and not (
            positions.min() >= 0 and positions.max() + 4 <= len(self.content)
        ):
            raise ValueError("an offset leads out of the file")
        values = np.zeros(positions.shape, np.int64)
        for i in range(4):
            values |= self.bytes[positions + i].astype(np.int64) << (8 * i)
        return values

    def chunk(self, at: int, name: bytes) -> tuple[int, int]:
        """Size and number of elements of a chunk."""
        content = self.content
        if at < _HEADER or at + 12 > len(content) or content[at : at + 4] != name:
            raise ValueError(f"the chunk {name.decode()} is not at its place")
        size, number = np.frombuffer(content, "<u4", 2, at + 4).tolist()
        if at + size > len(content):
            raise ValueError(f"the chunk {name.decode()} leads out of the file")
        return size, number

    def check_features(self, at: int, n_labels: int, n_attributes: int) -> int:
        """Check the features, of an attribute and a label or of two labels; return their number."""
        size, n = self.chunk(at, b"FEAT")
        if 12 + n * _FEATURE.itemsize > size:
            raise ValueError("the chunk FEAT is too short")
        features = np.frombuffer(self.content, _FEATURE, n, at + 12)
        limits = np.where(features["type"] == 0, n_attributes, n_labels)
        if (features["type"] > 1).any() or (features["source"] >= limits).any():
            raise ValueError("a feature has an invalid source")
        if (features["target"] >= n_labels).any() or not np.isfinite(features["weight"]).all():
            raise ValueError("a feature has an invalid label or weight")
        return n

    def check_references(self, at: int, name: bytes, n: int, n_features: int) -> None:
        """Check the lists of features of all labels or attributes."""
        size, number = self.chunk(at, name)
        if number < n or 12 + 4 * number > size:
            raise ValueError(f"the chunk {name.decode()} is too short")
        starts = np.frombuffer(self.content, "<u4", n, at + 12).astype(np.int64)
        counts = self.integers(starts)
        total = int(counts.sum())
        if 4 * total > len(self.content):
            raise ValueError(f"the chunk {name.decode()} has too many references")
        first = np.repeat(starts + 4 - 4 * (np.cumsum(counts) - counts), counts)
        if (self.integers(first + 4 * np.arange(total)) >= n_features).any():
            raise ValueError("a reference is to a feature that does not exist")

    def check_strings(self, at: int, n: int) -> list[int]:
        """Check a database of strings; return the positions of the strings, by their number."""
        content = self.content
        size, _ = self.chunk(at, b"CQDB")
        if size < 24 + 8 * _TABLES:
            raise ValueError("the chunk CQDB is too short")
        byte_order, n_backward, backward = np.frombuffer(content, "<u4", 3, at + 12).tolist()
        if byte_order != 0x62445371:
            raise ValueError("the byte order is not supported")
        tables = np.frombuffer(content, "<u4", 2 * _TABLES, at + 24).reshape(-1, 2).tolist()
        n_buckets, entries = 0, []
        for offset, number in tables:
            if not offset and not number:
                continue
            n_buckets += number
            if not offset or not number or offset + 8 * number > size or 8 * n_buckets > size:
                raise ValueError("a hash table leads out of its chunk")
            buckets = np.frombuffer(content, "<u4", 2 * number, at + offset).reshape(-1, 2)[:, 1]
            if buckets.all():  # a search for any other string would not end
                raise ValueError("a hash table has no empty bucket")
            entries.append(buckets[buckets > 0].astype(np.int64))
        offsets = np.concatenate([*entries, np.zeros(0, np.int64)])
        numbers = self._check_entries(at, size, offsets, n)
        if n_buckets != 2 * n or not np.array_equal(np.sort(numbers), np.arange(n)):
            raise ValueError("the hash tables do not contain each string exactly once")
        if backward + 4 * n_backward > size or (backward and n_backward > n):
            raise ValueError("the list of strings leads out of its chunk")
        if not backward:
            return []
        offsets = np.frombuffer(content, "<u4", n_backward, at + backward).astype(np.int64)
        self._check_entries(at, size, offsets[offsets > 0], n)
        return [int(at + offset + 8) for offset in offsets if offset]

    def _check_entries(self, at: int, size: int, offsets: IntArray, n: int) -> IntArray:
        """Check entries: the number of a string, its length, and its bytes, which end with 0.

        Returns the numbers.
        """
        values, lengths = self.integers(at + offsets), self.integers(at + offsets + 4)
        ends = offsets + 8 + lengths
        if (values >= n).any() or (lengths < 1).any() or (ends > size).any():
            raise ValueError("a string is invalid")
        if self.bytes[at + ends - 1].any():
            raise ValueError("a string has no end")
        return values
