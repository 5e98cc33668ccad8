"""Documents with features: reading, counting, encoding, and training on chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import corpora
from conec import random_streams
from conec.extended.vocabulary import FeatureRows, FeatureVocabulary
from conec.features import Clean, Document, sentences
from conec.training import chunks
from conec.training.kernels.arguments import Features
from conec.types import BoolArray, FloatArray
from conec.vocabulary import Vocabulary
from corpora import BREAK, with_breaks
from corpora.callbacks import progress_bar
from corpora.corpus import Corpus
from corpora.encoding import TokenStream

if TYPE_CHECKING:
    from conec.config import Config
    from conec.training.chunks import TrainingState


class FeatureStream(TokenStream):
    """An encoded corpus with the features of its tokens.

    Attributes
    ----------
    rows : FeatureRows
        One row for each element of `ids`.
    """

    def __init__(self, stream: TokenStream, rows: FeatureRows) -> None:
        super().__init__(stream.ids, stream.offsets, stream.n_raw, stream.skipped)
        self.rows = rows

    def fingerprint(self) -> int:
        """Checksum of ids, document offsets and features."""
        from zlib import crc32

        crc = super().fingerprint()
        for array in self.rows:
            crc = crc32(np.ascontiguousarray(array).data, crc)
        return crc


class FeatureChunkTrainer(chunks.ChunkTrainer):
    """Trains the weights of words and features on single chunks."""

    def __init__(
        self,
        weights: tuple[FloatArray, FloatArray, FloatArray],
        stream: FeatureStream,
        vocabulary: Vocabulary,
        features: FeatureVocabulary,
        dropout: float,
        config: Config,
        state: TrainingState,
        lock_factors: FloatArray | None = None,
    ) -> None:
        from conec.training.kernels import features as kernel

        self._kernel = kernel
        W1, self._F1, W2 = weights
        names = Vocabulary(features.names, features.counts)
        self._feature_rows = stream.rows
        self._feature_rate = names.rates(config.rate_exponent)
        self._dropout = np.float32(dropout)
        super().__init__(W1, W2, stream, vocabulary, config, state, lock_factors)

    def train(
        self, number: int, scratch: npt.NDArray[np.int16], length: int | None = None
    ) -> tuple[float, int]:
        """Train on a chunk; return the sum of its losses and its number of positions."""
        del scratch
        W1, W2 = self._weights
        state = self._state
        key = random_streams.key(self._config.seed, random_streams.FEATURES, state.run, state.epoch)
        features = Features(*self._feature_rows, self._feature_rate, self._dropout, key)
        loss, n_positions = self._kernel.train_chunk(
            self._stream, self._words, self._settings, self._chunk(number, length),
            features, W1, self._F1, W2,
        )  # fmt: skip
        return loss, n_positions


@dataclass(frozen=True)
class Documents:
    """A corpus as documents, with the columns of tokens if its format has any."""

    corpus: Any

    @property
    def reiterable(self) -> bool:
        """Whether it can be iterated over more than once."""
        if isinstance(self.corpus, Corpus):
            return self.corpus.reiterable
        return not isinstance(self.corpus, Iterator)

    def __iter__(self) -> Iterator[Document]:
        from corpora.readers import READERS, Reader

        if isinstance(self.corpus, Corpus):
            reader = READERS.get(self.corpus.format)
            if reader is not None and reader.tagged is not Reader.tagged:
                return iter(self.corpus.tagged(word_first=True))
        return iter(self.corpus)


def documents_of(corpus: Any) -> Documents:
    """The documents of a corpus, a path, or an iterable of documents."""
    if isinstance(corpus, Documents):
        return corpus
    opened = corpora.open(corpus)
    # documents in memory can have rows of tokens, which a Corpus does not take
    return Documents(corpus if opened.format == "memory" else opened)


def with_progress(documents: Documents, name: str, progress: bool) -> Iterator[Document]:
    """Yield documents, with a progress bar if `progress` is True."""
    yield from progress_bar(documents, desc=name, unit=" documents", shown=progress)


def counted(
    documents: Iterable[Document], clean: Clean | None, vocabulary: FeatureVocabulary
) -> tuple[Counter[str], Counter[str]]:
    """Count the occurrences of each word and of each feature name."""
    words: Counter[str] = Counter()
    names: Counter[str] = Counter()
    for number, document in enumerate(documents):
        for sentence in sentences(document, clean, f"document {number}"):
            words.update(sentence.words)
            for groups in vocabulary.of(sentence):
                names.update({name for group in groups for name in group})
    return words, names


def encoded(
    documents: Iterable[Document],
    clean: Clean | None,
    index: Mapping[str, int],
    vocabulary: FeatureVocabulary,
) -> FeatureStream:
    """Encode the known words of documents and their features."""
    text: list[list[str]] = []
    parts = [FeatureRows(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))]
    for number, document in enumerate(documents):
        parsed = sentences(document, clean, f"document {number}")
        tokens = with_breaks(sentence.words for sentence in parsed)
        text.append(tokens)
        # the same tokens as in TokenStream, which omits unknown words but keeps breaks
        kept = np.array([token == BREAK or token in index for token in tokens], np.bool_)
        parts.append(_selected(vocabulary.encode(parsed), tokens, kept))
    sizes = np.concatenate([np.diff(part.indptr) for part in parts])
    rows = FeatureRows(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([part.indices for part in parts]),
        np.concatenate([part.values for part in parts]),
    )
    return FeatureStream(TokenStream.from_documents(text, index), rows)


def _selected(rows: FeatureRows, tokens: Sequence[str], kept: BoolArray) -> FeatureRows:
    """Select the rows of the tokens that are kept, and insert empty rows for breaks."""
    sizes = np.zeros(len(tokens), np.int64)
    is_word = np.array([token != BREAK for token in tokens], np.bool_)
    sizes[is_word] = np.diff(rows.indptr)
    entries = np.repeat(kept, sizes)
    sizes = sizes[kept]
    indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return FeatureRows(indptr, rows.indices[entries], rows.values[entries])
