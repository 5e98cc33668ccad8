"""Context Encoders made of other programs' models; methods of the class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import corpora
from conec.interop.checks import check_vectors
from conec.interop.word2vec import load_word2vec
from conec.types import CorpusLike, StrPath
from conec.vocabulary import Vocabulary
from corpora.counting import count

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

    from conec.model import ContextEncoder


def from_vectors(
    cls: type[ContextEncoder],
    /,
    vectors: KeyedVectors | StrPath,
    corpus: CorpusLike | None = None,
    *,
    progress: bool = False,
    **parameters: Any,
) -> ContextEncoder:
    """Make a Context Encoder of word vectors: they become W1.

    Parameters
    ----------
    vectors : KeyedVectors or path
        A path is that of a file in word2vec format, text or binary.
    corpus : Corpus, path or iterable of lists of str, optional
        Text to take the words' counts and global contexts from. Without it, counts
        are those of `vectors`, if it has any, and only local contexts can be used.
    **parameters
        Of `ContextEncoder`, such as `window`.

    Raises
    ------
    ValueError
        If a vector holds NaN or infinity, or `vector_size` is another.
    """
    keyed: Any = vectors
    if not hasattr(keyed, "index_to_key"):
        keyed = load_word2vec(keyed)
    check_vectors(keyed, size=parameters.get("vector_size"))
    model = cls(**{"min_count": 0, **parameters, "vector_size": keyed.vectors.shape[1]})
    words = list(keyed.index_to_key)
    source = None if corpus is None else corpora.open(corpus)
    if source is not None:
        if not source.reiterable:
            raise corpora.NotReiterableError(
                f"{source.source} can be read once only, and two passes are made: give a "
                "list, a file, or an object whose __iter__ starts anew"
            )
        seen = count(source, workers=model.config.workers, progress=progress).words
        counts = np.array([seen.get(word, 0) for word in words])
    elif "count" in keyed.expandos:
        counts = np.array([keyed.get_vecattr(word, "count") for word in words])
    else:
        counts = np.zeros(len(words), np.int64)
    order = np.argsort(-counts, kind="stable")
    model.vocabulary = Vocabulary([words[i] for i in order], counts[order])
    model.W1 = np.array(keyed.vectors[order], np.float32, order="C")
    model.W2 = np.zeros_like(model.W1)
    if source is not None:
        model.learn_map(source, progress=progress)
    return model


def from_gensim(
    cls: type[ContextEncoder],
    word2vec: Any,
    corpus: CorpusLike | None = None,
    *,
    progress: bool = False,
) -> ContextEncoder:
    """Make a Context Encoder of gensim's ``Word2Vec``, with its parameters.

    Parameters
    ----------
    word2vec : gensim.models.Word2Vec
    corpus : Corpus, path or iterable of lists of str, optional
        Text to take the global contexts from; counts are those of the model.

    Raises
    ------
    TypeError
        If it is no ``Word2Vec``.
    """
    if not hasattr(word2vec, "wv"):
        raise TypeError(f"a gensim Word2Vec is needed, not {type(word2vec).__name__}")
    model: ContextEncoder = cls.from_vectors(
        word2vec.wv,
        window=word2vec.window,
        min_window=1 if getattr(word2vec, "shrink_windows", True) else word2vec.window,
        negative=word2vec.negative or 5,
        sample=word2vec.sample or 0.0,
        ns_exponent=word2vec.ns_exponent,
        cbow_mean=bool(word2vec.cbow_mean),
        cbow_gradient="word2vec",
        alpha=float(word2vec.alpha),
        min_alpha=float(word2vec.min_alpha),
        epochs=word2vec.epochs,
    )
    if getattr(word2vec, "syn1neg", None) is not None:
        index = word2vec.wv.key_to_index
        model.W2 = np.array(word2vec.syn1neg[[index[w] for w in model.vocabulary.words]])
    if corpus is not None:
        model.learn_map(corpus, progress=progress)
    return model
