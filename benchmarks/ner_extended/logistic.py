"""Logistic regression on dense numbers and on very many binary columns, for entities."""

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
    """Inputs of the classifier for each token: numbers, and names as binary columns."""

    dense: Floats
    names: sparse.csr_matrix | None = None


def one_hot(
    parts: dict[str, list[Sentence]], features: Sequence[Feature]
) -> dict[str, sparse.csr_matrix]:
    """All names that features have in the part "train", as binary columns."""
    from collections import Counter

    from scipy import sparse

    from conec.extended.vocabulary import FeatureVocabulary

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


def with_neighbors(inputs: Inputs, tags: Sequence[Sequence[str]]) -> Inputs:
    """Inputs of each token, of the previous and of the next one; zero where there is none."""
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
    log_odds: Floats = inputs.dense @ W[1 : width + 1] + W[0]
    if inputs.names is not None:
        log_odds = log_odds + inputs.names @ W[width + 1 :]
    return log_odds


def fit_classifier(
    inputs: Inputs, labels: npt.NDArray[np.int64], cost: float, start: Floats | None = None
) -> Floats:
    """Weights of the five logistic regressions; the first row holds the intercepts.

    The objective is liblinear's: ``cost`` times the sum of losses plus half the squared weights,
    including intercepts. L-BFGS on all classes at once, as there may be too many columns for Newton
    steps; its variables are the weights times a root of an approximate Hessian, which takes tens of
    steps instead of hundreds.
    """
    from scipy.linalg import cholesky, solve_triangular
    from scipy.optimize import minimize
    from scipy.special import expit

    dense = np.hstack([np.ones((len(labels), 1), np.float32), inputs.dense])
    n_dense = dense.shape[1]
    own = (labels[:, None] == np.arange(len(CLASSES))).astype(np.float32)
    # the Hessian if p (1 - p) were the same for all tokens
    curvature = cost * 0.03
    root = cholesky(curvature * (dense.T @ dense).astype(np.float64) + np.eye(n_dense))
    counts, transposed = np.zeros((0, 1)), None
    if inputs.names is not None:
        transposed = inputs.names.T.tocsr()
        counts = np.asarray(transposed.sum(axis=1), np.float64)
    scale = 1 / np.sqrt(1 + curvature * counts)

    def weights(v: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        v = v.reshape(-1, len(CLASSES))
        return np.vstack([solve_triangular(root, v[:n_dense]), scale * v[n_dense:]])

    def loss(v: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        W = weights(v)
        narrow = W.astype(np.float32)
        z = dense @ narrow[:n_dense]
        if inputs.names is not None:
            z += inputs.names @ narrow[n_dense:]
        error = cost * (expit(z) - own)
        slope = W.copy()
        slope[:n_dense] += dense.T @ error
        if transposed is not None:
            slope[n_dense:] += transposed @ error
        total = cost * np.sum(np.logaddexp(0, z) - own * z, dtype=np.float64)
        by_v = np.vstack(
            [solve_triangular(root, slope[:n_dense], trans="T"), scale * slope[n_dense:]]
        )
        return float(total) + 0.5 * float(np.vdot(W, W)), by_v.ravel()

    v = np.zeros((n_dense + len(scale), len(CLASSES)))
    if start is not None:
        v[:n_dense] = root @ start[:n_dense]
        v[n_dense:] = start[n_dense:] / scale
    options = {"maxiter": 100, "maxcor": 20, "ftol": 2e-6}
    solution = minimize(loss, v.ravel(), jac=True, method="L-BFGS-B", options=options)
    return weights(solution.x).astype(np.float32)
