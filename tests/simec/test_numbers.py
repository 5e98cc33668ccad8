"""Extreme and degenerate features and targets: finite results, or an error that says what to do."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

torch = pytest.importorskip("torch")

from simec import SimilarityEncoder  # noqa: E402

KINDS = {
    "usual": lambda A: A,
    "large": lambda A: A * 1e13,
    "too large": lambda A: A * 1e30,
    "beyond float32": lambda A: A * 1e300,
    "small": lambda A: A * 1e-10,
    "tiny": lambda A: A * 1e-30,
    "denormal": lambda A: A * 1e-42,
    "mixed": lambda A: A * 10.0 ** np.linspace(-30, 12, A.shape[1]),
    "constant": lambda A: np.full_like(A, 3),
    "zero": np.zeros_like,
    "duplicates": lambda A: np.repeat(A[:, :1], A.shape[1], 1),
    "one column": lambda A: A * (np.arange(A.shape[1]) == 0),
}
SETTINGS = [
    {"solver": "exact"},
    {"solver": "exact", "l2": 1e-3, "symmetric": 1.0},
    {"solver": "exact", "target_activation": (-5, 5)},
    {"solver": "auto", "l2": 1.0, "orthogonal": 0.1},
    {"solver": "auto", "hidden_layers": (4,)},
    {"solver": "adam", "hidden_layers": (4,), "loss": "mae", "init": "random"},
    {"solver": "auto", "hidden_layers": (4,), "early_stopping": True, "loss": "huber"},
    {"solver": "variational"},
]
NAMED = "scale|too large for dtype|too few observed|cannot be split|needs X=None"


@settings(max_examples=50)
@given(
    of_X=st.sampled_from(sorted(KINDS)), of_S=st.sampled_from(sorted(KINDS)),
    parameters=st.sampled_from(SETTINGS), d=st.sampled_from([1, 2, 10]),
    shape=st.sampled_from([(1, 1, 1), (2, 3, 1), (5, 8, 3), (30, 3, 12), (5, 1, 5)]),
    missing=st.sampled_from([0, 0.4, 1]), form=st.sampled_from(["dense", "sparse", "identity"]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_any_numbers(of_X, of_S, parameters, d, shape, missing, form, seed):
    rng = np.random.default_rng(seed)
    m, n_features, n_targets = shape
    X = KINDS[of_X](rng.normal(size=(m, n_features)))
    S = KINDS[of_S](rng.normal(size=(m, m if "symmetric" in parameters else n_targets)))
    holes = rng.random(S.shape) < missing
    if "symmetric" in parameters:
        S, holes = S + S.T, holes | holes.T
    holes[0, 0] = False
    S = np.where(holes, np.nan, S)
    x = {"dense": X, "sparse": sparse.csr_matrix(X), "identity": None}[form]
    encoder = SimilarityEncoder(d, max_iter=3, random_state=0, **parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UserWarning)  # rank, constant S, rows without targets
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            encoder.fit(x, S)
            results = encoder.transform(x), encoder.predict(x), encoder.predict_similarity(x)
        except ValueError as error:
            if any(part in str(error) for part in NAMED.split("|")):
                return
            raise
        assert np.isfinite(encoder.score(x, S))
    assert all(np.isfinite(result).all() for result in results)
    assert all(bool(value.isfinite().all()) for value in encoder.module_.state_dict().values())


@pytest.mark.parametrize("unit", [2.0**40, 2.0**-40])
def test_closed_forms_scale_with_targets_and_features(unit):
    rng = np.random.default_rng(0)
    X, S = rng.normal(size=(20, 4)), rng.normal(size=(20, 6))
    expected = SimilarityEncoder(2, solver="exact").fit(X, S).predict(X)
    found = SimilarityEncoder(2, solver="exact").fit(X / unit, S * unit).predict(X / unit)
    assert found / unit == pytest.approx(expected, abs=1e-4)


def test_numbers_out_of_range_are_named():
    X, S = np.array([[1, 2], [2, 1], [1, 1]]), np.eye(3)
    with pytest.raises(ValueError, match="S must have values from -1e.15 to 1e.15, got .* 1e.20"):
        SimilarityEncoder(1).fit(X, S * 1e20)
    with pytest.raises(ValueError, match="X must have values from -1e.15 to 1e.15, .* scale X"):
        SimilarityEncoder(1).fit(X * 1e20, S)
    with pytest.raises(ValueError, match="X must have values from -1e.15 to 1e.15"):
        SimilarityEncoder(1).fit(X, S).transform(X * 1e20)
    with pytest.raises(ValueError, match=r"values of S are at most 1e-20 in magnitude.* scale S"):
        SimilarityEncoder(1, hidden_layers=(3,)).fit(X, S * 1e-20)
    with pytest.raises(ValueError, match="S must have values from"):
        SimilarityEncoder(1).fit(X, lambda rows: S[rows] * 1e20)
    pairs = torch.utils.data.TensorDataset(torch.rand(3, 2), torch.eye(3) * 1e20)
    with pytest.raises(ValueError, match="S must have values from"):
        SimilarityEncoder(1).fit(pairs)
    # numbers that are fine on their own
    encoder = SimilarityEncoder(1, solver="exact")
    with pytest.raises(ValueError, match="scale features, targets or ratings to about 1"):
        encoder.fit(X * [1e-40, 0], S * 1e14)
    assert not hasattr(encoder, "module_")
