"""The map from features to embeddings that keep similarities by ratings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from simec.recommender import BiasBaseline, as_ratings
from simec.recommender.content_embedding import ContentEmbedding, residual_similarity


def planted(seed=0, n_users=200, n_items=120):
    """Ratings by two features among many."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_items, 12)).astype(np.float32)
    values = 3 + rng.standard_normal((n_users, 2)) @ X[:, :2].T
    known = rng.random(values.shape) < 0.5
    rows, columns = np.nonzero(known)
    return X, as_ratings((rows, columns, values[rows, columns]))


def test_similarity_is_the_cosine_of_columns_of_residuals():
    _, ratings = planted(n_users=10, n_items=6)
    b = BiasBaseline().fit(ratings).biases_
    rest = np.zeros(ratings.shape)
    for user, item in zip(*ratings.matrix.nonzero(), strict=True):
        rest[user, item] = ratings.matrix[user, item] - b.mean - b.users[user] - b.items[item]
    found = residual_similarity(ratings)
    for i in range(6):
        for j in range(6):
            cosine = rest[:, i] @ rest[:, j]
            cosine /= np.linalg.norm(rest[:, i]) * np.linalg.norm(rest[:, j])
            assert found[i, j] == pytest.approx(cosine, abs=1e-5)


def test_an_item_without_ratings_is_like_none():
    matrix = sparse.csr_matrix(([5.0, 3.0, 1.0], ([0, 1, 1], [0, 0, 1])), (2, 3))
    found = residual_similarity(as_ratings(matrix))
    assert np.isfinite(found).all()
    assert not found[2].any()


def test_new_items_are_similar_as_they_will_be_rated():
    X, ratings = planted()
    S = residual_similarity(ratings)
    old, new = np.arange(90), np.arange(90, 120)
    part = as_ratings(ratings.matrix[:, old])
    model = ContentEmbedding(5, hidden_layers=(30,), max_iter=60, l2=1e-5, random_state=0)
    model.fit(part, item_features=(old, X[old]))
    upper = np.triu_indices(len(new), 1)

    def correlation(similarity):
        return np.corrcoef(similarity[upper], S[90:, 90:][upper])[0, 1]

    unit = X[new] / np.linalg.norm(X[new], axis=1, keepdims=True)
    before, after = correlation(unit @ unit.T), correlation(model.similarity(X[new]))
    assert after > before + 0.2
    assert after > 0.7
    np.testing.assert_allclose(
        model.similarity(sparse.csr_matrix(X[new]), X[old]),
        model.transform(X[new]) @ model.transform(X[old]).T, atol=1e-5,
    )  # fmt: skip


def test_items_with_few_ratings_are_not_learned_from():
    X, ratings = planted()
    matrix = ratings.matrix.tolil()
    matrix[3:, 7] = 0
    few = sparse.csr_matrix(matrix)
    few.eliminate_zeros()
    model = ContentEmbedding(2, hidden_layers=(), min_ratings=4, max_iter=1)
    model.fit(as_ratings(few), item_features=(np.arange(5, 120), X[5:]))
    assert 7 not in model.items_.values
    assert len(model.items_) == 114


def test_too_little_to_learn_from():
    X, ratings = planted(n_users=10)
    with pytest.raises(ValueError, match="must have features and 50 ratings, got 0 items"):
        ContentEmbedding(min_ratings=50).fit(ratings, item_features=X)
    with pytest.raises(ValueError, match="min_ratings must be an integer >= 1, got 0"):
        ContentEmbedding(min_ratings=0).fit(ratings, item_features=X)


def test_features_are_needed():
    with pytest.raises(ValueError, match="needs item_features, got None"):
        ContentEmbedding().fit(planted(n_users=10)[1], item_features=None)
