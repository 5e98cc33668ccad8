"""Arguments of the kernels, as named tuples, which compiled code takes apart by name."""

from __future__ import annotations

from typing import Any, NamedTuple


class Stream(NamedTuple):
    """The corpus.

    Attributes
    ----------
    ids : int32 array
        Ids of the words; -1 is a position without a word.
    offsets : int64 array of shape (n_documents + 1,)
        Where documents begin and end in `ids`.
    """

    ids: Any
    offsets: Any


class Words(NamedTuple):
    """What training knows of each word.

    Attributes
    ----------
    keep : float32 array of shape (V,)
        Probability that subsampling keeps an occurrence.
    rate : float32 array of shape (V,)
        Factor of the learning rate for the word's rows.
    cumulated, guide : float64 array of shape (V,), int32 array
        The noise distribution, from `conec.vocabulary.noise_table`.
    """

    keep: Any
    rate: Any
    cumulated: Any
    guide: Any


class Settings(NamedTuple):
    """Parameters of training.

    Attributes
    ----------
    window, min_window : int
        Each position's window is drawn uniformly between the two.
    negative, n_shared : int
        `n_shared` noise words per batch, each with weight ``negative / n_shared``.
    batch_size : int
        Positions that share noise words.
    mean, corrected : bool
        Mean or sum of the context rows; with the mean, whether the gradient is divided by
        the number of context words too (the true gradient).
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
        Its tokens. Positions see the context outside of the chunk too.
    alpha_start, alpha_stop : float
        Learning rates at its ends, linear in between.
    token_key, noise_key : uint64
        Keys of the random numbers, see `conec.training.kernels.random.key`.
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
        Features of each of the corpus's ids, in CSR form.
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
