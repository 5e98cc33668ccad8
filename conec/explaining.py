"""Which context words made an embedding close to a word: a linear case of Sec. 5.1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from conec.embedding import Embedder
from conec.linalg import normalize

if TYPE_CHECKING:
    from scipy import sparse

    from simec.explain import Explanation

MARK = "___"  # stands in the place of the word in question

Float64 = npt.NDArray[np.float64]


class Explainer(Embedder):
    """Embeddings that say which context words they come from."""

    def explain_similarity(
        self,
        word_or_tokens: str | Sequence[str],
        other: str | npt.ArrayLike,
        contexts: Sequence[str | Sequence[str]] = (),
        a: float = 0.8,
        *,
        global_contexts: sparse.csr_matrix | None = None,
    ) -> Explanation:
        """Which context words made the embedding of a word close to another word.

        An embedding is a sum over context words, brought to unit length; its cosine with
        another one is, too: ``x_c (W1_c · other)`` over the length, for context word c. After
        `learn_map` W1_c is mapped, and the lengths that the map divides by count as given.

        Parameters
        ----------
        word_or_tokens : str or sequence of str
            A word, known or not, or a text with ``"___"`` in the place of the word.
        other : str or array of shape (d,)
            A known word, or a vector that `embed` or `embed_word` gave.
        contexts : sequence of texts
            That the word stands in, as for `embed_word`.
        a : float
            Share of the global context, if the model knows the word.
        global_contexts : csr_matrix of shape (V, V), optional
            What `global_contexts` gives for the text and settings that `build_contexts` took
            (``normalize="max"`` by default); the global share of the embedding is
            explained by it.

        Returns
        -------
        simec.explain.Explanation
            Of the cosine of `other` with ``embed_word(word, contexts, a)``: relevances of
            shape (1, V), CSR, named by words. They and `bias` sum to the cosine. `bias` is what
            belongs to no context word: the global share unless `global_contexts` are given,
            which after `learn_map` comes from the word's row of W1, and the means that the map
            takes off.

        Raises
        ------
        KeyError
            If `other` is not known.
        ValueError
            If the word has no known context words to explain it by, a context lacks the word,
            or `global_contexts` are not those of the embeddings.
        RuntimeError
            If embeddings of known words were not made.

        Examples
        --------
        >>> found = model.explain_similarity(
        ...     "we went ___ down the hill".split(), "skiing"
        ... )  # doctest: +SKIP
        >>> found.top(3)  # doctest: +SKIP
        """
        from scipy import sparse

        from simec.explain import Explanation

        word, texts = _text(word_or_tokens, contexts)
        aim = normalize(self._similar_to(other)[None])[0].astype(np.float64)
        vector = self.embed_word(word, texts, a).astype(np.float64)
        known = self.vocabulary.index.get(word, -1)
        is_mixed = known >= 0 and a > 0
        n, d = len(self), self.config.vector_size
        shares, x, made = np.zeros(n), sparse.csr_matrix((1, n)), np.zeros(d)
        if texts:
            shares, x, made = self._local_shares(word, texts, aim)
        if is_mixed:
            assert self.context_embeddings is not None  # or embed_word had raised
            row = self.context_embeddings[known].astype(np.float64)
            shares, x, made = (1 - a) * shares, (1 - a) * x, (1 - a) * made + a * row
            if global_contexts is not None:
                of_word = self._checked_contexts(global_contexts, known, row)
                W1 = self._unit_W1()[of_word.indices].astype(np.float64)
                shares[of_word.indices] += a * of_word.data * (W1 @ aim)
                x = x + a * of_word
        x = sparse.csr_matrix(x, dtype=np.float64)
        x.eliminate_zeros()
        if not x.nnz:
            raise ValueError(
                f"no known context words made the embedding of {word!r}: give contexts, texts "
                "that it stands in, or, after build_contexts, global_contexts"
            )
        shares /= float(np.linalg.norm(made)) or 1.0
        found = sparse.csr_matrix((shares[x.indices], x.indices, x.indptr), x.shape)
        value = float(vector @ aim)
        name = other if isinstance(other, str) else "a vector"
        return Explanation(
            found, value, value - float(found.sum()), x, self.vocabulary.words,
            title=f"{word} and {name}: {value:.3g}",
        )  # fmt: skip

    def _local_shares(
        self, word: str, texts: list[list[str]], aim: Float64
    ) -> tuple[Float64, Any, Float64]:
        """Of the local context: shares of its product with `aim`, weights of words, embedding."""
        text = self._numbered([token for tokens in texts for token in tokens])
        offsets = np.cumsum([0] + [len(tokens) for tokens in texts])
        place = text.words.index(word)
        W1 = self._unit_W1()
        shares = np.zeros(len(self))
        local: Float64 = self._embed_local(text, offsets)[place].astype(np.float64)
        if self.context_map is None:
            x = self._local(text, self._window(None, "distance"), offsets=offsets)[[place]]
            shares[x.indices] = x.data * (W1[x.indices].astype(np.float64) @ aim)
            return shares, x, local
        mapping = self.context_map
        rows, kinds = [], []
        for window in mapping.config.windows(self.vocabulary):
            rows.append(self._local(text, window, "none", offsets)[[place]])
            kinds.append(normalize(np.asarray(rows[-1] @ W1, np.float32))[0].astype(np.float64))
        there = [bool(kind.any()) for kind in kinds]
        total = sum(
            (kind - mean) @ weights
            for kind, mean, weights, is_there in zip(
                kinds, mapping.mean, mapping.weights, there, strict=True
            )
            if is_there
        )
        size = float(np.linalg.norm(total)) or 1.0
        plain = mapping.config.plain / np.sqrt(max(int((text.rows == place).sum()), 1))
        mixed = total / size + plain * kinds[-1]
        outer = float(np.linalg.norm(mixed)) or 1.0
        for k, (x, weights) in enumerate(zip(rows, mapping.weights, strict=True)):
            if not there[k]:
                continue
            own = W1[x.indices].astype(np.float64)
            inner = float(np.linalg.norm(x.data @ own))
            towards = weights.astype(np.float64) @ aim / size
            if k == len(rows) - 1:
                towards = towards + plain * aim
            shares[x.indices] += x.data * (own @ towards) / (inner * outer)
        return shares, sum(rows[1:], rows[0]), local

    def _checked_contexts(self, contexts: Any, known: int, row: Float64) -> Any:
        """A word's global context, if it is what its embedding was made of."""
        n = len(self)
        if self.context_map is not None:
            raise ValueError(
                "after learn_map embeddings of known words come from rows of W1, not from global "
                "contexts: leave out global_contexts, or call build_contexts"
            )
        if getattr(contexts, "shape", None) != (n, n):
            raise ValueError(f"global_contexts is a sparse matrix of shape ({n}, {n})")
        from scipy import sparse

        found = sparse.csr_matrix(sparse.csr_matrix(contexts)[[known]], dtype=np.float64)
        made = (found @ self._unit_W1().astype(np.float64))[0]
        if not np.allclose(made, row, rtol=1e-3, atol=1e-4 * float(np.abs(row).max(initial=0))):
            raise ValueError(
                "global_contexts are not those that the embeddings were made of: give the text, "
                "window, weighting, normalize and diagonal that build_contexts had"
            )
        return found


def _text(
    word: str | Sequence[str], contexts: Sequence[str | Sequence[str]]
) -> tuple[str, list[list[str]]]:
    """A word, or the mark of its place, and texts with it."""
    contexts = [contexts] if isinstance(contexts, str) else contexts
    texts = [text.split() if isinstance(text, str) else list(text) for text in contexts]
    if isinstance(word, str):
        return word, texts
    tokens = list(word)
    if MARK not in tokens:
        raise ValueError(f"the text has no {MARK!r}, which stands in the place of the word")
    return MARK, [tokens, *texts]
