"""Reading triples: official files, others, frames, arrays, lists; and what is wrong in them."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from simec.links import TripleError, as_triples, read_dataset, read_triples
from simec.links.triples import Ids
from tests.simec.test_without_torch import run as without_torch

# first lines as in the official archives
FB15K = (
    "/m/027rn\t/location/country/form_of_government\t/m/06cx9\n"
    "/m/017dcd\t/tv/tv_program/regular_cast./tv/regular_tv_appearance/actor\t/m/06v8s0\n"
)
WN18 = "03964744\t_hyponym\t04371774\n00260881\t_hypernym\t00260622\n"
WN18RR = "00260881\t_hypernym\t00260622\n01332730\t_derivationally_related_form\t03122748\n"
FB237 = "/m/027rn\t/location/country/form_of_government\t/m/06cx9\n"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("freebase_mtr100_mte100-{}.txt", FB15K),
        ("wordnet-mlj12-{}.txt", WN18),
        ("{}.txt", WN18RR),
        ("{}.txt", FB237),
        ("{}.tsv", WN18RR),
        ("{}.txt.gz", FB15K),
    ],
)
def test_official_folders(tmp_path, pattern, text):
    (tmp_path / "README.txt").write_text("about the data\n")
    (tmp_path / "entity2id.txt").write_text("x\t0\n")
    for split in ("train", "valid", "test"):
        path = tmp_path / pattern.format(split)
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    train, valid, test = data = read_dataset(tmp_path)
    assert train == valid == test == [tuple(line.split("\t")) for line in text.splitlines()]
    assert data.entities == sorted({end for h, _, t in train for end in (h, t)})


def test_entities_of_a_data_set_are_those_of_all_splits(tmp_path):
    for split, line in (("train", "a\tr\tb"), ("valid", "c\tr\ta"), ("test", "d\tr\te")):
        (tmp_path / f"{split}.txt").write_text(line)
    assert read_dataset(tmp_path).entities == list("abcde")


def test_a_folder_without_a_split_or_with_two(tmp_path):
    (tmp_path / "train.txt").write_text(WN18)
    with pytest.raises(FileNotFoundError, match=r"has no valid\.txt: it contains train\.txt"):
        read_dataset(tmp_path)
    (tmp_path / "old-train.txt").write_text(WN18)
    with pytest.raises(TripleError, match=r"several files for train: old-train\.txt and train"):
        read_dataset(tmp_path)
    with pytest.raises(FileNotFoundError, match="No such file or folder"):
        read_dataset(tmp_path / "nowhere")


def test_lines_as_editors_leave_them(tmp_path):
    path = tmp_path / "kg.tsv"
    path.write_bytes("\ufeffa\tr\tb\r\n\r\n b \tr s\tä\n\n".encode())
    assert read_triples(path) == [("a", "r", "b"), ("b", "r s", "ä")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            b"a\tb\n",
            "line 3 has 2 fields; expected head, relation and tail, separated by tabs: 'a.tb'",
        ),
        (b"a b c\n", "line 3 has 1 field; expected"),
        (b"a\tr\tb\t1\n", "line 3 has 4 fields"),
        (b"a\t\tb\n", "line 3 has an empty relation"),
        (b"\tr\tb\n", "line 3 has an empty head"),
        (b"a\tr\t \n", "line 3 has an empty tail"),
        (b"a\tr\t\xff\n", "line 3: not valid UTF-8"),
    ],
)
def test_malformed_lines_are_told_by_file_and_number(tmp_path, line, message):
    path = tmp_path / "kg.tsv"
    path.write_bytes(b"a\tr\tb\n\n" + line + b"a\tr\tc\n")
    with pytest.raises(TripleError, match=f"kg.tsv, {message}"):
        read_triples(path)


def test_files_without_triples(tmp_path):
    (tmp_path / "empty.tsv").write_text("\n\n")
    with pytest.raises(TripleError, match=r"empty\.tsv has no triples"):
        read_triples(tmp_path / "empty.tsv")
    with pytest.raises(FileNotFoundError, match=r"closest matches: empty\.tsv"):
        read_triples(tmp_path / "emty.tsv")


def test_frames_arrays_and_lists():
    expected = [("a", "r", "b"), ("b", "r", "c")]
    frame = pd.DataFrame({"tail": ["b", "c"], "head": ["a", "b"], "relation": ["r", "r"], "w": 1})
    assert as_triples(frame) == expected
    assert as_triples(frame[["head", "relation", "tail"]].set_axis([0, 1, 2], axis=1)) == expected
    assert as_triples(np.array(expected)) == expected
    assert as_triples(np.array(expected, dtype=object)) == expected
    assert as_triples(iter(expected)) == expected
    assert as_triples([list(triple) for triple in expected]) == expected
    assert as_triples(np.array([[1, 0, 2]], np.int8)) == [(1, 0, 2)]
    assert all(type(value) is int for value in as_triples(np.array([[1, 0, 2]]))[0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            [("a", "r", "b"), ("a", "r")],
            r"row 1 must be \(head, relation, tail\), got \('a', 'r'\)",
        ),
        (["abc"], "row 0 must be"),
        ([("a", "r", None)], "row 0: an id must be text or an integer, got None"),
        ([("a", "r", 1.5)], r"got 1\.5"),
        ([("a", "", "b")], "got ''"),
        ([("a", True, "b")], "got True"),
        (np.zeros((3, 2)), r"shape \(m, 3\), got \(3, 2\)"),
        (
            pd.DataFrame({"head": ["a"], "tail": ["b"]}),
            "called 'relation' or similar; the columns are 'head', 'tail'",
        ),
        (pd.DataFrame({"h": ["a"], "r": ["r"], "t": [np.nan]}), "row 0: .* got nan"),
        (7, "a path, frame, array or iterable"),
    ],
)
def test_what_is_no_triple(given, message):
    with pytest.raises(TripleError, match=message):
        as_triples(given)


@pytest.mark.parametrize("names", [("head", "relation", "tail"), ("Subject", "predicate", "OBJECT"),
                                   ("source", "type", "target"), ("e1", "rel", "e2")])  # fmt: skip
def test_columns_of_tables_are_found_by_their_names(names):
    columns = dict(zip(names, (["a"], ["r"], ["b"]), strict=True))
    swapped = {"weight": [0.5]} | {name: columns[name] for name in reversed(names)}
    for table in (swapped, pd.DataFrame(swapped), pl.DataFrame(swapped), pa.table(swapped),
                  pd.DataFrame(swapped).to_records(index=False)):  # fmt: skip
        assert as_triples(table) == [("a", "r", "b")]
    with pytest.raises(TripleError, match="no column of triples is called 'relation'"):
        as_triples({"head": ["a"], "tail": ["b"], "weight": [0.5]})
    assert as_triples(columns, columns=names[::-1]) == [("b", "r", "a")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([b"abc"], "row 0 must be"),
        ([{"head": 1, "relation": 2, "tail": 3}, (1, 2, 3)], "row 1 must have the names of row 0"),
        ([(2**5000, 1, 2)], "at most 4096 bits, got an integer of 5001 bits"),
        (pd.Series(["a"]), r"pass a frame, such as series\.reset_index"),
        (pl.LazyFrame({"head": ["a"]}), r"pass frame\.collect"),
        (np.ma.array([["a", "b", "c"]], mask=True), "must not be masked"),
        ({("a", "r"): "b"}, "a dict must hold columns"),
    ],
)
def test_objects_that_are_not_triples(given, message):
    with pytest.raises(TripleError, match=message):
        as_triples(given)


def test_ids_beyond_64_bits_are_kept():
    assert as_triples(np.array([[2**63 + 1, 1, 2]], np.uint64)) == [(2**63 + 1, 1, 2)]
    assert as_triples([(2**100, 1, 2)]) == [(2**100, 1, 2)]
    assert Ids([2**100, 3], "entity").number(2**100) == 0
    for value in (True, np.True_, 3.0, None, [3]):
        with pytest.raises(ValueError, match="an id is text or an integer"):
            Ids([1, 3], "entity").number(value)


def test_ids():
    ids = Ids.of(["b", "a", "b"], "entity")
    assert ids.ids == ["a", "b"]
    assert ids.number("b") == 1
    assert ids.get("c") == -1
    assert Ids([3, 1], "entity").number(np.int32(1)) == 1
    with pytest.raises(TripleError, match="ids of entity have mixed types, such as 1 and '1'"):
        Ids.of([1, "1"], "entity")


def test_without_torch_triples_are_read_and_the_rest_says_what_to_install(tmp_path):
    (tmp_path / "kg.tsv").write_text(WN18)
    done = without_torch(
        f"import simec.links\nprint(len(simec.links.read_triples({str(tmp_path / 'kg.tsv')!r})))\n"
        "try:\n    from simec.links import LinkPredictor\nexcept ImportError as error:\n"
        "    print(error)\n"
    )
    assert done.returncode == 0, done.stderr
    needed = "LinkPredictor needs PyTorch: pip install similarity-encoders[simec]"
    assert done.stdout.splitlines() == ["2", needed]
    import simec.links

    with pytest.raises(AttributeError, match="has no attribute 'Predictor'"):
        _ = simec.links.Predictor
    for name in simec.links.__all__:
        assert getattr(simec.links, name).__name__ == name
