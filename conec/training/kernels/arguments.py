"""Arguments of the kernels, as named tuples, whose fields compiled code reads by name."""

from __future__ import annotations

from typing import Any, NamedTuple


class Stream(NamedTuple):
    """The corpus.

    Attributes
    ----------
    ids : int32 array
        Ids of the words; -1 is a position without a word.
    offsets : int64 array of shape (n_documents + 1,)
        Start of each document in `ids`, and the end of the last one.
    """

    ids: Any
    offsets: Any


class Words(NamedTuple):
    """Values that training uses for each word.

    Attributes
    ----------
    keep : float32 array of shape (V,)
        Probability that subsampling keeps an occurrence.
    rate1, rate2 : float32 arrays of shape (V,)
        Factors of the learning rate for the word's rows of W1 and of W2.
    cumulated, guide : float64 array of shape (V,), int32 array
        The noise distribution, from `conec.vocabulary.noise_table`.
    """

    keep: Any
    rate1: Any
    rate2: Any
    cumulated: Any
    guide: Any


class Settings(NamedTuple):
    """Parameters of training.

    Attributes
    ----------
    window, min_window : int
        The window of each position is drawn uniformly from `min_window` to `window`.
    negative, n_shared : int
        `n_shared` noise words per batch, each with weight ``negative / n_shared``.
    batch_size : int
        Positions that share noise words.
    mean, corrected : bool
        `mean`: average the context rows instead of summing them. `corrected`: with the mean,
        also divide the gradient by the number of context words (the true gradient).
    """

    window: int
    min_window: int
    negative: int
    n_shared: int
    batch_size: int
    mean: bool
    corrected: bool


class Chunk(NamedTuple):
    """A chunk of the corpus.

    Attributes
    ----------
    start, stop : int
        Span of its tokens. Contexts extend beyond the chunk.
    alpha_start, alpha_stop : float
        Learning rates at its ends; in between, the rate is linear.
    token_key, noise_key : uint64
        Keys of the random numbers; see `conec.training.kernels.random.key`.
    """

    start: int
    stop: int
    alpha_start: float
    alpha_stop: float
    token_key: Any
    noise_key: Any


class Features(NamedTuple):
    """Features of the tokens.

    Attributes
    ----------
    indptr, indices, values : int64, int32 and float32 arrays
        Features of each token of the corpus, in CSR form.
    rate : float32 array of shape (n_features,)
        Factor of the learning rate for each feature's row.
    dropout : float32
        Probability that a position ignores a feature.
    key : uint64
        Key of the random numbers for dropout.
    """

    indptr: Any
    indices: Any
    values: Any
    rate: Any
    dropout: Any
    key: Any
