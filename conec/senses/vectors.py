"""What a model knows of its words' senses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import numpy as np

from conec.linalg import normalize
from conec.senses.inventory import Sense, SenseInventory, SenseSettings, word_vectors
from conec.types import CorpusLike, FloatArray
from conec.word_vectors import Numbered, WordVectors
from corpora.encoding import TokenStream

Self = TypeVar("Self", bound="SenseVectors")


class SenseVectors(WordVectors):
    """Word vectors, and the senses of words."""

    def build_senses(
        self: Self,
        corpus: CorpusLike | TokenStream,
        settings: SenseSettings | None = None,
        *,
        words: Iterable[str] | None = None,
        progress: bool = False,
    ) -> Self:
        """Induce the words' senses: clusters of the contexts that they have in a corpus.

        From then on `embed` gives tokens in the sense at hand.

        Parameters
        ----------
        corpus : Corpus, path, iterable of lists of str, or TokenStream
        settings : SenseSettings, optional
        words : iterable of str, optional
            Those whose senses are wanted; by default all that occur often enough.
        progress : bool
            Show bars.

        Raises
        ------
        KeyError
            If one of the `words` is unknown.
        ValueError
            If the corpus has no word of the vocabulary.
        """
        from conec.senses.induction import induce

        ids = None if words is None else np.array([self._known(w) for w in words], np.int64)
        self.sense_inventory = induce(
            self._encode(corpus, progress),
            self.W1,
            self.vocabulary,
            settings,
            words=ids,
            seed=self.config.seed,
            workers=self.config.workers,
            progress=progress,
        )
        self._changed()
        return self

    def senses(self, word: str) -> list[Sense]:
        """The senses of a word, the most frequent first.

        Parameters
        ----------
        word : str

        Returns
        -------
        list of Sense
            Empty if the word was too rare to have any.

        Raises
        ------
        KeyError
            If the word is unknown.
        RuntimeError
            If senses were not built.
        """
        row = self._known(word)
        return self._senses().describe(row, self._word_vectors()[row], self.vocabulary)

    def _known(self, word: str) -> int:
        if word not in self.vocabulary:
            raise KeyError(f"{word!r} is not in the vocabulary, and has no senses")
        return self.vocabulary.index[word]

    def _senses(self) -> SenseInventory:
        if self.sense_inventory is None:
            raise RuntimeError("senses were not built: call build_senses with the corpus")
        return self.sense_inventory

    def _word_vectors(self) -> FloatArray:
        if "word_vectors" not in self._cache:
            self._cache["word_vectors"] = word_vectors(self.W1)
        vectors: FloatArray = self._cache["word_vectors"]
        return vectors

    def _sense_contexts(self, text: Numbered) -> FloatArray:
        """Mapped local contexts of the distinct words of a text, which tell their senses."""
        inventory = self._senses()
        if "sense_window" not in self._cache:
            self._cache["sense_window"] = inventory.settings.context(self.vocabulary)
        matrix = self._local(text, self._cache["sense_window"])
        return normalize(np.asarray(matrix @ self._unit_W1(), np.float32) @ inventory.map)
