"""Files in columns: separators, widths, comments, CoNLL-U, and how they are recognized."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import corpora
from corpora import BREAK, CorpusError
from corpora.readers.conll import Conll, ConllU, Layout

UD = """\
# newdoc id = a
# sent_id = a1
# text = Dogs don't bark
1\tDogs\tdog\tNOUN\t_\t_\t4\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\t_\t_\t4\taux\t_\t_
3\tn't\tnot\tPART\t_\t_\t4\tadvmod\t_\t_
4\tbark\tbark\tVERB\t_\t_\t0\troot\t_\t_

# newdoc id = b
1\t10 000\t10 000\tNUM\t_\t_\t0\troot\t_\t_
1.1\tsleep\tsleep\tVERB\t_\t_\t_\t_\t0:root\t_

"""
GERMEVAL = """\
#\thttp://example.org/a\t[2009]
1\tAufgrund\tO\tO
2\tSchartau\tB-PER\tO

#\thttp://example.org/b [2010]
1\tKirche\tO\tB-LOC

"""
ONTONOTES = """\
#begin document (x/y); part 000
x/y 0 0 In IN *
x/y 0 1 May NNP *

x/y 0 0 Rain NN *

#end document
#begin document (x/z); part 000
x/z 0 0 Snow NN *

#end document
"""
TWEETS = "\n".join(
    f"{word}\tO\n#{word}\tO\nRome\tB-location\n" for word in ("I", "#", "you", "is", "it")
)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


def rows(path: Path, format: str = "conll") -> list[tuple[str, ...]]:
    return [row for d in corpora.open(path, format).tagged() for s in d for row in s]


def test_tabs_separate_columns_if_there_are_any(tmp_path: Path) -> None:
    path = write(tmp_path, "a", "New York\tNNP\tB-LOC\nin\tIN\tO\n10\u00a0000\tCD\tO\n")
    assert rows(path) == [
        ("New York", "NNP", "B-LOC"),
        ("in", "IN", "O"),
        ("10\u00a0000", "CD", "O"),
    ]
    # no other white space than ASCII blanks separates columns
    path = write(tmp_path, "b", "10\u00a0000  CD\t O \n\u2009 X O\n\x1c X O\n")
    assert rows(path) == [("10\u00a0000", "CD", "O"), ("\u2009", "X", "O"), ("\x1c", "X", "O")]
    # some annotation tools write a tab at the end of each row, and one in blank lines
    path = write(tmp_path, "c", "a b\tO\t\n\t\nc\tO\t\n")
    assert list(corpora.open(path, "conll").tagged()) == [[[("a b", "O")], [("c", "O")]]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a NN O\nb NN O O\n",
            "line 2: expected 3 columns separated by blanks, .* got 4: 'b NN O O'",
        ),
        ("a NN O\nb NN O\nc O\n", "line 3: expected 3 columns .* got 2"),
        ("a\tNN\tO\nb\t\tO\n", "line 2: column 1 .*is empty"),
        ("a\tNN\tO\n\tNN\tO\n", "line 2: column 0 .*is empty"),
        ("a\tNN\tO\nb\tNN\t\n", "line 2: expected 3 columns separated by tabs"),
        ("a\tO\nNew York O\nb\tO\n", "line 2: expected 2 columns separated by tabs"),
        ("a O\n#win\n\nb O\n", "line 2: expected 2"),  # a word whose tag is missing
        ("a O\n\n#win\nb O\n", "line 3: expected 2"),
        ("a O\n# no comment within a sentence\nb O\n", "line 2: expected 2"),
        ("# NN NN O\nb NN O\n", "line 1: expected 3"),
        ("1\ta\tO\n2\tb\tO\nx\tc\tO\n", "line 3: expected the number of a token in column 0"),
        ("it is raining\nand it is cold\nwhy\nno one knows why it does\n", "not a file in columns"),
        ("a,O\nb,B-X\n\n,,O\n", "line 1: the columns are separated by ','"),
        ("a;O\n\nb;B-X\n", "line 1: the columns are separated by ';'"),
        ('{"tokens":["a","b"]}\n', "line 1: .*JSON; use the format"),
    ],
)
def test_every_row_has_the_same_columns(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, "a.conll", text)
    for read in (lambda c: list(c), lambda c: list(c.tagged())):
        with pytest.raises(CorpusError, match=message):
            read(corpora.open(path, "conll"))


def test_a_word_that_begins_like_a_comment(tmp_path: Path) -> None:
    text = "# NN O\n5 CD O\n\n#1 NN O\n\n# sent_id = 2\n# NN B-X\n\n# = O\n"
    path = write(tmp_path, "a.conll", text)
    assert [row[0] for row in rows(path)] == ["#", "5", "#1", "#", "#"]
    # four fields like the rows, but the last one is not a tag
    path = write(tmp_path, "b.conll", "# sent_id = 1\na NN I-NP O\n# NN I-NP O\n")
    assert [row[0] for row in rows(path)] == ["a", "#"]
    path = write(tmp_path, "c.conll", "#\n#x=1\n\n# a comment\n")  # one word per line
    assert [row[0] for row in rows(path)] == ["#", "#x=1"]


def test_comments_and_marks_of_documents(tmp_path: Path) -> None:
    path = write(tmp_path, "g.tsv", GERMEVAL)
    assert corpora.open(path).format == "conll"
    assert list(corpora.open(path)) == [["Aufgrund", "Schartau", "Kirche"]]
    path = write(tmp_path, "o.conll", ONTONOTES)
    assert list(corpora.open(path)) == [["In", "May", "Rain"], ["Snow"]]
    assert list(corpora.open(path, column=3)) == [["In", "May", "Rain"], ["Snow"]]
    assert list(corpora.open(path, column=0))[1] == ["x/z"]
    first = next(corpora.open(path).tagged(word_first=True))
    assert first[0] == [("In", "IN", "*"), ("May", "NNP", "*")]
    # the mark may be separated by blanks in a file with tabs
    path = write(tmp_path, "d", "-DOCSTART- -X- O\n\na b\tO\n\n-DOCSTART-\tO\n\nc\tO\n")
    assert list(corpora.open(path)) == [["a b"], ["c"]]


def test_sentences_with_a_column_for_each_verb(tmp_path: Path) -> None:
    text = (
        "#begin document (x/y); part 000\nx/y 0 0 It PRP * - (0)\n\n"
        "x/y 0 0 Rain NN * (A0*) - -\nx/y 0 1 falls VB * (V*) * -\n\n#end document\n"
    )
    path = write(tmp_path, "v4_gold", text)
    assert corpora.open(path).format == "conll"
    assert list(corpora.open(path)) == [["It", "Rain", "falls"]]
    assert list(corpora.open(path, column=-1)) == [["(0)", "-", "-"]]
    assert [len(row) for row in rows(path)] == [8, 9, 9]
    damaged = text * 10 + text.replace("(V*) * -", "(V*) *")
    write(tmp_path, "v4_gold", damaged)
    with pytest.raises(CorpusError, match="line 75: expected 9 columns .* as in its sentence"):
        list(corpora.open(path))


def test_rows_numbered_by_sentence_and_token(tmp_path: Path) -> None:
    text = (
        "#FORMAT=WebAnno TSV 3.3\n#T_SP=x|y\n\n\n#Text=Ann is\n1-1\t0-3\tAnn\tB-PER\t\n"
        "1-2\t4-6\tis\tO\t\n\n#Text=Oslo\n2-1\t8-12\tOslo\tB-LOC\t\n"
    )
    path = write(tmp_path, "a.tsv", text)
    assert corpora.open(path).format == "conll"
    assert list(corpora.open(path, unit="sentence")) == [["Ann", "is"], ["Oslo"]]


class TestConllU:
    def test_words_are_the_syntactic_words(self, tmp_path: Path) -> None:
        for name in ("a.conllu", "a.txt"):
            path = write(tmp_path, name, UD)
            assert corpora.open(path).format == "conllu"
            assert list(corpora.open(path)) == [["Dogs", "do", "n't", "bark"], ["10 000"]]
        assert list(corpora.open(path, column="UPOS"))[1] == ["NUM"]
        assert list(corpora.open(path, column=2))[0] == ["dog", "do", "not", "bark"]
        assert list(corpora.open(path, column=-3))[1] == ["root"]
        assert list(corpora.open(path, unit="sentence", column="lemma"))[1] == ["10 000"]
        assert next(corpora.open(path).tagged())[0][1][:4] == ("2", "do", "do", "AUX")
        # a word, its part of speech, and the other columns
        first = next(corpora.open(path).tagged(word_first=True))[0][0]
        assert first == ("Dogs", "NOUN", "dog", "_", "_", "4", "nsubj", "_", "_")

    def test_read_as_conll(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.conll", UD)
        for column in (None, 1):
            words = list(corpora.open(path, "conll", column=column))
            assert words == [["Dogs", "do", "n't", "bark"], ["10 000"]]

    def test_plus_names_its_columns(self, tmp_path: Path) -> None:
        text = "# global.columns = ID FORM UPOS NER\n1\tRome\tPROPN\tB-LOC\n\n"
        for name in ("a.conllup", "b"):
            path = write(tmp_path, name, text)
            assert corpora.open(path).format == "conllu"
            assert list(corpora.open(path, column="ner")) == [["B-LOC"]]
        bad = write(tmp_path, "b.conllup", text.replace("FORM", "WORD"))
        with pytest.raises(CorpusError, match="expected the columns ID and FORM, got id word"):
            list(corpora.open(bad))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (UD.replace("\tdog\t", "\t"), "line 4: expected 10 columns"),
            (UD.replace("\tdog\t", "\t\t"), "line 4: column 2 .* is empty"),
            (UD.replace("\n4\t", "\nx\t"), "line 8: expected the number of a token"),
        ],
    )
    def test_malformed(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(CorpusError, match=message):
            list(corpora.open(write(tmp_path, "a.conllu", text)))

    def test_unknown_column(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.conllu", UD)
        for column in ("word", 10, -11):
            with pytest.raises(
                CorpusError, match=rf"no column {column!r}: the columns are id, form"
            ):
                list(corpora.open(path, column=column))
        for column in (1.0, True):
            with pytest.raises(TypeError, match="column must be"):
                corpora.open(path, column=column)


# Recognition


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("EU NNP B-ORG\nrejects VBZ O\n\nRome NNP B-LOC\n", "conll"),
        ("EU\tB-ORG\nrejects\tO\n", "conll"),
        ("word\tS-PER\nis\tO\n.\tO\n\nx\tO\n", "conll"),
        ("a U-PER 0 1\nb O 2 3\n", "conll"),  # the tag need not be the last column
        (TWEETS, "conll"),
        (GERMEVAL, "conll"),
        ("\ufeffEU B-ORG\nis O\n", "conll"),
        ("a O\nb O\n\n" * 10, "conll"),  # without any entity
        (UD, "conllu"),
        ("a O\nb O\n", "text"),
        ("X O O\nO X O\nO O X\n", "text"),
        ("vitamin B-12\nvitamin B-6\nplan B\n", "text"),
        ("group\tA-\ngroup\tO\ngroup\tB-\n", "text"),
        ("EU B-ORG\nrejects O\nand this is a line of text\n", "text"),
        ("the cat sat\non the mat\n", "text"),
        ("1\ta\tb\t1\t2\t3\t4\t5\t6\t7\n2\ta\tb\t1\t2\t3\t4\t5\t6\t7\n", "text"),
    ],
)
def test_recognized_by_its_rows(tmp_path: Path, text: str, format: str) -> None:
    assert corpora.open(write(tmp_path, "x.txt", text)).format == format
    # a head of more than 16 KiB may end within a line
    text = (text.rstrip("\n") + "\n\n") * (20_000 // len(text))
    expected = "conll" if format == "text" and set(text.split()) == {"a", "b", "O"} else format
    assert corpora.open(write(tmp_path, "y.txt", text)).format == expected


def test_texts_are_not_taken_for_columns() -> None:
    from gensim.test.utils import datapath

    folder = Path(datapath("lee_background.cor")).parent
    for path in sorted(folder.iterdir()):
        head = path.read_bytes()[: 1 << 14] if path.is_file() else b""
        assert not Conll.sniff(head), path
        assert not ConllU.sniff(head), path


WORDS = st.text(st.sampled_from("abO-BI#.1\u00a0é"), min_size=1, max_size=6)


@settings(max_examples=60)
@given(st.lists(st.lists(WORDS, max_size=6), min_size=1, max_size=20), st.data())
def test_lines_of_words_are_not_columns(lines: list[list[str]], data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        lines = [line[:3] for line in lines]
    text = "\n".join(" ".join(line) for line in lines)
    if not re.search(r"(^| )[BI]-[a-zO]", text, re.MULTILINE):
        assert len(lines) >= 20 or not Conll.sniff(text.encode())
    assert not ConllU.sniff(text.encode())


FIELDS = st.text(st.characters(exclude_characters="\t\n\r", exclude_categories=("Cs",)), min_size=1)


@settings(max_examples=100)
@given(st.data(), st.integers(2, 5))
def test_columns_of_any_text_are_read_as_written(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, width: int
) -> None:
    fields = FIELDS.map(lambda s: s.strip(" ") or "x")
    first = fields.filter(lambda s: s[0] not in "#-0123456789\ufeff")
    row = st.tuples(first, *[fields] * (width - 1))
    sentences = data.draw(st.lists(st.lists(row, min_size=1, max_size=4), min_size=1, max_size=4))
    text = "\n".join("".join("\t".join(r) + "\n" for r in s) for s in sentences)
    path = write(tmp_path_factory.mktemp("c"), "a.conll", text)
    assert list(corpora.open(path, "conll").tagged()) == [sentences]
    broken = corpora.open(path, "conll", breaks=True)
    assert [t for d in broken for t in d].count(BREAK) == len(sentences) - 1


@pytest.mark.parametrize("text", ["10,000\nx\n,\n;\n", ";)\n:|\n;\n|\n", "[\n]\n{\n}\n", "a,b\n"])
def test_words_with_commas_are_not_columns(tmp_path: Path, text: str) -> None:
    assert list(corpora.open(write(tmp_path, "a.conll", text), "conll")) == [text.split()]


@pytest.mark.parametrize("separator", ["\t", " "])
def test_tags_may_come_before_the_words(tmp_path: Path, separator: str) -> None:
    text = "O what\nB-GENRE films\n\nO show\nB-ACTOR ann\nI-ACTOR lee\n".replace(" ", separator)
    path = write(tmp_path, "a.bio", text)
    assert list(corpora.open(path)) == [["what", "films", "show", "ann", "lee"]]
    [document] = corpora.open(path).tagged(word_first=True)
    assert document[0] == [("what", "O"), ("films", "B-GENRE")]
    assert list(corpora.open(path, column=0)) == [["O", "B-GENRE", "O", "B-ACTOR", "I-ACTOR"]]


def test_layout() -> None:
    assert Layout.of(["O O", "B-PER O", "x B-PER"]).word == 0  # words that look like tags
    assert Layout.of(["O O", "B-PER B-PER"]).word == 0
    assert Layout.of([]) == Layout()
    assert Layout.of(["1 a", "2 b"]).id is None  # a word and a number
    layout = Layout.of(GERMEVAL.split("\n"))
    assert (layout.separator, layout.width, layout.word, layout.id) == ("\t", 4, 1, 0)
    assert Layout.of(ONTONOTES.split("\n")).word == 3
