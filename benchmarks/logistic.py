"""Logistic regression on numbers and on very many columns of 0 and 1, for entities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.ner_conll2003 import CLASSES

if TYPE_CHECKING:
    from scipy import sparse

    from conec.features import Feature, Sentence

Floats = npt.NDArray[np.float32]


class Inputs(NamedTuple):
    """What the classifier sees of each token: numbers, and names as columns of 0 and 1."""

    dense: Floats
    names: sparse.csr_matrix | None = None


def one_hot(
    parts: dict[str, list[Sentence]], features: Sequence[Feature]
) -> dict[str, sparse.csr_matrix]:
    """All names that features give in the part "train", as columns of 0 and 1."""
    from collections import Counter

    from scipy import sparse

    from conec.feature_vocabulary import FeatureVocabulary

    vocabulary = FeatureVocabulary(features)
    counts = Counter(
        name
        for sentence in parts["train"]
        for groups in vocabulary.of(sentence)
        for group in groups
        for name in group
    )
    vocabulary = vocabulary.merged(counts, 1)
    matrices = {}
    for split, text in parts.items():
        rows = vocabulary.encode(text)
        shape = len(rows.indptr) - 1, len(vocabulary)
        ones = np.ones(len(rows.indices), np.float32)
        matrices[split] = sparse.csr_matrix((ones, rows.indices, rows.indptr), shape=shape)
    return matrices


def with_neighbours(inputs: Inputs, tags: Sequence[Sequence[str]]) -> Inputs:
    """Inputs of each token, of the one before it and of the one after it; none are zero."""
    from scipy import sparse

    sentence = np.repeat(np.arange(len(tags)), [len(own) for own in tags])
    n = len(sentence)
    dense, names = [inputs.dense], [inputs.names]
    for place in (-1, 1):
        other = np.clip(np.arange(n) + place, 0, n - 1)
        inside = (sentence[other] == sentence) & (other != np.arange(n))
        dense.append(inputs.dense[other] * inside[:, None].astype(np.float32))
        if inputs.names is not None:
            names.append(sparse.diags(inside.astype(np.float32)) @ inputs.names[other])
    wide = None if inputs.names is None else sparse.hstack(names, format="csr", dtype=np.float32)
    return Inputs(np.hstack(dense), wide)


def scores(inputs: Inputs, W: Floats) -> Floats:
    """Log odds of each class, shape (n, 5)."""
    width = inputs.dense.shape[1]
    found: Floats = inputs.dense @ W[1 : width + 1] + W[0]
    if inputs.names is not None:
        found = found + inputs.names @ W[width + 1 :]
    return found


def fit_classifier(
    inputs: Inputs, labels: npt.NDArray[np.int64], cost: float, start: Floats | None = None
) -> Floats:
    """Weights of the five logistic regressions; the first row are intercepts.

    The objective is liblinear's: ``cost`` times the sum of losses, and half the squared
    weights, intercepts among them. L-BFGS, as there may be too many columns for Newton's
    steps; all classes at once.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    n_dense = inputs.dense.shape[1]
    n_columns = 1 + n_dense + (0 if inputs.names is None else inputs.names.shape[1])
    own = (labels[:, None] == np.arange(len(CLASSES))).astype(np.float32)
    transposed = None if inputs.names is None else inputs.names.T.tocsr()

    def loss(w: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        W = w.astype(np.float32).reshape(n_columns, len(CLASSES))
        z = scores(inputs, W)
        error = expit(z) - own
        gradient = [error.sum(axis=0, keepdims=True), inputs.dense.T @ error]
        if transposed is not None:
            gradient.append(transposed @ error)
        total = np.sum(np.logaddexp(0, z) - own * z, dtype=np.float64)
        slope = np.concatenate(gradient).ravel().astype(np.float64)
        return cost * float(total) + 0.5 * float(w @ w), cost * slope + w

    w = np.zeros(n_columns * len(CLASSES)) if start is None else start.ravel().astype(np.float64)
    options = {"maxiter": 300, "maxcor": 20, "ftol": 2e-6}
    found = minimize(loss, w, jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x, np.float32).reshape(n_columns, len(CLASSES))
