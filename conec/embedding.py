"""Embeddings of words and of tokens: known or not, in the sense at hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt

from conec import contexts
from conec.contexts.mapping import MapConfig, learn
from conec.contexts.smoothing import smoothed
from conec.linalg import normalize
from conec.senses.vectors import SenseVectors
from conec.types import BoolArray, Choice, CorpusLike, FloatArray, Normalize, Weighting
from conec.word_vectors import Numbered
from corpora.checks import check_choice
from corpora.encoding import TokenStream

Self = TypeVar("Self", bound="Embedder")


class Embedder(SenseVectors):
    """Word vectors, and the context vectors that turn them into embeddings."""

    # Of known words

    def build_contexts(
        self: Self,
        corpus: CorpusLike | TokenStream,
        *,
        window: int | None = None,
        weighting: Weighting = "uniform",
        normalize: Normalize = "max",
        diagonal: float = 0.0,
        memory: int = 1 << 30,
        progress: bool = False,
    ) -> Self:
        """Take the thesis's embeddings: global context vectors times W1.

        They become `context_embeddings`, and `embed` adds local ones as they are. W1's
        rows are brought to unit length first, as in the thesis's experiments. The matrix
        of context vectors itself is not held.

        Parameters
        ----------
        corpus : Corpus, path, iterable of lists of str, or TokenStream
            All the text that the contexts shall come from.
        window : int, optional
            By default that of training.
        weighting, normalize, diagonal, memory
            As in `global_contexts`.
        progress : bool
            Show a bar.
        """
        stream = self._encode(corpus, progress)
        self.context_embeddings = contexts.global_embeddings(
            stream,
            self._unit_W1(),
            self._window(window, weighting),
            diagonal=diagonal,
            normalize=normalize,
            memory=memory,
            workers=self.config.workers,
            progress=progress,
        )
        self.context_map = None
        self._changed()
        return self

    def learn_map(
        self: Self,
        corpus: CorpusLike | TokenStream,
        config: MapConfig | None = None,
        *,
        exclude: Iterable[str] = (),
        memory: int = 1 << 30,
        progress: bool = False,
    ) -> Self:
        """Learn better embeddings, of known words and of contexts: what training ends with.

        `context_embeddings` become rows of W1, smoothed by what the rest of the network
        says of each word (`conec.contexts.smoothing`). They beat rows of W1 and global context
        vectors times W1. `context_map` brings local contexts to where the words'
        vectors are (`conec.contexts.mapping`). `embed` and `embed_word` mix the two, as Eq. 7.1
        does; `build_contexts` goes back to the thesis's embeddings.

        Parameters
        ----------
        corpus : Corpus, path, iterable of lists of str, or TokenStream
            The text that the model was trained on, or some of it.
        config : MapConfig, optional
        exclude : iterable of str
            Words that the map does not learn from, such as those to test with.
        memory : int
            As in `global_contexts`.
        progress : bool
            Show bars.

        Raises
        ------
        ValueError
            If weights hold NaN, or the corpus has no word of the vocabulary.
        """
        from conec.interop.checks import check_vectors

        config = config or MapConfig(near=self.config.window)
        check_vectors(self.W1, self.vocabulary.words)
        stream = self._encode(corpus, progress)
        # vectors of another program may come without W2
        other = self.W2 if self.W2.any() else self.W1
        said = contexts.global_embeddings(
            stream,
            np.hstack([self.W1, other]),
            self._window(None, "sif"),
            memory=memory,
            workers=self.config.workers,
            progress=progress,
        )
        counts = self.vocabulary.counts
        smooth = smoothed(self.W1, self.W2, said, counts, config.smoothing)
        learned = learn(
            stream,
            self.vocabulary,
            self._unit_W1(),
            config,
            seed=self.config.seed,
            workers=self.config.workers,
            exclude=exclude,
            progress=progress,
        )
        self._changed()
        self.context_embeddings, self.context_map = smooth, learned
        return self

    # Of tokens

    @overload
    def embed(
        self,
        tokens: Sequence[str],
        a: float = ...,
        *,
        senses: Choice = ...,
        return_found: Literal[False] = ...,
    ) -> FloatArray: ...

    @overload
    def embed(
        self,
        tokens: Sequence[str],
        a: float = ...,
        *,
        senses: Choice = ...,
        return_found: Literal[True],
    ) -> tuple[FloatArray, BoolArray]: ...

    def embed(
        self,
        tokens: Sequence[str],
        a: float = 0.8,
        *,
        senses: Choice = "auto",
        return_found: bool = False,
    ) -> FloatArray | tuple[FloatArray, BoolArray]:
        """Embeddings of the tokens of a document, each in the sense at hand.

        ``a * y_global + (1 - a) * y_local``, brought to unit length; `a` is 0 for words
        that the model does not know. After `learn_map`, the two are the word's row of
        `context_embeddings` and its mapped local context; after `build_contexts` they are
        ``x_global @ W1`` and ``x_local @ W1`` (Eq. 7.1).

        Parameters
        ----------
        tokens : sequence of str
            A document; all occurrences of a word in it share an embedding.
        a : float
            Share of the global context, from 0 to 1. With `build_contexts` the thesis's
            is 0.6.
        senses : {"auto", "soft", "hard", "none"}
            In place of its global context, a word has the sense that fits its local one
            ("hard"), or the mean of its senses by how well they do ("soft"); local
            contexts are mapped to the space of the words' vectors. See `build_senses`.
            A good `a` is then 0.8. With "none" a word has one vector for all its senses.
            "auto" is "soft" where senses were built, and "none" where they were not.
        return_found : bool
            Return as well which tokens have an embedding.

        Returns
        -------
        embeddings : float32 array of shape (len(tokens), d)
            Zero where a token has no context at all: it is unknown, and so are the
            words around it.
        found : bool array of shape (len(tokens),)
            False for these; with ``return_found=True`` only.

        Raises
        ------
        ValueError
            If `a` is out of range, or `senses` is none of these.
        RuntimeError
            If global contexts, or senses, are asked for and were not built.
        """
        check_choice("senses", senses, Choice)
        if senses == "auto":
            senses = "none" if self.sense_inventory is None else "soft"
        text = self._numbered(tokens)
        local = self._embed_local(text) if senses == "none" else self._sense_contexts(text)
        vectors = self._combine(text.words, local, a, senses)
        # a sentence break is a token without context
        is_word = text.rows >= 0
        result = np.zeros((len(is_word), self.config.vector_size), np.float32)
        result[is_word] = vectors[text.rows[is_word]]
        found: BoolArray = np.asarray(result.any(axis=1))
        return (result, found) if return_found else result

    @overload
    def embed_word(
        self,
        word: str,
        contexts: Sequence[str | Sequence[str]] = ...,
        a: float = ...,
        *,
        return_found: Literal[False] = ...,
    ) -> FloatArray: ...

    @overload
    def embed_word(
        self,
        word: str,
        contexts: Sequence[str | Sequence[str]] = ...,
        a: float = ...,
        *,
        return_found: Literal[True],
    ) -> tuple[FloatArray, bool]: ...

    def embed_word(
        self,
        word: str,
        contexts: Sequence[str | Sequence[str]] = (),
        a: float = 0.8,
        *,
        return_found: bool = False,
    ) -> FloatArray | tuple[FloatArray, bool]:
        """Embedding of one word, from the texts that it stands in.

        Parameters
        ----------
        word : str
            Any word, or a mark such as ``"___"`` that stands in its place.
        contexts : sequence of texts
            Each a list of tokens, or a string to split at white space, that has the
            word in it; together they are its local context.
        a : float
            Share of the global context, if the model knows the word.
        return_found : bool
            Return as well whether the word has an embedding.

        Returns
        -------
        embedding : float32 array of shape (d,)
            Of unit length, or zero if there is no context at all.
        found : bool
            With ``return_found=True`` only.

        Raises
        ------
        ValueError
            If a context lacks the word, or `a` is out of range.
        """
        if isinstance(contexts, str):
            contexts = [contexts]
        texts = [text.split() if isinstance(text, str) else list(text) for text in contexts]
        for text in texts:
            if word not in text:
                raise ValueError(f"{word!r} does not stand in the context {' '.join(text)!r}")
        offsets = np.cumsum([0] + [len(text) for text in texts])
        numbered = self._numbered([token for text in texts for token in text])
        local = self._embed_local(numbered, offsets)
        # without texts there is no local context
        own = local[[numbered.words.index(word)]] if texts else np.zeros((1, local.shape[1]), "f4")
        vector: FloatArray = self._combine([word], own, a)[0]
        return (vector, bool(vector.any())) if return_found else vector

    def _embed_local(self, text: Numbered, offsets: npt.ArrayLike | None = None) -> FloatArray:
        """Embeddings of the local contexts of the distinct words of a text."""
        if self.context_map is None:
            matrix = self._local(text, self._window(None, "distance"), offsets=offsets)
            return np.asarray(matrix @ self._unit_W1(), np.float32)
        if "map_windows" not in self._cache:
            self._cache["map_windows"] = self.context_map.config.windows(self.vocabulary)
        kinds = [
            np.asarray(self._local(text, window, "none", offsets) @ self._unit_W1(), np.float32)
            for window in self._cache["map_windows"]
        ]
        occurrences = np.bincount(text.rows[text.rows >= 0], minlength=len(text.words))
        return self.context_map.transform(normalize(np.stack(kinds)), occurrences)

    def _combine(
        self, words: list[str], local: FloatArray, a: float, senses: Choice = "none"
    ) -> FloatArray:
        """Eq. 7.1 for some words, or their senses, and the embeddings of their local contexts."""
        if not 0 <= a <= 1:
            raise ValueError(f"a is a share from 0 to 1, not {a!r}")
        known = np.fromiter((self.vocabulary.index.get(w, -1) for w in words), np.int64, len(words))
        if senses != "none":
            inventory, vectors = self._senses(), self._word_vectors()
            return inventory.mix(known.tolist(), vectors, local, a, hard=senses == "hard")
        is_known = known >= 0
        result = local.copy()
        if a > 0 and is_known.any():
            if self.context_embeddings is None:
                raise RuntimeError(
                    "embeddings of known words were not made: call learn_map or build_contexts "
                    "with the corpus, or use a=0 for local contexts alone"
                )
            result[is_known] *= np.float32(1 - a)
            result[is_known] += np.float32(a) * self.context_embeddings[known[is_known]]
        return normalize(result)
