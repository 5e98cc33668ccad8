"""Columns of files are recognized by their values; taggers check the layout of files."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import corpora
from conec.ner import Tagger, convert
from conec.ner.columns import guess_columns, parse_columns
from conec.ner.schemes import with_prefixes
from tests.conec.test_cli import error, run

pytest.importorskip("pycrfsuite")

SENTENCES = [
    [("Ann", "NNP", "I-NP", "B-PER"), ("Bell", "NNP", "I-NP", "I-PER"),
     ("lives", "VBZ", "I-VP", "O"), ("in", "IN", "I-PP", "O"),
     ("Rome", "NNP", "I-NP", "B-LOC"), (".", ".", "O", "O")],
    [("Bob", "NNP", "I-NP", "B-PER"), ("saw", "VBD", "I-VP", "O"), ("12", "CD", "I-NP", "O"),
     ("cats", "NNS", "I-NP", "O"), (".", ".", "O", "O")],
    [("Oslo", "NNP", "I-NP", "B-LOC"), ("is", "VBZ", "I-VP", "O"), ("cold", "JJ", "I-ADJP", "O")],
]  # fmt: skip


def text(make, separator="\t", times=4):
    """Sentences as rows; `make` makes a row of the columns of a token and its number."""
    parts = [
        "".join(separator.join(make(i, *row)) + "\n" for i, row in enumerate(s, 1))
        for s in SENTENCES
    ]
    return "\n".join(parts * times)


LAYOUTS = {
    "word,tag": lambda i, w, p, c, t: (w, t),
    "tag,word": lambda i, w, p, c, t: (t, w),
    "word,pos,tag": lambda i, w, p, c, t: (w, p, t),
    "word,pos,chunk,tag": lambda i, w, p, c, t: (w, p, c, t),
    "word,_,pos,chunk,tag": lambda i, w, p, c, t: (w, w.lower(), p, c, t),  # lemma
    "_,word,tag,_": lambda i, w, p, c, t: (str(i), w, t, "O"),  # nested tags
    "word,_,_,tag": lambda i, w, p, c, t: (w, str(7 * i), str(7 * i + len(w)), t),  # offsets
    "word,tag,_,_": lambda i, w, p, c, t: (w, t, f"{7 * i}-{7 * i + 3}", "_"),
    "word,_,chunk,tag": lambda i, w, p, c, t: (w, "-X-", c, t),
    "_,_,_,word,pos,tag": lambda i, w, p, c, t: ("x/y", "0", str(i - 1), w, p, t),
    "word,pos,tag,_": lambda i, w, p, c, t: (w, p, t, "O" if t[:1] == "I" else t),  # predictions
}  # fmt: skip


@pytest.mark.parametrize("names", LAYOUTS)
def test_columns_are_recognized_by_their_values(names):
    rows = [row.split("\t") for row in text(LAYOUTS[names]).split("\n") if row]
    word = names.split(",").index("word")
    assert ",".join(guess_columns(rows, word, tagged=True)) == names


def test_columns_of_small_or_unusual_files():
    def guess(*rows, tagged=True):
        return ",".join(guess_columns([row.split() for row in rows], 0, tagged=tagged))

    assert guess("EU NN O", "is NN O") == "word,pos,tag"
    assert guess("EU B-NP", "is O") == "word,tag"  # a chunker
    assert guess("EU NN B-NP", "is VB O", tagged=False) == "word,pos,chunk"
    assert guess("EU ORG", "is O", "a O") == "word,tag"  # without prefixes
    assert guess("EU NN NP ORG", "is VB VP O", "a DT NP O") == "word,pos,chunk,tag"
    assert guess("EU ORG", "is O", "a O", tagged=False) == "word,_"
    assert guess("EU", "is") == "word"
    assert guess() == ""


def test_names_of_columns():
    assert parse_columns("word, -,,TAG,_") == ["word", "_", "_", "tag", "_"]
    for names, message in (
        ("word,ner", "unknown column 'ner'"), ("word,tag,tag", "named twice"),
        ("pos,tag", "no column"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            parse_columns(names)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("columns")
    for names, make in LAYOUTS.items():
        (path / f"{names}.conll").write_text(text(make))
    for name, options in (("all", ()), ("words", ("--words-only",))):
        run("tag", "train", path / "word,pos,chunk,tag.conll", "--out", path / name,
            "--iterations", "20", *options)  # fmt: skip
    return path


def test_a_tagger_of_words_scores_the_same_on_all_layouts(folder):
    scores = set()
    for names in LAYOUTS:
        for options in ((), ("--columns", names), ("--words-only",)):
            file = folder / f"{names}.conll"
            result = run("tag", "evaluate", folder / "words", file, "--json", *options)
            scores.add(json.dumps(json.loads(result.stdout)))
            if "_" in names and not options:
                assert f"columns {names} (guessed from their values" in result.stderr
    assert len(scores) == 1


def test_a_file_must_have_the_columns_of_training(folder):
    loaded = Tagger.load(folder / "all")
    assert loaded.columns_ == ("word", "pos", "chunk")
    assert loaded.types_ == ["LOC", "PER"]
    assert Tagger.load(folder / "words").columns_ == ("word",)
    for names in LAYOUTS:
        if {"pos", "chunk"} <= set(names.split(",")):
            run("tag", "evaluate", folder / "all", folder / f"{names}.conll")
            continue
        file = folder / f"{names}.conll"
        message = error("tag", "evaluate", folder / "all", file)
        assert "trained on text with 3 columns, word, pos, chunk" in message
        assert f"(its columns: {names})" in message
        if "pos" not in names:  # as files to tag, tags are not needed
            assert "--words-only" in error("tag", "apply", folder / "all", file)
    files = (folder / "word,tag.conll", folder / "word,pos,tag.conll")
    message = error("tag", "train", *files, "--out", folder / "x")
    assert "has the columns word, pos, but" in message
    run("tag", "train", *files, "--out", folder / "x", "--words-only", "--iterations", "5")


def test_columns_have_to_be_those_of_the_file(folder):
    file = folder / "word,pos,tag.conll"
    message = error("tag", "evaluate", folder / "words", file, "--columns", "word,tag")
    assert "there are 3 columns, but --columns names 2" in message
    message = error("tag", "evaluate", folder / "words", file, "--columns", "word,pos,_")
    assert "must name the column of the tags" in message
    message = error("tag", "evaluate", folder / "words", file, "--columns", "word,tag,_")
    assert "line 1: 'NNP' is not a valid tag" in message
    assert "column 1 (counted from 0) was read as the tag" in message


def test_foreign_tags_are_reported(folder, tmp_path):
    file = tmp_path / "foreign.conll"
    file.write_text(text(LAYOUTS["word,tag"]).replace("PER", "person").replace("LOC", "place"))
    message = error("tag", "evaluate", folder / "words", file)
    assert "types person, place" in message
    assert "its training text are LOC, PER" in message
    file.write_text(text(LAYOUTS["word,tag"]).replace("PER", "person"))
    result = run("tag", "evaluate", folder / "words", file)
    assert "types person, which it cannot find" in result.stderr
    assert "person" in result.stdout
    with pytest.warns(UserWarning, match="types person"):
        Tagger.load(folder / "words").score([["Ann"]], [["B-person"]])
    file.write_text(text(lambda i, w, p, c, t: (w, "O")))
    assert "there are no entities" in run("tag", "evaluate", folder / "words", file).stderr


def test_foreign_parts_of_speech_are_reported(folder, tmp_path):
    file = tmp_path / "foreign.conll"
    file.write_text(text(lambda i, w, p, c, t: (w, f"{p[0]}X", c, t)))
    for command in ("evaluate", "apply"):
        result = run("tag", command, folder / "all", file)
        assert result.stderr.count("values of the column pos that the tagger was not tr") == 1
        assert "such as NX, VX" in result.stderr
        assert "its training text has ., CD, IN" in result.stderr
    assert "not trained" not in run("tag", "apply", folder / "words", file).stderr
    assert Tagger.load(folder / "all").column_values_["chunk"][:2] == ["I-ADJP", "I-NP"]


def test_encoding(folder, tmp_path):
    file = tmp_path / "latin.conll"
    file.write_bytes("Zürich\tB-LOC\nliegt\tO\n".encode("latin-1"))
    for command in ("evaluate", "apply"):
        assert "pass the encoding" in error("tag", command, folder / "words", file)
        assert "unknown encoding" in error(
            "tag", command, folder / "words", file, "--encoding", "x"
        )
    run("tag", "evaluate", folder / "words", file, "--encoding", "latin-1")
    assert run("tag", "apply", folder / "words", file, "--encoding", "cp1252").stdout.startswith(
        "Zürich\t"
    )
    result = run("tag", "apply", folder / "words", file, "--errors", "skip")
    assert result.stdout.startswith("liegt\t")
    assert "skipped 1 lines" in result.stderr
    run("tag", "train", file, "--out", tmp_path / "t", "--encoding", "latin-1")


def test_apply_keeps_lines_that_are_not_rows(folder, tmp_path):
    lines = [
        "# newdoc id = a", "# text = Ann doesn't sing", "1\tAnn\tAnn\tPROPN\t_\t_\t4\tnsubj\t_\t_",
        "2-3\tdoesn't\t_\t_\t_\t_\t_\t_\t_\t_", "2\tdoes\tdo\tAUX\t_\t_\t4\taux\t_\t_",
        "3\tn't\tnot\tPART\t_\t_\t4\tadvmod\t_\t_", "4\tsing\tsing\tVERB\t_\t_\t0\troot\t_\t_",
        "4.1\tsings\tsing\tVERB\t_\t_\t_\t_\t_\t_", "", "", "# newdoc",
        "1\tOslo\tOslo\tPROPN\t_\t_\t0\troot\t_\t_",
    ]  # fmt: skip
    (tmp_path / "a.conllu").write_text("\n".join(lines))
    written = run("tag", "apply", folder / "words", tmp_path / "a.conllu").stdout.split("\n")
    assert written.pop() == ""
    assert len(written) == len(lines)
    for before, after in zip(lines, written, strict=True):
        is_row = before[:1].isdigit()
        assert after == (before + "\t" + after.rsplit("\t")[-1] if is_row else before)
        if is_row:
            assert (after.rsplit("\t")[-1] == "_") == (not before.split("\t")[0].isdigit())
    # documents of several files stay apart
    (tmp_path / "b.conll").write_text("Ann\nsings")
    files = (tmp_path / "b.conll", tmp_path / "b.conll")
    result = run("tag", "apply", folder / "words", *files)
    lines = [line.split(" ")[0] for line in result.stdout.split("\n")]
    assert lines == ["Ann", "sings", "", "-DOCSTART-", "", "Ann", "sings", ""]
    assert "2 documents" in result.stderr


def test_running_text_is_refused(folder, tmp_path):
    (tmp_path / "a.txt").write_text("Ann lives in Rome .\nBob saw cats .\nHe did .\n")
    (tmp_path / "b.txt").write_text("Ann lives in Rome .\n")
    for name in ("a.txt", "b.txt"):
        assert "corpora convert" in error("tag", "apply", folder / "words", tmp_path / name)


FIELDS = st.text("abcXYZ019.#é\u00a0", min_size=1, max_size=5)


@settings(max_examples=15)
@given(st.data(), st.integers(1, 4), st.sampled_from(["\t", " "]))
def test_apply_adds_one_column(folder, tmp_path_factory, data, width, separator):
    row = st.tuples(*[FIELDS] * width).map(separator.join)
    sentences = data.draw(st.lists(st.lists(row, min_size=2, max_size=4), min_size=1, max_size=4))
    path = tmp_path_factory.mktemp("a")
    (path / "in").write_text("\n\n".join("\n".join(s) for s in sentences))
    columns = ",".join(["word"] + ["_"] * (width - 1))
    run("tag", "apply", folder / "words", path / "in", "--out", path / "out", "--columns", columns)
    before, after = (
        [r for d in corpora.open(path / name, "conll").tagged() for s in d for r in s]
        for name in ("in", "out")
    )
    assert [row[:-1] for row in after] == before
    assert {len(row) for row in after} <= {width + 1}


# Schemes


def test_types_without_prefixes():
    assert with_prefixes([["PER", "PER", "O"], ["LOC"]]) == [["I-PER", "I-PER", "O"], ["I-LOC"]]
    assert with_prefixes([["B-PER", "O"], [""]]) == [["B-PER", "O"], [""]]
    for bad in ([["NN", "VB"]], [["PER", "O", "B-LOC"]], [[f"T{i}" for i in range(60)] + ["O"]]):
        with pytest.raises(ValueError, match="is not a valid tag"):
            with_prefixes(bad)
    with pytest.raises(ValueError, match="mix several schemes: they have the prefixes B E L"):
        with_prefixes([["B-PER", "L-PER"], ["B-PER", "E-PER"]])


@pytest.mark.parametrize("scheme", ["iob1", "iob2", "bioes", "bilou", "bmewo", "io", None])
def test_taggers_of_all_schemes_are_the_same(scheme):
    words = [[row[0] for row in s] for s in SENTENCES] * 4
    tags = [[row[3] for row in s] for s in SENTENCES] * 4
    other = [
        [tag.split("-")[-1] for tag in s] if scheme is None else convert(s, scheme) for s in tags
    ]
    fit = [Tagger(max_iterations=10).fit(words, y) for y in (tags, other)]
    assert fit[0]._field.content == fit[1]._field.content
    if scheme is not None:
        assert fit[1].set_params(scheme=scheme).predict(words) == [convert(s, scheme) for s in tags]
    with pytest.raises(ValueError, match="mix several schemes"):
        Tagger().fit(words[:1], [["U-PER", "O", "O", "O", "S-LOC", "O"]])


@pytest.mark.parametrize(
    ("X", "y", "kind", "message"),
    [
        ([["a\ud83d"]], [["O"]], ValueError, "token 0 of item 0, sentence 0: .*contains half of"),
        ([["a"]], [["O\udc00"]], ValueError, "tag 0 of item 0 of y, sentence 0: .*contains half"),
        ([["a"]], [["B-X\0"]], ValueError, "tag 0 of item 0 of y.* contains a NUL"),
        ([[b"a"]], [["O"]], TypeError, "token 0 of item 0, sentence 0 must be a string"),
        ([["a"]], [[None]], TypeError, "tag 0 of item 0 of y.* got None"),
        ([["a"]], [[""]], ValueError, "tag 0 of item 0 of y.* is an empty string"),
        ([["a"]], ["O"], TypeError, "item 0 of y must be a sentence .* got the string 'O'"),
        ([["a"]], None, TypeError, "y must be a list of documents .* got None"),
        (["a b"], [["O"]], TypeError, "item 0 must be a sentence"),
        ([{"a": 1}], [["O"]], TypeError, "item 0 must be a list of tokens"),
        ([{"a", "b"}], [["O", "O"]], TypeError, "item 0 must be a list of tokens"),
        ({"a": ["b"]}, [["O"]], TypeError, "X must be a list .* got a dict"),
        (pd.DataFrame({"a": [["b"]]}), [["O"]], TypeError, "got a DataFrame: pass a list"),
        ([["a"]], [[float("nan")]], TypeError, "tag 0 of item 0 of y.* got nan"),
        ([["a", "b"]], [["O"]], ValueError, "sentence 0 has 2 tokens, but 1 tags"),
        ([["a"], ["b"]], [["O"]], ValueError, "2 sentences, but tags for 1"),
        ([[("a", "X")], ["b"]], [["O"], ["O"]], ValueError, "tokens have 1 or 2 of the columns"),
    ],
)  # fmt: skip
def test_bad_tokens_and_tags(X, y, kind, message):
    with pytest.raises(kind, match=message):
        Tagger().fit(X, y)


def test_columns_must_not_be_empty(folder):
    tagger = Tagger.load(folder / "all")
    with pytest.raises(ValueError, match="the column pos of these tokens is empty"):
        tagger.predict([[("Ann", "", "I-NP")]])
    assert tagger.predict([[]]) == [[]]
    assert tagger.predict([]) == []
