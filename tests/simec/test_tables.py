"""Delimited tables: what is guessed is right or refused; errors name file and line."""

from __future__ import annotations

import csv
import gzip
import io
import logging
from collections import namedtuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import sparse

from corpora.checks import closest
from simec.data.columns import RATINGS, TRIPLES, described_by
from simec.data.tables import Table
from simec.links import TripleError, read_triples
from simec.recommender import FileError, as_features, as_ratings, read_features, read_ratings

# what separates, encloses or ends fields in some file
TEXTS = st.text(st.sampled_from('ab1;,|\t:"\n &é'), min_size=1, max_size=6).map(str.strip)
TEXTS = TEXTS.filter(bool)
RATES = st.integers(1, 5).map(str)


@pytest.fixture(scope="module")
def rows_of(tmp_path_factory):
    """A function that returns the rows of a text, without lines; None if it is refused."""
    path = tmp_path_factory.mktemp("tables") / "table"

    def read(text, layout=RATINGS, **options):
        path.write_text(text, encoding="utf-8", newline="\n")
        try:
            return [fields for _, fields in Table(path, layout, error=FileError, **options)]
        except FileError as error:
            if not str(error).startswith(str(path)):
                raise
            return None

    return read


@given(
    st.lists(st.tuples(TEXTS, TEXTS, RATES), min_size=1, max_size=6),
    st.sampled_from(",;|\t"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.booleans(),
)
@example([("a;b;3;", "x", "5")], ",", csv.QUOTE_MINIMAL, False)
@example([("bob", "x\t1\ny", "5")], "\t", csv.QUOTE_MINIMAL, False)
@example([("ann", "Fish &amp; Chips", "5"), ("bob", "Salt &amp; Pepper", "2")], ",", 0, False)
@settings(max_examples=60)
def test_a_table_is_read_as_it_was_written_or_refused(
    rows_of, rows, separator, quoting, with_header
):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, quoting=quoting, lineterminator="\n")
    if with_header:
        writer.writerow(("user", "item", "rating"))
    writer.writerows(rows)
    text, expected = file.getvalue(), [list(row) for row in rows]
    given_ = {"separator": separator, "quoting": True, "header": with_header}
    assert rows_of(text, **given_) == expected
    guessed = rows_of(text)
    assert guessed is None or guessed == expected


LITERAL = st.text("ab\"' :", min_size=1, max_size=5).map(str.strip).filter(bool)


@given(st.lists(st.tuples(LITERAL, LITERAL, LITERAL), min_size=1, max_size=6))
@settings(max_examples=40)
def test_quotes_in_files_of_tabs_swallow_nothing(rows_of, rows):
    text = "".join("\t".join(row) + "\n" for row in rows)
    assert rows_of(text, TRIPLES, header=False, quoting=False) == [list(row) for row in rows]
    for fields, row in zip(rows_of(text, TRIPLES, header=False) or rows, rows, strict=True):
        for field, literal in zip(fields, row, strict=True):
            assert field in (literal, literal[1:-1].replace('""', '"').strip())


@given(
    st.binary(max_size=300)
    | st.text(st.sampled_from('ab1,;\t"\n\r:|.'), max_size=80).map(str.encode)
)
@settings(max_examples=60)
def test_any_bytes_are_read_or_refused_with_the_name_of_the_file(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "any.txt"
    path.write_bytes(data)
    for read, error in (
        (read_ratings, FileError),
        (read_triples, TripleError),
        (lambda p: read_features(p, "item"), FileError),
    ):
        try:
            read(path)
        except error as problem:
            if "any.txt" not in str(problem):
                raise


def write(path, text):
    data = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def triples(ratings):
    return list(zip(*(part.tolist() for part in ratings.triples()), strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user,item\n1,10\n2,11\n", [(1, 10, 1.0), (2, 11, 1.0)]),
        ("timestamp,rating,movieId,userId\n9,5,10,1\n", [(1, 10, 5.0)]),
        ("user,item,timestamp\n1,10,978300760\n", [(1, 10, 1.0)]),
        (",user_id,item_id,rating\n0,1,10,5\n", [(1, 10, 5.0)]),
        ("user_id:token\titem_id:token\trating:float\n1\t10\t5\n", [(1, 10, 5.0)]),
        ("member,movie,stars\nann,tea,5\n", [("ann", "tea", 5.0)]),
        ('ann\t"Heroes" live\t5\nbob\t"Heroes\t2\n', [("ann", '"Heroes" live', 5.0),
                                                     ("bob", '"Heroes', 2.0)]),
        ('ann\t"a ""b"""\t5\nbob\t"c"\t2\n', [("ann", 'a "b"', 5.0), ("bob", "c", 2.0)]),
        ('ann,"green\ntea",5\nbob,rum,3\n', [("ann", "green\ntea", 5.0), ("bob", "rum", 3.0)]),
        ('ann,12" disc,5\n', [("ann", '12" disc', 5.0)]),
        ("\n \n\nann,tea,5\n\n", [("ann", "tea", 5.0)]),
        ("9223372036854775809,1,5\n-7,2,3\n", [(-7, 2, 3.0), (2**63 + 1, 1, 5.0)]),
        ("1 10 5\n2 11  3\n", [(1, 10, 5.0), (2, 11, 3.0)]),
        ("1 10\n2 11\n", [(1, 10, 1.0), (2, 11, 1.0)]),
        ("user item rating\nann tea 5\n", [("ann", "tea", 5.0)]),
        ("#tea,x,5\nbob,rum,3\n", [("#tea", "x", 5.0), ("bob", "rum", 3.0)]),
        ("007,1,5\n8,2,3\n", [("007", 1, 5.0), ("8", 2, 3.0)]),
    ],
)  # fmt: skip
def test_headers_columns_and_quotes(tmp_path, text, expected):
    assert triples(read_ratings(write(tmp_path / "r.txt", text))) == expected
    assert triples(read_ratings(write(tmp_path / "r.txt.gz", text))) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('ann,"12 inch,3\n', "line 1: a quoted field does not end"),
        ('ann,tea,3\nbob,"12"x,3\n', "line 2: a quoted field goes on after its end"),
        ('ann,"x,3\nbob,x",4\nc,d,5\n', "line 1: a quoted field would end in line 2"),
        ("ann,tea,3\rbob,rum,4\r", "line 1: a carriage return within a line"),
        ("id;1,5\nx;2,5\n", "can be split at semicolons and commas: pass separator="),
        ("1\n", "line 1 has no separator"),
        ("a b c\n", "line 1 has no separator"),
        ("1 2\n1 2 3\n", "line 1 has no separator"),
        ("1::2::3\r4::5::6\r", "line 1: a carriage return within a line"),
        ("# my, list\nann,tea\nbob,rum\n", "line 1 looks like a comment"),
        ("user,item\n1,2\nNaN,3\n", "user 'NaN' is a missing id"),
        ("item,who,stars\n1,2,3\n", "line 1: no column of ratings is called 'user' or similar"),
        ("Kunde,Artikel\n1,10\n2,11\n", "called 'user' .*: rename .*pass header=False"),
        ("user,item,raiting\n1,10,5\n", "called 'rating' or similar"),
        ("user,user,item\n1,2,3\n", "columns 1 and 2 are both called 'user'"),
        ("a" * 200_000 + ",b,1\n", "line 1: a field has more than 131,072 characters"),
    ],
)
def test_tables_that_are_refused(tmp_path, text, message):
    with pytest.raises(FileError, match=f"r.csv.*{message}"):
        read_ratings(write(tmp_path / "r.csv", text))


def test_the_format_is_reported_and_can_be_set(tmp_path, caplog):
    path = write(tmp_path / "r.txt", "\nwho;what;n\nann;tea;5\n\nbob;rum;3\n")
    with caplog.at_level(logging.INFO, "simec"):
        found = read_ratings(path, header=True, columns=("who", "what", "n")).format
    assert (found.separator, found.header) == (";", ("who", "what", "n"))
    assert (found.columns, found.n_rows) == ({"user": 0, "item": 1, "rating": 2}, 2)
    assert found.n_blank == 2
    expected = (
        f"{path}: 2 rows separated by semicolons, the first line is a header, "
        "user: column 1 (who), item: column 2 (what), rating: column 3 (n), 2 blank lines skipped"
    )
    assert str(found) == expected
    assert expected in caplog.messages
    swapped = triples(read_ratings(path, header=True, columns=("what", "who", "n")))
    assert swapped == triples(read_ratings(path, header=True, columns=(1, 0, 2)))
    assert swapped == [("rum", "bob", 3.0), ("tea", "ann", 5.0)]
    two = read_ratings(path, header=True, columns=(0, 1))
    assert triples(two) == [("ann", "tea", 1.0), ("bob", "rum", 1.0)]
    spaces = write(tmp_path / "s.txt", b"caf\xe9  tea 5\n")
    options = {"separator": " ", "encoding": "latin-1"}
    assert triples(read_ratings(spaces, **options)) == [("café", "tea", 5.0)]
    with pytest.raises(FileError, match="not valid UTF-8"):
        read_ratings(spaces)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": ""}, "separator must be a text"),
        ({"separator": "\n"}, "separator must be a text"),
        ({"header": "yes"}, "header must be True or False"),
        ({"quoting": 2}, "quoting must be True or False"),
        ({"quoting": True, "separator": "::"}, "needs a separator of one character"),
        ({"encoding": "klingon"}, "encoding must be a text encoding"),
        ({"encoding": "hex"}, "encoding must be a text encoding"),
        ({"columns": "abc"}, "columns must name the columns of user, item, rating and timestamp"),
        ({"columns": (0, 0, 1)}, "columns must be different ones"),
        ({"columns": (0, 1, 9)}, "there is no column 9, only 0, 1, 2"),
    ],
)
def test_arguments_that_are_invalid(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        read_ratings(write(tmp_path / "r.csv", "1,2,3\n"), **options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("head\trelation\ttail\nx\tr\ty\n", [("x", "r", "y")]),
        ("object\tsubject\tpredicate\ny\tx\tr\n", [("x", "r", "y")]),
        ("source,target,type,weight\nx,y,r,0.5\n", [("x", "r", "y")]),
        (":START_ID,:TYPE,:END_ID\nx,r,y\n", [("x", "r", "y")]),
        ("node1\tlabel\tnode2\nx\tr\ty\n", [("x", "r", "y")]),
        ("source\tmetaedge\ttarget\nx\tr\ty\n", [("x", "r", "y")]),
        ("x r y\ny r x\n", [("x", "r", "y"), ("y", "r", "x")]),
        ('x\t"r\ty\n', [("x", '"r', "y")]),
    ],
)
def test_headers_of_triples(tmp_path, text, expected):
    formats = []
    path = write(tmp_path / "kg.txt", text)
    assert read_triples(path, on_format=formats.append) == expected
    assert formats[0].n_rows == len(expected)


def test_a_first_triple_that_looks_like_a_header_is_reported(tmp_path):
    path = write(tmp_path / "kg.tsv", "name\trelation\ttail\nx\tr\ty\n")
    with pytest.warns(UserWarning, match=r"kg.tsv, line 1 is taken for a header.*header=False"):
        assert read_triples(path, columns=(0, 1, 2)) == [("x", "r", "y")]
    with (
        pytest.warns(UserWarning, match="line 1 is taken for a header"),
        pytest.raises(TripleError, match="line 1: .* called 'head' .*not a header.* header=False"),
    ):
        read_triples(path)
    assert len(read_triples(path, header=False)) == 2
    path = write(tmp_path / "one.tsv", "Kopf\tRelation\tZiel\nx\tr\ty\n")
    with pytest.warns(UserWarning, match="line 1 is taken for a header"):
        assert read_triples(path, columns=("Kopf", "Relation", "Ziel")) == [("x", "r", "y")]
    path = write(tmp_path / "again.tsv", "h\tr\tt\nx\tr\ty\n")
    with pytest.warns(UserWarning, match="line 1 is taken for a triple.*header=True"):
        assert read_triples(path) == [("h", "r", "t"), ("x", "r", "y")]


def test_values_that_look_like_times_are_reported(tmp_path):
    path = write(tmp_path / "r.csv", "1,10,964982703\n2,11,964981247\n")
    with pytest.warns(UserWarning, match=r"column 3 look like times.*columns=\(0, 1\)"):
        read_ratings(path)
    assert triples(read_ratings(path, columns=(0, 1))) == [(1, 10, 1.0), (2, 11, 1.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("item,n\na,1\nb,2\nc,two\nd,3\n", "line 4: n is 'two', and 3 of 4 fields are numbers"),
        ('item,n\na,"1,000"\nb,"2,000"\n', "line 2: n is '1,000', and numbers have commas"),
        ("item,n\na,5%\nb,7%\n", "line 2: n is '5%', and numbers have units"),
    ],
)
def test_columns_that_are_almost_numbers_are_reported(tmp_path, text, message):
    with pytest.warns(UserWarning, match=message):
        read_features(write(tmp_path / "t.csv", text), "item", min_count=1)


def test_features_that_are_refused(tmp_path):
    path = write(tmp_path / "t.csv", "item;n\na;4,5\nb;3\n")
    with pytest.raises(FileError, match="line 2: n is '4,5'. Write numbers with a decimal point"):
        read_features(path, "item")
    path = write(tmp_path / "u.csv", "user_id,age\n1,20\n2,30\n")
    with pytest.raises(FileError, match="no column of item features is called 'item'.*'user_id'"):
        read_features(path, "item")


Row = namedtuple("Row", "rating item user")


@pytest.mark.parametrize(
    "data",
    [
        [Row(5, 10, 1), Row(3, 11, 2)],
        iter([Row(5, 10, 1), Row(3, 11, 2)]),
        [{"rating": 5, "item": 10, "user": 1}, {"user": 2, "item": 11, "rating": 3}],
        pd.DataFrame({"user": [1, 2], "item": [10, 11], "rating": [5, 3]}).itertuples(),
    ],
)
def test_rows_with_names_are_read_by_them(data):
    assert triples(as_ratings(data)) == [(1, 10, 5.0), (2, 11, 3.0)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": [10, 11], "b": [10, 12], "c": [5, 4]}, "no column of ratings is called 'user'"),
        (pd.DataFrame(np.ones((2, 9))), "must have columns called .* got 9 columns without names"),
        (pd.DataFrame(np.ones((2, 3)), index=["ann", "bob"]), r"pass frame.reset_index\(\)"),
        (sparse.coo_array(np.ones(3)), "must be users by items"),
        (({1, 2}, [1, 2], [1.0, 2.0]), "must be in an order, got a set"),
    ],
)
def test_tables_without_clear_columns_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        as_ratings(data)


def test_features_next_to_other_ids_are_refused():
    frame = pd.DataFrame({"n": [1, 2]}, index=["b", "a"])
    with pytest.raises(ValueError, match="the index of the frame of item features differs"):
        as_features((["a", "b"], frame), "item")
    with pytest.raises(ValueError, match="no column of item features is called 'item'"):
        as_features({"a": [1, 2], "b": [3, 4]}, "item")


def test_features_by_the_name_of_their_ids(tmp_path):
    path = write(tmp_path / "t.csv", "year,movieId,genres\n1990,7,A|B\n,8,\n1994,9,A\n")
    with pytest.raises(FileError, match="line 3: year is '', and missing in 1 of 3 rows"):
        read_features(path, "item")
    found = read_features(path, "item", missing="mean", min_count=1)
    assert found.ids.values.tolist() == [7, 8, 9]
    assert found.names == ["year", "genres=A", "genres=B"]
    assert found.matrix.toarray().tolist() == [[1990, 1, 1], [1992, 0, 0], [1994, 1, 0]]
    assert found.format.columns == {"item": 1}
    bare = read_features(write(tmp_path / "b.csv", "7,1990\n8,1991\n"), "item", header=False)
    assert bare.names == ["column2"]


def test_the_wrong_separator_is_named(tmp_path):
    path = write(tmp_path / "r.csv", "ann;tea;5\n")
    with pytest.raises(FileError, match="columns for user and item, got 1 column without names"):
        read_ratings(path, separator=",")


def test_words_of_features_are_not_taken_for_ids():
    assert not set(described_by("item").names["item"]) & {"book", "movie", "game"}


def test_closest_names_are_found_in_bounded_time():
    names = [f"entity{k:06}" for k in range(50_000)]
    assert closest("entity04999", names)[0].startswith("entity04999")
    assert closest("Paris", ["paris", "rome"]) == ["paris"]
    assert closest("size", ["vector_size"]) == ["vector_size"]
    assert closest("", ["a"]) == []
    assert closest("x" * 5000, ["x" * 5001, "y"]) == ["x" * 5001]
