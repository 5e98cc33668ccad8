"""Ratings, features and ids, from what people hold, and what is wrong with it."""

from __future__ import annotations

import time
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from simec.recommender import (
    BiasBaseline,
    Features,
    Ids,
    Recommender,
    UnknownIdError,
    as_features,
    as_ratings,
)
from simec.recommender.biases import Biases

TRIPLES = [("ann", 7, 4.0), ("bob", 7, 1.0), ("ann", 3, 5.0)]


def table(ratings):
    return {
        (u, i): v for u, i, v in zip(*(part.tolist() for part in ratings.triples()), strict=True)
    }


EXPECTED = {("ann", 7): 4.0, ("bob", 7): 1.0, ("ann", 3): 5.0}


def frame():
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(TRIPLES, columns=["who", "what", "stars"])


def numbered_frame():
    return pytest.importorskip("pandas").DataFrame(TRIPLES)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TRIPLES,
        lambda: [list(triple) for triple in TRIPLES],
        lambda: iter(TRIPLES),
        lambda: (["ann", "bob", "ann"], np.array([7, 7, 3]), (4, 1, 5)),
        lambda: np.array(TRIPLES, object),
        numbered_frame,
    ],
)
def test_forms_of_triples(make):
    ratings = as_ratings(make())
    assert table(ratings) == EXPECTED
    assert ratings.shape == (2, 2)
    assert ratings.users.values.tolist() == ["ann", "bob"]
    assert ratings.items.values.dtype == np.int64
    assert as_ratings(ratings) is ratings


def test_columns_of_a_frame():
    data = frame()[["stars", "what", "who"]]
    assert table(as_ratings(data, columns=("who", "what", "stars"))) == EXPECTED
    with pytest.raises(ValueError, match="no column 'user'"):
        as_ratings(data, columns=("user", "what", "stars"))
    for names in (["who", "what"], ["who", "what", "stars"]):
        with pytest.raises(ValueError, match="no column of ratings is called 'user'"):
            as_ratings(data[names])


@pytest.mark.parametrize("form", [sparse.coo_matrix, sparse.csr_matrix, sparse.csc_array])
def test_sparse_matrices_keep_order_and_zeros(form):
    places = ([0, 1, 1], [1, 0, 1])
    ratings = as_ratings(form((np.array([4.0, 0.0, 2.0]), places)), users=["z", "a"], items=[9, 2])
    assert ratings.users.values.tolist() == ["z", "a"]
    assert table(ratings) == {("z", 2): 4.0, ("a", 9): 0.0, ("a", 2): 2.0}
    plain = as_ratings(form((np.array([4.0, 0.0, 2.0]), places)))
    assert table(plain) == {(0, 1): 4.0, (1, 0): 0.0, (1, 1): 2.0}


def test_duplicates_are_counted_and_the_last_one_counts():
    given_ = [("a", 1, 2.0), ("a", 1, 5.0), ("b", 1, 3.0), ("b", 1, 3.0), ("a", 1, 2.0)]
    message = r"3 ratings repeat .*, 2 of them with a different value \(.*user 'a' for item 1\)"
    with pytest.warns(UserWarning, match=message + ": the last one counts"):
        last = as_ratings(given_)
    assert table(last) == {("a", 1): 2.0, ("b", 1): 3.0}
    assert (last.n_duplicates, last.n_contradicting) == (3, 2)
    with pytest.warns(UserWarning, match="their mean counts"):
        mean = as_ratings(given_, duplicates="mean")
    assert table(mean) == {("a", 1): 3.0, ("b", 1): 3.0}
    with pytest.raises(ValueError, match=message + ": use duplicates='last' or 'mean'"):
        as_ratings(given_, duplicates="error")
    with pytest.raises(
        ValueError, match="duplicates must be one of 'last', 'mean', 'error', got 'sum'"
    ):
        as_ratings(given_, duplicates="sum")


def test_duplicates_of_a_sparse_matrix():
    matrix = sparse.coo_matrix((np.array([1.0, 2.0]), ([0, 0], [0, 0])), (1, 1))
    with pytest.warns(UserWarning, match="1 ratings"):
        assert table(as_ratings(matrix)) == {(0, 0): 2.0}


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(1, 5)), min_size=1))
def test_the_last_of_any_ratings(triples):
    expected = {(u, i): float(v) for u, i, v in triples}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ratings = as_ratings(triples)
    assert table(ratings) == expected
    assert ratings.n_duplicates == len(triples) - len(expected)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([], ValueError, "there are no ratings"),
        ([("a", 1)], ValueError, r"rating 0 must be \(user, item, value\), got \('a', 1\)"),
        (["abc"], ValueError, "rating 0 must be"),
        ([("a", 1, 1), ("b", 1, np.nan)], ValueError, "1 ratings are NaN or infinite.* row 1"),
        ([("a", 1, np.inf)], ValueError, "row 0"),
        ([("a", 1, "good")], ValueError, r"a rating must be a number, got 'good' \(row 0\)"),
        ([("a", 1, 1), (2, 1, 3)], TypeError, "user ids are of mixed types.* 2 .row 1. and 'a'"),
        ([("a", 1, 1), ("b", "x", 3)], TypeError, "item ids are of mixed types"),
        ([("a", 1.5, 1)], TypeError, "item ids must be integers or strings, got 1.5"),
        ([("a", None, 1)], TypeError, r"got None \(row 0\)"),
        ((["a"], [1, 2], [3]), ValueError, "1 users, 2 items and 1 values"),
        (np.eye(4), ValueError, r"got an array of shape \(4, 4\). Pass a matrix"),
        (5, TypeError, "cannot be read from int"),
    ],
)
def test_what_is_no_rating(data, error, message):
    with pytest.raises(error, match=message):
        as_ratings(data)


def test_ids_of_a_sparse_matrix():
    with pytest.raises(ValueError, match=r"matrix of shape \(3, 3\) needs 3 users, got 1 users"):
        as_ratings(sparse.eye(3), users=["a"])
    with pytest.raises(ValueError, match="user 'a' occurs twice"):
        as_ratings(sparse.eye(3), users=["a", "b", "a"])
    with pytest.raises(ValueError, match="for sparse matrices"):
        as_ratings(TRIPLES, users=["a"])
    with pytest.raises(ValueError, match="for data frames"):
        as_ratings(TRIPLES, columns=("a", "b", "c"))


def test_ids_find_rows():
    ids = Ids([30, 10, 20], "user")
    assert ids.find([10, 99, 30, 5]).tolist() == [1, -1, 0, -1]
    assert ids.find(np.array([20.0])).tolist() == [2]
    assert ids.find([]).tolist() == []
    assert ids.names([2, 0]) == [20, 30]
    assert Ids(["b", "aa"], "user").find(["aa", "a", "aaa"]).tolist() == [1, -1, -1]


@pytest.mark.parametrize(("by", "axis"), [("items", 0), ("users", 1)])
def test_split(by, axis):
    rng = np.random.default_rng(0)
    ratings = as_ratings(sparse.random(40, 30, 0.3, random_state=rng, format="coo"))
    train, test = ratings.split(0.3, seed=1)
    assert len(test) == round(0.3 * len(ratings))
    assert train.shape == test.shape == ratings.shape
    assert not set(table(train)) & set(table(test))
    assert table(train) | table(test) == table(ratings)
    again = ratings.split(0.3, seed=1)[1]
    assert table(again) == table(test)
    assert table(ratings.split(0.3, seed=2)[1]) != table(test)
    train, test = ratings.split(0.3, seed=1, by=by)
    both = train.matrix.getnnz(axis=axis).astype(bool) & test.matrix.getnnz(axis=axis).astype(bool)
    assert not both.any()
    assert table(train) | table(test) == table(ratings)
    with pytest.raises(ValueError, match="between 0 and 1"):
        ratings.split(1)
    with pytest.raises(ValueError, match="by must be one of"):
        ratings.split(by="week")


def test_biases_are_penalised_least_squares():
    rng = np.random.default_rng(3)
    matrix = sparse.random(9, 7, 0.5, random_state=rng, format="csr")
    matrix.data = rng.normal(3, 1, matrix.nnz)
    found = Biases.fit(matrix, 2.0, 0.5)
    rows, columns = matrix.tocoo().coords if hasattr(matrix, "coords") else matrix.nonzero()
    design = np.zeros((matrix.nnz, 16))
    design[np.arange(matrix.nnz), rows] = design[np.arange(matrix.nnz), 9 + columns] = 1
    penalty = np.diag([2.0] * 9 + [0.5] * 7)
    right = design.T @ (matrix.data - matrix.data.mean())
    expected = np.linalg.solve(design.T @ design + penalty, right)
    np.testing.assert_allclose(np.append(found.users, found.items), expected, atol=1e-5)
    rest = found.residuals(matrix)
    np.testing.assert_allclose(
        rest.data, matrix.data - matrix.data.mean() - design @ expected, atol=1e-5
    )
    assert found.of_users(np.array([-1, 2])).tolist() == [0, found.users[2]]


def test_averages_of_many_ratings_are_plain_averages():
    users, items = np.divmod(np.arange(600), 20)
    high = np.linspace(-1, 1, 20)
    averages = BiasBaseline(shrinkage_users=0, shrinkage_items=0)
    averages.fit((users, items, 3 + high[items] + (users % 2) - 0.5))
    np.testing.assert_allclose(averages.biases_.items, high, atol=1e-6)
    np.testing.assert_allclose(averages.biases_.users, (np.arange(30) % 2) - 0.5, atol=1e-6)
    # the same for all users
    assert averages.recommend(3, 2, exclude_seen=False)[0][0] == 19


# Features


def test_forms_of_features():
    pandas = pytest.importorskip("pandas")
    X = np.array([[1, 0], [0, 2]], np.float32)
    data = pandas.DataFrame(X, index=["b", "a"], columns=["red", "blue"])
    found = as_features(data, "item")
    assert found.ids.values.tolist() == ["b", "a"]
    assert found.names == ["red", "blue"]
    assert as_features(found, "item") is found
    for given_ in ((["b", "a"], X), (["b", "a"], sparse.coo_matrix(X), ["red", "blue"])):
        other = as_features(given_, "item")
        matrix = other.matrix.toarray() if sparse.issparse(other.matrix) else other.matrix
        assert matrix.dtype == np.float32
        np.testing.assert_array_equal(matrix, X)
    assert as_features(X, "item", Ids([1, 2], "item")).ids.values.tolist() == [1, 2]
    assert as_features(None, "item") is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((["a"], np.zeros((2, 3))), "2 rows for 1 items. Pass"),
        ((["a", "b"], np.array([[1, 2], [np.nan, 0]])), "features of item 'b' are NaN"),
        ((["a", "b"], sparse.csr_matrix([[0, 2], [np.inf, 0]])), "features of item 'b' are NaN"),
        ((["a"], [["red"]]), "features must be numbers"),
        ((["a"], [1.0]), r"must have shape \(n, D\), got \(1,\)"),
        ((["a"], [[1.0]], ["x", "y"]), "names must have one entry for each of 1 features, got 2"),
        ((["a", "a"], np.zeros((2, 1))), "item 'a' occurs twice"),
        ((1, 2, 3, 4), r"must be \(ids, matrix\) or \(ids, matrix, names\), got 4 values"),
        (np.zeros((2, 2)), "need ids here"),
    ],
)
def test_what_is_no_feature(data, message):
    with pytest.raises(ValueError, match=message):
        as_features(data, "item")


def test_columns_of_text_are_named():
    pandas = pytest.importorskip("pandas")
    data = pandas.DataFrame({"year": [1990], "genre": ["drama"]}, index=["a"])
    with pytest.raises(ValueError, match="column 'genre' of the item features .*get_dummies"):
        as_features(data, "item")


def test_names_say_which_feature_is_which():
    features = Features(Ids([1, 2, 3], "item"), np.diag([1.0, 2, 3]), ["a", "b", "c"])
    found = features.named(["c", "x=1", "a"])  # a value of a column x that no item has
    expected = [[0, 0, 1], [0, 0, 0], [3, 0, 0]]
    np.testing.assert_array_equal(found.matrix, expected)
    as_csr = Features(features.ids, sparse.csr_matrix(features.matrix), features.names)
    np.testing.assert_array_equal(as_csr.named(["c", "x=1", "a"]).matrix.toarray(), expected)
    assert features.named(["a", "b", "c"]) is features
    with pytest.raises(ValueError, match="none of the item features occurred in training"):
        features.named(["x"])
    with pytest.raises(ValueError, match="1 of 2 item features of the training data are missing"):
        features.named(["a", "x"])
    ratings = [(u, i, float((u + i) % 4)) for u in range(5) for i in (1, 2, 3)]
    recommender = Recommender(1, l2=0.1).fit(ratings, item_features=features)
    new = np.array([[0.0, 0.5, 2.0]])
    first = recommender.predict(0, 9, item_features=([9], [[2.0, 0.5, 0]], ["a", "b", "c"]))
    second = recommender.predict(0, 9, item_features=([9], new, ["c", "b", "a"]))
    assert first == second


def test_features_that_are_missing_are_counted():
    features = Features(Ids(["a"], "item"), np.ones((1, 2)))
    triples = [("u", "a", 1), ("u", "b", 3), ("v", "c", 5), ("v", "a", 2)]
    message = "2 of 3 items have no features, the first is 'b': they are predicted from "
    with pytest.warns(UserWarning, match=message + "their ratings alone"):
        Recommender(1).fit(triples, item_features=features)
    with pytest.warns(UserWarning, match=message + "averages alone"):
        found = Recommender(1, id_feature_scale=0).fit(triples, item_features=features)
    b = found.biases_
    expected = b.mean + b.users[0] + b.items[1:]
    np.testing.assert_allclose(found.predict("u", ["b", "c"]), expected, rtol=1e-5)


def test_features_that_nothing_was_fitted_with():
    with pytest.raises(
        ValueError, match="item_features were passed, but BiasBaseline was fitted witho"
    ):
        BiasBaseline().fit(TRIPLES).predict("ann", 5, item_features=([5], [[1.0]]))
    found = Recommender(1).fit([(1, 1, 2.0), (2, 2, 3.0)], item_features=([1, 2], np.eye(2)))
    with pytest.raises(ValueError, match="new items have 3 features, but the training data has 2"):
        found.predict(1, 5, item_features=([5], [[1.0, 2, 3]]))


# Columns of frames, and ids of any size


COLUMNS = {"rating": [4.0, 1.0, 5.0], "time": [9, 8, 7], "movieId": [7, 7, 3],
           "user_name": ["ann", "bob", "ann"]}  # fmt: skip


def frames(columns):
    """The same columns in all kinds of tables."""
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    kinds = [np.array(column).dtype for column in columns.values()]
    records = np.array(
        list(zip(*columns.values(), strict=True)), list(zip(columns, kinds, strict=True))
    )
    return [columns, pandas.DataFrame(columns), polars.DataFrame(columns), pyarrow.table(columns),
            records, pyarrow.table(columns).to_batches()[0],
            pandas.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow")]  # fmt: skip


@given(st.permutations(list(COLUMNS)))
@settings(max_examples=10)
def test_columns_are_found_by_their_names_in_any_order(order):
    for table_ in frames({name: COLUMNS[name] for name in order}):
        assert table(as_ratings(table_)) == EXPECTED, type(table_)
    for table_ in frames({name: COLUMNS[name] for name in order if name != "rating"}):
        assert table(as_ratings(table_)) == dict.fromkeys(EXPECTED, 1.0)


def test_a_table_of_three_ratings_is_not_transposed():
    for table_ in frames({"user": [1, 1, 2], "item": [7, 8, 7], "rating": [5, 4, 3]}):
        assert table(as_ratings(table_)) == {(1, 7): 5, (1, 8): 4, (2, 7): 3}
    with pytest.raises(ValueError, match="three tuples of three can be triples or columns"):
        as_ratings(((1, 7, 5), (1, 8, 4), (2, 7, 3)))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("item", "who", "stars"), "called 'user' .*; the columns are 'item', 'who', 'stars'"),
        (("x", "user", "stars"), "called 'item' .*; the columns are 'x', 'user', 'stars'"),
        (("user", "item", "date", "x"), "called 'rating'"),
        (("user",), "called 'item' or similar; the columns are 'user': rename one, or choose"),
    ],
)
def test_ambiguous_columns_are_refused(names, message):
    for table_ in frames({name: [1, 2] for name in names}):
        with pytest.raises(ValueError, match=message):
            as_ratings(table_)


def test_objects_that_are_not_tables():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    ratings = pandas.DataFrame({"user": [1], "item": [2], "rating": [3.0]})
    for data, error, message in (
        (polars.LazyFrame({"user": [1]}), TypeError, r"pass frame\.collect"),
        (ratings["user"], TypeError, r"pass a frame, such as series\.reset_index"),
        ({("ann", "tea"): 5}, TypeError, "a dict must hold columns"),
        ({"user": [1], "item": [1, 2]}, TypeError, "must have the same length"),
        ("ratings.csv", TypeError, r"read a file with read_ratings"),
        ([{"user": 1, "item": 2}, {"user": 1}], TypeError, "row 1 must have the names of row 0"),
        ([b"abc"], ValueError, "rating 0 must be"),
        (ratings.set_index("user"), ValueError, r"pass frame\.reset_index\(\)"),
        (pandas.concat([ratings, ratings], axis=1), TypeError, "columns .* are called 'user'"),
        ({0: [1, 2], 1: [3, 4]}, TypeError, "must be names of its columns, got 0"),
    ):
        with pytest.raises(error, match=message):
            as_ratings(data)


@given(
    st.lists(st.integers(-(2**70), 2**70), min_size=1, max_size=6, unique=True)
    | st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1,
               max_size=6, unique=True)
)  # fmt: skip
@settings(max_examples=60)
def test_ids_of_any_size_are_kept(ids):
    ratings = as_ratings((ids, ids[::-1], np.arange(len(ids))))
    assert sorted(ids) == ratings.users.values.tolist() == ratings.items.values.tolist()
    assert ratings.users.names(ratings.users.find(ids)) == ids
    assert (ratings.users.find(["?!" * 99] if isinstance(ids[0], str) else [2**71]) == -1).all()
    unsigned = [abs(value) for value in ids if isinstance(value, int) and abs(value) < 2**64]
    if unsigned:
        assert Ids(np.unique(np.array(unsigned, np.uint64)), "user").values.tolist() == sorted(
            {*unsigned}
        )


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, None], r"got None \(row 1\)"),
        ([1, float("nan")], r"got nan \(row 1\)"),
        ([1, 1.5], r"got 1.5 \(row 1\)"),
        ([1, True], r"got True \(row 1\)"),
        (np.array([True, False]), r"got True \(row 0\)"),
        ([b"a"], r"got b'a' \(row 0\)\. Decode bytes"),
        (np.array([1.0, 1e300]), r"got 1e\+300 \(row 1\)\. Floats of this size"),
        ([1, 2.0**60], "Floats of this size have lost digits"),
        ([1, 2**5000], r"at most 4096 bits, got an integer of 5001 bits \(row 1\)"),
        (np.array(["2020-01-01"], "M8[D]"), "must be integers or strings"),
        (np.ma.array([1, 2], mask=[False, True]), "must not be masked, as in row 1"),
        (["a", ""], r"a user id is empty \(row 1\)"),
        (["a", "b\ud800"], "half of a surrogate pair"),
        ("abc", "must be a sequence of ids, got 'abc'"),
        (7, "must be a sequence of ids, got 7"),
    ],
)
def test_ids_that_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        as_ratings((ids, [1] * 2, [1.0] * 2) if np.size(ids) > 1 else (ids, [1], [1.0])) if (
            not isinstance(ids, (str, int))
        ) else Ids(ids, "user")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 1e30], r"from -1e\+15 to 1e\+15, got 1e\+30 \(row 1\)"),
        ([1, -2e15], r"got -2e\+15 \(row 1\)"),
        ([1, 2**64], r"got 1\.84467e\+19 \(row 1\)"),
        ([1, 10**400], r"must be a number, got an integer of 1329 bits \(row 1\)"),
        ([1, float("inf")], "1 ratings are NaN or infinite, the first in row 1"),
        ([1, None], "the first in row 1"),
        ([1, "x"], r"got 'x' \(row 1\)"),
        ([1, 1j], r"got 1j \(row 1\)"),
        (np.array([1, 1j]), r"a rating must be a number, got .*1\+0j.* \(row 0\)"),
        (np.array(["2020", "2021"], "M8[Y]"), "must be a number"),
        ([[1], [2]], r"must have shape \(n,\), got \(2, 1\)"),
    ],
)
def test_values_that_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        as_ratings((["a", "b"], [1, 2], values))
    sparse_ = sparse.coo_matrix((np.array([1, 1e30]), ([0, 1], [1, 2])), (2, 3))
    with pytest.raises(ValueError, match="row 1, column 2"):
        as_ratings(sparse_)


def test_one_long_id_costs_its_own_length_only(tmp_path):
    users = ["x" * 100_000, *(f"u{k % 50}" for k in range(20_000))]
    triples = list(
        zip(users, range(len(users)), [1.0 + k % 2 for k in range(len(users))], strict=True)
    )
    tracemalloc.start()
    ratings = as_ratings(triples)
    found = BiasBaseline().fit(ratings)
    found.predict(users, range(len(users)))
    found.save(tmp_path / "m")
    loaded = BiasBaseline.load(tmp_path / "m")
    assert tracemalloc.get_traced_memory()[1] < 100e6  # twenty thousand times 100 kB are 2 GB
    tracemalloc.stop()
    assert loaded.ratings_.users.values.tolist() == ratings.users.values.tolist()


def test_an_unknown_id_is_named_with_close_ones_in_bounded_time():
    users = [f"user{k:06}" for k in range(60_000)]
    found = BiasBaseline().fit((users, [1] * len(users), np.arange(len(users)) % 2))
    start = time.perf_counter()
    with pytest.raises(UnknownIdError, match=r"'user00001x' .*closest matches: 'user0"):
        found.predict("user00001x", 1)
    assert time.perf_counter() - start < 2
