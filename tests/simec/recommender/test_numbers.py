"""Small tables, extreme ratings, and features of any scale or rank: finite results, or an error."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

pytest.importorskip("torch")

from simec.recommender import (
    BiasBaseline,
    ColdStartRecommender,
    ContentLinear,
    ItemKNN,
    Recommender,
    ResidualSVD,
    SVDRidge,
    evaluate,
)

FAST = {"random_state": 0, "max_iter": 3}
MODELS = {
    "linear": lambda: Recommender(2, **FAST),
    "unpenalized": lambda: Recommender(
        5, l2=0, id_feature_scale=0, feature_biases=False, shrinkage_users=0, **FAST
    ),
    "implicit": lambda: Recommender(2, feedback="implicit", **FAST),
    "confident": lambda: Recommender(2, feedback="implicit", l2=0, alpha=1e3, absent=0, **FAST),
    "deep": lambda: Recommender(2, hidden_layers=(3,), **FAST),
    "svd": lambda: ResidualSVD(5, ridge=0),
    "svd and regression": lambda: SVDRidge(2),
    "neighbors": lambda: ItemKNN(2, shrinkage=0, regularization=0, power=2.5),
    "content": ContentLinear,
    "cold start": lambda: ColdStartRecommender(2),
    "biases": lambda: BiasBaseline(shrinkage_users=0, shrinkage_items=0),
}
FEATURES = {
    "dense": lambda rng, n: rng.normal(size=(n, 3)),
    "sparse": lambda rng, n: sparse.random(n, 8, 0.3, "csr", rng=rng),
    "constant": lambda _, n: np.ones((n, 3)),
    "duplicate": lambda rng, n: np.repeat(rng.normal(size=(n, 1)), 3, 1),
    "zero": lambda _, n: np.zeros((n, 3)),
    "large": lambda rng, n: rng.normal(size=(n, 3)) * 1e14,
    "small": lambda rng, n: rng.normal(size=(n, 3)) * 1e-30,
    "mixed": lambda rng, n: rng.normal(size=(n, 3)) * [1e-20, 1, 1e12],
    "one-hot": lambda _, n: np.eye(n),
    "wide": lambda rng, n: rng.normal(size=(n, 30)),
}
RATINGS = {
    "usual": lambda rng: float(rng.integers(1, 6)),
    "constant": lambda _: 3.0,
    "zero": lambda _: 0.0,
    "counts": lambda rng: float(rng.integers(1, 10**6)),
    "large": lambda rng: float(rng.integers(1, 6)) * 1e14,
    "small": lambda rng: float(rng.integers(1, 6)) * 1e-30,
    "mixed": lambda rng: 10.0 ** rng.integers(-30, 15),
}
ADVICE = "scale |use a smaller alpha"


@settings(max_examples=80)
@given(
    model=st.sampled_from(sorted(MODELS)), ratings=st.sampled_from(sorted(RATINGS)),
    features=st.sampled_from(sorted(FEATURES)), sides=st.sampled_from(["item", "both", "none"]),
    shape=st.sampled_from([(1, 1), (1, 4), (4, 1), (4, 5), (7, 6)]), seed=st.integers(0, 999),
)  # fmt: skip
def test_any_table(model, ratings, features, sides, shape, seed):
    rng = np.random.default_rng(seed)
    n_users, n_items = shape
    pairs = [(u, i) for u in range(n_users) for i in range(n_items) if rng.random() < 0.6]
    table = [(u, i, RATINGS[ratings](rng)) for u, i in pairs or [(0, 0)]]
    parts = {}
    if sides != "none":
        parts["item_features"] = list(range(n_items)), FEATURES[features](rng, n_items)
    if sides == "both":
        parts["user_features"] = list(range(n_users)), FEATURES[features](rng, n_users)
    recommender = MODELS[model]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", UserWarning)  # more components than rows
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            recommender.fit(table, **parts)
            predicted = recommender.predict(*([row[k] for row in table] for k in range(2)))
            scores = recommender.recommend(table[0][0], exclude_seen=False)
        except ValueError as error:
            needs = "needs item_features" in str(error)
            extreme = {ratings, features} & {"large", "small", "mixed", "counts"}
            if needs or (extreme and any(part in str(error) for part in ADVICE.split("|"))):
                return
            raise
        assert np.isfinite(recommender.score(table))
    assert np.isfinite(predicted).all()
    assert np.isfinite([score for _, score in scores]).all()


@settings(max_examples=25)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)), share=st.sampled_from([0.1, 0.5, 1.0]),
    parameters=st.sampled_from([{}, {"l2": 5.0}, {"feedback": "implicit"}]),
    seed=st.integers(0, 999),
)  # fmt: skip
def test_small_tables_have_no_more_components_than_users_or_items(shape, share, parameters, seed):
    rng = np.random.default_rng(seed)
    known = rng.random(shape) < share
    known[0, 0] = True
    users, items = np.nonzero(known)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", UserWarning)  # equal ratings, vanished embeddings
        recommender = Recommender(random_state=0, **{"feedback": "explicit", **parameters}).fit(
            (users, items, rng.integers(1, 6, len(users)).astype(float))
        )
        assert recommender.item_vectors_.shape[1] <= min(len(set(users)), len(set(items)))
        found = recommender.predict(*(part.ravel() for part in np.meshgrid(
            sorted(set(users)), sorted(set(items))
        )))  # fmt: skip
        recommender.fold_in(([50, 50], [items[0], 60], [2.0, 5.0]))
        new = recommender.predict(50, items)
    assert np.isfinite(found).all()
    assert np.isfinite(new).all()
    if recommender.range_ is not None:
        assert 1 <= new.min() <= new.max() <= 5


@pytest.mark.parametrize("model", ["linear", "neighbors", "biases"])
@pytest.mark.parametrize("unit", [2.0**45, 2.0**-100])
def test_predictions_are_in_the_unit_of_the_ratings(model, unit):
    rng = np.random.default_rng(0)
    table = [(u, i, float(rng.integers(1, 6))) for u in range(9) for i in range(7) if (u + i) % 3]
    pairs = [[row[k] for row in table] for k in range(2)]
    expected = MODELS[model]().fit(table).predict(*pairs)
    scaled = MODELS[model]().fit([(u, i, unit * r) for u, i, r in table]).predict(*pairs)
    assert scaled / np.float32(unit) == pytest.approx(expected, rel=1e-4)


@pytest.mark.filterwarnings("ignore:all ratings are")
@pytest.mark.parametrize(
    ("parameters", "rating"),
    [
        *(({}, rating) for rating in (3.3, 0.1, 1e-30, 1e14 / 3)),
        *(({"l2": 1}, rating) for rating in (3.3, 0.1, 1e-30, 1e14 / 3)),
        *(({"hidden_layers": (3,)}, rating) for rating in (1e-30, 1e14 / 3)),
    ],
    ids=str,
)
def test_rounding_errors_of_constant_ratings_are_not_learned(parameters, rating):
    table = [(u, i, rating) for u in range(4) for i in range(3)]
    recommender = Recommender(2, max_iter=400, random_state=0, **parameters)
    recommender.fit(table, item_features=(range(3), np.array([[1.0, 2], [2, 1], [0, 1]])))
    assert recommender.predict(0, [0, 1]) == pytest.approx([rating] * 2, rel=1e-5, abs=0)


def test_numbers_that_cannot_be_used_are_named():
    with pytest.raises(ValueError, match=r"weights 1 \+ alpha \* count must be at most 1e\+15"):
        Recommender(1, feedback="implicit", confidence="linear").fit([("ann", "tea", 1e15)])
    with pytest.raises(ValueError, match="squares of that vanish in float32: scale ratings"):
        Recommender(1, hidden_layers=(2,)).fit(
            [("ann", "tea", 1e-30), ("ann", "rum", 2e-30)],
            item_features=(["tea", "rum"], np.eye(2)),
        )
    with pytest.raises(ValueError, match="topn must be an integer >= 1, got 0"):
        evaluate(BiasBaseline().fit([("ann", "tea", 1)]), [("ann", "tea", 1)], 0)


def test_a_refused_fit_leaves_the_recommender_unchanged():
    fitted = ContentLinear().fit([("ann", "tea", 1)], item_features=(["tea"], np.ones((1, 2))))
    with pytest.raises(ValueError, match="needs item_features"):
        fitted.fit([("bob", "rum", 1)])
    assert fitted.ratings_.users.values.tolist() == ["ann"]
    with pytest.raises(ValueError, match="needs item_features"):
        (new := ContentLinear()).fit([("bob", "rum", 1)])
    assert not hasattr(new, "ratings_")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("feedback", ["explicit", "implicit"])
@pytest.mark.parametrize("parameters", [{}, {"hidden_layers": (4,), "max_iter": 3}], ids=str)
def test_more_components_than_the_ratings_support(feedback, parameters):
    # the penalty shrinks the embeddings to almost 0, and biases without a penalty must not explode
    rng = np.random.default_rng(0)
    table = [(u, i, rng.integers(1, 6)) for u in range(8) for i in range(8) if rng.random() < 0.5]
    sides = {"item_features": (range(8), rng.random((8, 50))),
             "user_features": (range(8), rng.random((8, 50)))}  # fmt: skip
    recommender = Recommender(20, feedback=feedback, random_state=0, **parameters)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "training diverged")
        recommender.fit(table, **sides)
    assert np.abs(recommender.predict([u for u, _, _ in table], [i for _, i, _ in table])).max() < 9
