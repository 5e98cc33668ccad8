"""Properties in a table of their own."""

from __future__ import annotations

import numpy as np
import pytest

from corpora.errors import CorpusError
from simec.molecules import Molecules, add_properties


def molecules(*ids):
    return Molecules.from_lists([[6]] * len(ids), [np.zeros((1, 3))] * len(ids), ids=ids)


def test_rows_are_matched_by_id(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,gap,u0\nc,3,NA\nother,9,9\na,1,-1\n")
    both = molecules("a", "c")
    add_properties(both, path, ["u0", "gap"])
    np.testing.assert_array_equal(both.properties["gap"], [1, 3])
    np.testing.assert_array_equal(both.properties["u0"], [-1, np.nan])
    path.write_text("key;gap\na;1\n")
    with pytest.warns(UserWarning, match="1 of 2 molecules have no row, the first is 'c'"):
        add_properties(both, path, "gap", id_column="key")
    np.testing.assert_array_equal(both.properties["gap"], [1, np.nan])


@pytest.mark.parametrize(
    ("text", "ids", "message"),
    [
        ("id,gap\na,1\na,2\n", ("a",), "a.csv, line 3: the id 'a' occurs in line 2 already"),
        ("id,gap\na,x\n", ("a",), "a.csv, line 2: the property 'gap' must be a finite number"),
        ("id,Gap\na,1\n", ("a",), "there is no column 'gap'; the columns are id, Gap"),
        ("key,gap\na,1\n", ("a",), "called 'id' or similar; the columns are 'key', 'gap': pass"),
        ("id,gap\nb,1\n", ("a",), "no molecule has a row: the first id in the table is 'b', that"),
        ("id,gap\na,1\n", ("a", "a"), "the id 'a' occurs twice among the molecules"),
    ],
)
def test_bad_tables(tmp_path, text, ids, message):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        add_properties(molecules(*ids), path, ["gap"])


def test_molecules_need_ids(tmp_path):
    with pytest.raises(ValueError, match="must have ids"):
        add_properties(Molecules.from_lists([[6]], [np.zeros((1, 3))]), tmp_path / "a.csv", "gap")


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        add_properties(molecules("a"), tmp_path / "a.csv", "gap")
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(CorpusError, match="it is empty"):
        add_properties(molecules("a"), tmp_path / "a.csv", "gap")
