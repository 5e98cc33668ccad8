"""Every function that reads a table finds its columns by name, whichever library it is from."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import sparse

import corpora
from conec.ner import Tagger
from simec import SimilarityEncoder
from simec.links import LinkPredictor, read_triples
from simec.links.triples import as_triples
from simec.molecules import Molecules, add_properties
from simec.pretraining import SimilarityRegressor
from simec.recommender import (
    BiasBaseline,
    ContentLinear,
    as_features,
    as_ratings,
    read_features,
    read_ratings,
)
from simec.similarities import Geodesic, linear
from simec.spectral import SpectralRegression

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

Columns = list[tuple[str, list[Any]]]  # names may occur twice

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
POINTS = [(name, X[:, k].tolist()) for k, name in enumerate("abc")]
RATINGS = [("user", [1, 1, 2]), ("item", [7, 8, 7]), ("rating", [5.0, 4.0, 3.0])]
ITEMS = [("item", [7, 8]), ("year", [1.0, 2.0]), ("price", [3.0, 1.0])]
TRIPLES = [("head", ["p", "q"]), ("relation", ["to", "at"]), ("tail", ["q", "r"])]
ENTITIES = [("entity", ["p", "q", "r"]), ("x", [1.0, 0.0, 2.0]), ("y", [0.0, 1.0, 3.0])]
TEXTS = [("text", ["the cat sat", "a dog ran"]), ("id", ["1", "2"])]
MOLECULES = [("id", ["m1", "m2"]), ("u0", [-1.5, 2.0]), ("gap", [0.5, 0.25])]


def of_pandas(columns: Columns) -> Any:
    return pd.concat([pd.Series(values, name=name) for name, values in columns], axis=1)


def of_polars(columns: Columns) -> Any:
    return pl.DataFrame(dict(columns))


def of_pyarrow(columns: Columns) -> Any:
    names, values = zip(*columns, strict=True)
    return pa.table([pa.array(v) for v in values], names=list(names))


CHANGES = "permuted", "wrong name", "missing", "twice"
LIBRARIES = {"pandas": of_pandas, "polars": of_polars, "pyarrow": of_pyarrow}


def to_csv(path: Path, columns: Columns) -> Path:
    names, values = zip(*columns, strict=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *zip(*values, strict=True)])
    return path


# Functions that read a table; results are compared


@cache
def fitted(name: str) -> Any:
    """A fitted model, which knows the names of its features."""
    frame = of_polars(POINTS)
    if name == "encoder":
        return SimilarityEncoder(2).fit(frame, X @ X.T)
    if name == "geodesic":
        return Geodesic(3).fit(frame)
    if name == "spectral":
        return SpectralRegression(2).fit(frame, X @ X.T)
    if name == "regressor":
        return SimilarityRegressor(linear).fit(frame, X[:, 0])
    if name == "links":
        triples = list(zip(*(values for _, values in TRIPLES), strict=True))
        return LinkPredictor(2, max_iter=1).fit(triples, features=of_polars(ENTITIES))
    assert name == "recommender"
    return ContentLinear().fit(of_polars(RATINGS), item_features=of_polars(ITEMS))


def features_of(features: Any) -> list[Any]:
    """Rows of features sorted by name, with their ids."""
    order = np.argsort(features.names)
    matrix = features.matrix.toarray() if sparse.issparse(features.matrix) else features.matrix
    return [features.ids.values.tolist(), sorted(features.names), matrix[:, order].tolist()]


def properties_of(path: Path) -> list[Any]:
    molecules = Molecules.from_lists([[6], [8]], [np.zeros((1, 3))] * 2, ids=["m2", "m1"])
    add_properties(molecules, path, ["gap", "u0"])
    return [molecules.properties["gap"].tolist(), molecules.properties["u0"].tolist()]


def new_items(table: Any) -> list[float]:
    return fitted("recommender").predict([1, 1], [7, 8], item_features=table).tolist()


class Reader(NamedTuple):
    """A function that reads a table.

    `column` is one that it needs; `ordered` says whether another order is an error.
    """

    columns: Columns
    column: str
    read: Callable[[Any], Any]
    ordered: bool = False


READERS = {
    "SimilarityEncoder.transform": Reader(
        POINTS, "b", lambda t: fitted("encoder").transform(t).tolist(), True
    ),
    "SimilarityEncoder.predict": Reader(
        POINTS, "c", lambda t: fitted("encoder").predict(t).tolist(), True
    ),
    "Geodesic.transform": Reader(
        POINTS, "a", lambda t: fitted("geodesic").transform(t).tolist(), True
    ),
    "SpectralRegression.predict": Reader(
        POINTS, "a", lambda t: fitted("spectral").predict(t).tolist(), True
    ),
    "SimilarityRegressor.predict": Reader(
        POINTS, "a", lambda t: fitted("regressor").predict(t).tolist(), True
    ),
    "as_ratings": Reader(
        RATINGS, "rating", lambda t: [a.tolist() for a in as_ratings(t).triples()]
    ),
    "BiasBaseline.fit": Reader(
        RATINGS, "item", lambda t: BiasBaseline().fit(t).biases_.items.tolist()
    ),
    "as_features": Reader(ITEMS, "item", lambda t: features_of(as_features(t, "item"))),
    "ContentLinear.predict": Reader(ITEMS, "year", new_items),
    "as_triples": Reader(TRIPLES, "relation", as_triples),
    "LinkPredictor.transform": Reader(
        ENTITIES[1:], "y", lambda t: fitted("links").transform(features=t).tolist()
    ),
    "corpora.open": Reader(TEXTS, "text", lambda t: list(corpora.open(t, field="text"))),
}
FILE_READERS = {
    "read_ratings": Reader(
        RATINGS, "item", lambda p: [a.tolist() for a in read_ratings(p).triples()]
    ),
    "read_features": Reader(ITEMS, "item", lambda p: features_of(read_features(p, "item"))),
    "read_triples": Reader(TRIPLES, "tail", read_triples),
    "add_properties": Reader(MOLECULES, "gap", properties_of),
    "add_properties, ids": Reader(MOLECULES, "id", properties_of),
}


def changed(change: str, reader: Reader) -> Columns:
    """Columns with a wrong name, or without a column, and so on."""
    columns = reader.columns
    if change == "permuted":
        return columns[::-1]
    if change == "wrong name":
        return [("wrong" if name == reader.column else name, v) for name, v in columns]
    if change == "missing":
        return [(name, values) for name, values in columns if name != reader.column]
    assert change == "twice"
    return [*columns, next(c for c in columns if c[0] == reader.column)]


def check(change: str, reader: Reader, table: Callable[[Columns], Any]) -> None:
    expected = reader.read(table(reader.columns))
    if change == "permuted" and not reader.ordered:
        assert reader.read(table(changed(change, reader))) == expected
        return
    with pytest.raises((ValueError, TypeError)) as caught:
        reader.read(table(changed(change, reader)))
    # the error names a column, and is not one of the library of the frame
    assert re.search(rf"\b({reader.column}|wrong)\b|order", str(caught.value)), caught.value
    assert "narwhals" not in type(caught.value).__module__


CASES = [
    (reader, library, change)
    for reader in READERS
    for library in LIBRARIES
    for change in CHANGES
    # polars has no frames with two columns of the same name
    if (library, change) != ("polars", "twice")
    # without a column of ratings, all are 1
    and (reader, change) != ("as_ratings", "missing")
]


@pytest.mark.parametrize(("reader", "library", "change"), CASES)
def test_frames_are_read_by_names(reader: str, library: str, change: str) -> None:
    check(change, READERS[reader], LIBRARIES[library])


@pytest.mark.filterwarnings("ignore:.*taken for a header")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("reader", FILE_READERS)
def test_files_are_read_by_names(reader: str, change: str, tmp_path: Path) -> None:
    check(change, FILE_READERS[reader], lambda columns: to_csv(tmp_path / "t.csv", columns))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("reader", READERS)
def test_all_libraries_have_the_same_result(reader: str, library: str) -> None:
    columns = READERS[reader].columns
    assert READERS[reader].read(LIBRARIES[library](columns)) == READERS[reader].read(
        of_pandas(columns)
    )


# Columns that are only numbered


def test_numbered_columns_are_read_by_position() -> None:
    rows = [(1, 7, 5.0), (2, 8, 3.0)]
    assert list(zip(*as_ratings(pd.DataFrame(rows)).triples(), strict=True)) == rows
    assert as_triples(pd.DataFrame([("p", "to", "q")])) == [("p", "to", "q")]
    for names in ([2, 1, 0], [1, 2, 3], ["0", "1", "2"]):
        with pytest.raises(ValueError, match="no column of ratings is called 'user'"):
            as_ratings(pd.DataFrame(rows, columns=names))
    with pytest.raises(ValueError, match="must have columns called 'user', 'item', 'rating'"):
        as_ratings(pd.DataFrame(np.ones((4, 9))))
    with pytest.raises(ValueError, match="no column of item features is called 'item'"):
        as_features(pd.DataFrame(rows), "item")


def test_unknown_names_can_be_passed() -> None:
    renamed = [("who", [1, 2]), ("what", [7, 8]), ("much", [5.0, 3.0])]
    for library in LIBRARIES.values():
        found = as_ratings(library(renamed[::-1]), columns=("who", "what", "much"))
        assert [a.tolist() for a in found.triples()] == [values for _, values in renamed]


def test_an_index_that_numbers_the_rows_has_no_ids() -> None:
    frame = of_pandas(ITEMS).rename(columns={"item": "key"})
    with pytest.raises(ValueError, match=r"called 'item' or similar; the columns are \['key'"):
        as_features(frame, "item")
    by_index = as_features(frame.set_index("key"), "item")
    assert features_of(by_index) == features_of(as_features(of_pandas(ITEMS), "item"))


# Tables that are no input


@pytest.mark.parametrize("library", LIBRARIES.values())
def test_tables_are_no_documents(library: Callable[[Columns], Any]) -> None:
    frame = library(TEXTS)
    with pytest.raises(TypeError, match="field="):
        corpora.open(frame)
    with pytest.raises(TypeError, match="a list of documents or of sentences"):
        Tagger().fit(frame, frame)


def test_lazy_frames_are_not_read() -> None:
    lazy = pl.DataFrame(dict(POINTS)).lazy()
    for read in (
        as_ratings, as_triples, lambda frame: as_features(frame, "item"),
        fitted("encoder").transform,
    ):  # fmt: skip
        with pytest.raises((ValueError, TypeError), match=r"pass frame\.collect\(\)"):
            read(lazy)
