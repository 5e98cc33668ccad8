"""Files written byte by byte, round trips, what gensim makes of our files, and broken files."""

from __future__ import annotations

import contextlib
import copy
import gzip
import pickle
import struct
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conec.interop import (
    check_vectors,
    load_word2vec,
    save_projector,
    save_spacy,
    save_word2vec,
    to_keyed_vectors,
    to_spacy,
)
from corpora.output import open_output

WORDS = ["</s>", "über", "naïve_word", "日本", "x"]
MATRIX = np.array(
    [[0.1, -2.5, 1e-12], [3.0, 1 / 3, 0.0], [7.25, -1e30, 2.0], [1.0, 2.0, 3.0], [-1.0, 0.5, 0.25]],
    dtype=np.float32,
)


@pytest.fixture
def vectors() -> KeyedVectors:
    return to_keyed_vectors(WORDS, MATRIX.copy())


def as_binary(newline: bytes = b"\n", header: bytes = b"5 3\n") -> bytes:
    """Write what fwrite of word2vec.c gives."""
    rows = (
        word.encode() + b" " + struct.pack("<3f", *row.tolist()) + newline
        for word, row in zip(WORDS, MATRIX, strict=True)
    )
    return header + b"".join(rows)


def as_text(header: str = "5 3\n", end: str = " \n") -> bytes:
    """Write what fprintf of word2vec.c gives: a blank after each value."""
    rows = (
        f"{word} " + " ".join(repr(value) for value in row.tolist()) + end
        for word, row in zip(WORDS, MATRIX, strict=True)
    )
    return (header + "".join(rows)).encode()


def assert_golden(loaded: KeyedVectors) -> None:
    assert loaded.index_to_key == WORDS
    assert loaded.key_to_index == {word: row for row, word in enumerate(WORDS)}
    assert loaded.vectors.dtype == np.float32
    np.testing.assert_array_equal(loaded.vectors, MATRIX)


# Reading


@pytest.mark.parametrize("binary", [True, None])
@pytest.mark.parametrize("newline", [b"\n", b""])
def test_binary_files_of_word2vec_and_gensim(
    tmp_path: Path, newline: bytes, binary: bool | None
) -> None:
    path = tmp_path / "vectors.bin"
    path.write_bytes(as_binary(newline))
    assert_golden(load_word2vec(path, binary=binary))


@pytest.mark.parametrize("binary", [False, None])
@pytest.mark.parametrize("end", [" \n", "\n", "\r\n"])
def test_text_files(tmp_path: Path, end: str, binary: bool | None) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(as_text(end=end))
    assert_golden(load_word2vec(path, binary=binary))
    path.write_bytes(as_text(end=end).rstrip())  # no line end at the end of the file
    assert_golden(load_word2vec(path, binary=binary))


@pytest.mark.parametrize("binary", [True, False])
def test_limit_and_compression(tmp_path: Path, binary: bool) -> None:
    path = tmp_path / "vectors.gz"
    path.write_bytes(gzip.compress(as_binary() if binary else as_text()))
    loaded = load_word2vec(path, limit=2)
    assert loaded.index_to_key == WORDS[:2]
    np.testing.assert_array_equal(loaded.vectors, MATRIX[:2])
    assert_golden(load_word2vec(path, limit=100))
    with pytest.raises(ValueError, match="limit"):
        load_word2vec(path, limit=0)


@pytest.mark.parametrize("binary", [True, False])
def test_files_longer_than_the_buffers(tmp_path: Path, binary: bool) -> None:
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((3000, 100)).astype(np.float32)
    written = to_keyed_vectors([f"word{i}" for i in range(3000)], matrix)
    path = tmp_path / "vectors"
    save_word2vec(written, path, binary=binary)
    loaded = load_word2vec(path)
    assert loaded.index_to_key == written.index_to_key
    np.testing.assert_array_equal(loaded.vectors, matrix)


def test_words_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "vectors.bin"
    path.write_bytes(as_binary().replace("über".encode(), b"\xc3ber"))
    with pytest.raises(ValueError, match=r"vectors\.bin: vector 2: .* not valid UTF-8"):
        load_word2vec(path)
    assert load_word2vec(path, unicode_errors="replace").index_to_key[1] == "\ufffdber"


def test_repeated_words_keep_the_first_vector(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("3 2\na 1 2\nb 3 4\na 5 6\n")
    with pytest.warns(UserWarning, match=r"vectors\.txt.*'a'"):
        loaded = load_word2vec(path)
    assert loaded.index_to_key == ["a", "b"]
    np.testing.assert_array_equal(loaded.vectors, [[1, 2], [3, 4]])


def test_counts_come_from_the_vocabulary_file(tmp_path: Path) -> None:
    path, vocab = tmp_path / "vectors.txt", tmp_path / "vocab.txt"
    path.write_bytes(as_text())
    vocab.write_text("".join(f"{word} {9 - i}\n" for i, word in enumerate(WORDS)), "utf-8")
    loaded = load_word2vec(path, vocab=vocab)
    assert [loaded.get_vecattr(word, "count") for word in WORDS] == [9, 8, 7, 6, 5]
    vocab.write_text("x 1\n")
    with pytest.raises(ValueError, match=r"vocab\.txt: 4 words have no count: '</s>'"):
        load_word2vec(path, vocab=vocab)
    vocab.write_text("x 1\nbroken\n")
    with pytest.raises(ValueError, match=r"vocab\.txt: line 2: expected 'word count'"):
        load_word2vec(path, vocab=vocab)


BROKEN_BINARY = {
    "too few": (as_binary(header=b"6 3\n"), "(vector 6: the file ends|line 1 declares 6 vectors)"),
    "too many": (as_binary(header=b"4 3\n"), "data follows after the 4 vectors"),
    "cut": (as_binary()[:-6], "vector 5: the file ends within this vector"),
    "size too large": (as_binary(header=b"5 5\n"), "."),
    "size too small": (as_binary(header=b"5 2\n"), "."),
    "header without bytes": (as_binary(header=b"1000000000 300\n"), "line 1 declares 1000000000"),
    "nan": (as_binary().replace(struct.pack("<f", 7.25), struct.pack("<f", np.nan)), "'naïve_word"),
}
BROKEN_TEXT = {
    "too few": (as_text(header="6 3\n"), "line 7: the file ends here"),
    "too many": (as_text(header="4 3\n"), "line 6: data follows after the 4 vectors"),
    "value lacks": (as_text().replace(b"7.25 ", b""), "line 4: expected a word and 3 values"),
    "value too many": (as_text().replace(b"7.25 ", b"7.25 1 "), "line 4: .* got 4 values"),
    "no number": (as_text().replace(b"7.25 ", b"seven "), "line 4: .*seven"),
    "infinite": (
        as_text().replace(b"7.25 ", b"inf "),
        "contain NaN or infinity: those of 'naïve_word'",
    ),
    "header of zero": (as_text(header="0 3\n"), "line 1: expected the number of"),
    "header alone": (b"5 3\n", "(line 1 declares 5 vectors|ends)"),
    "empty": (b"", "line 1: expected the number of"),
}


@pytest.mark.parametrize("case", BROKEN_BINARY)
@pytest.mark.parametrize("compressed", [False, True])
def test_broken_binary_files(tmp_path: Path, case: str, compressed: bool) -> None:
    content, message = BROKEN_BINARY[case]
    if compressed and case == "header without bytes":
        message = "."
    path = tmp_path / ("broken.gz" if compressed else "broken")
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(ValueError, match=rf"broken(\.gz)?: .*{message}"):
        load_word2vec(path, binary=True)


@pytest.mark.parametrize("case", BROKEN_TEXT)
@pytest.mark.parametrize("binary", [False, None])
def test_broken_text_files(tmp_path: Path, case: str, binary: bool | None) -> None:
    content, message = BROKEN_TEXT[case]
    path = tmp_path / "broken"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"broken: .*{message}"):
        load_word2vec(path, binary=binary)


def test_no_word_in_sight(tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_bytes(b"2 3\n" + b"\xff" * 200_000)
    with pytest.raises(ValueError, match="vector 1: no space after the word"):
        load_word2vec(path)


def test_damaged_compression(tmp_path: Path) -> None:
    path = tmp_path / "broken.gz"
    path.write_bytes(gzip.compress(as_text())[:-9])
    with pytest.raises(ValueError, match=r"broken\.gz: .*(damaged|truncated)"):
        load_word2vec(path)


def test_words_with_spaces(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("4 2\nnew york 0.1 0.2\n. . . 0.3 0.4\ntop 10 0.5 0.6\nband of nan 1 0.25 \n")
    loaded = load_word2vec(path)
    assert loaded.index_to_key == ["new york", ". . .", "top 10", "band of nan"]
    np.testing.assert_array_equal(loaded.vectors[-1], [1, 0.25])
    for row in ("a 1 2 3", "a 0.1 0.2 0.3", "new york 0.5 1 2", "a -1e-5 1 2", "  0.1 0.2"):
        path.write_text(f"2 2\nb 1 2\n{row}\n")
        with pytest.raises(ValueError, match="line 3: expected a word and 2 values"):
            load_word2vec(path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_without_header(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"glove.txt{suffix}"

    def write(text: str) -> None:
        data = text.encode()
        path.write_bytes(gzip.compress(data) if suffix else data)

    rows = "tea 1 2 3\n. . . 4 5 6\nat name 0.5 .25 -1\n"
    for text in (rows, "\ufeff" + rows, rows.replace("\n", "\r\n"), rows[:-1]):
        write(text)
        for no_header in (True, None):
            loaded = load_word2vec(path, no_header=no_header)
            assert loaded.index_to_key == ["tea", ". . .", "at name"]
            assert loaded.vectors.tolist() == [[1, 2, 3], [4, 5, 6], [0.5, 0.25, -1]]
        with pytest.raises(ValueError, match=r"line 1: .* number of vectors and of dimensions"):
            load_word2vec(path, no_header=False)
    assert load_word2vec(path, no_header=True, limit=2).index_to_key == ["tea", ". . ."]
    for text, says in (("", "line 1: expected a word"), ("a\n", "line 1: expected a word")):
        write(text)
        with pytest.raises(ValueError, match=says):
            load_word2vec(path, no_header=True)
    write("a 1 2\nb 1\n")
    with pytest.raises(ValueError, match="line 2: expected a word and 2 values"):
        load_word2vec(path, no_header=True)
    with pytest.raises(ValueError, match="no_header"):
        load_word2vec(path, no_header=True, binary=True)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_models_of_fasttext(tmp_path: Path, suffix: str) -> None:
    from gensim.test.utils import datapath

    content = Path(datapath("crime-and-punishment.bin")).read_bytes()
    path = tmp_path / f"model.bin{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    loaded = load_word2vec(path)
    expected = load_word2vec(datapath("crime-and-punishment.vec"))  # written by fastText
    assert loaded.index_to_key == expected.index_to_key
    np.testing.assert_allclose(loaded.vectors, expected.vectors, atol=1e-4)
    assert loaded.get_vecattr(loaded.index_to_key[0], "count") > 1
    some = load_word2vec(path, words=expected.index_to_key[3:5])
    assert some.index_to_key == expected.index_to_key[3:5]
    assert load_word2vec(path, limit=2).index_to_key == expected.index_to_key[:2]
    path.write_bytes(gzip.compress(content[:2000]) if suffix else content[:2000])
    with pytest.raises(ValueError, match=r"model\.bin.*: the file ends within a model of fastText"):
        load_word2vec(path)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 200), st.integers(0, 255), st.none() | st.integers(8, 30_000))
def test_damaged_models_of_fasttext(place: int, byte: int, length: int | None) -> None:
    from gensim.test.utils import datapath

    content = bytearray(Path(datapath("crime-and-punishment.bin")).read_bytes())
    content[8 + place] = byte
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # words may occur twice
        path = Path(folder) / "model.bin"
        path.write_bytes(content[:length])
        with contextlib.suppress(ValueError):
            assert len(load_word2vec(path)) > 0


@pytest.mark.parametrize("binary", [False, True])
def test_some_words(tmp_path: Path, binary: bool) -> None:
    path = tmp_path / "vectors"
    path.write_bytes(as_binary() if binary else as_text())
    words = load_word2vec(path).index_to_key
    assert load_word2vec(path, words=words[1:]).index_to_key == words[1:]
    with pytest.raises(ValueError, match="no vectors of these words"):
        load_word2vec(path, words={"other"})


OTHER_FILES = {
    "fastText": struct.pack("<ii", 793712314, 12) + b"\0" * 100,
    "pickle": pickle.dumps({"a": np.zeros(3)}),
    "utf-16": as_text().decode().encode("utf-16"),
    "gzip": gzip.compress(as_text()),
}


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_other_files_are_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "vectors.vec"
    path.write_bytes(OTHER_FILES[kind])
    with pytest.raises(ValueError, match=rf"vectors\.vec.*{kind}"):
        load_word2vec(path)


def test_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(b"\xef\xbb\xbf" + as_text())
    assert_golden(load_word2vec(path))


@pytest.mark.parametrize("header", [b"1000000000000 3", b"5 1000000000000", b"5 " + b"9" * 60])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("binary", [True, False])
def test_hostile_headers_allocate_nothing(
    tmp_path: Path, header: bytes, suffix: str, binary: bool
) -> None:
    path = tmp_path / f"vectors{suffix}"
    data = as_binary(header=header + b"\n") if binary else as_text(header.decode() + "\n")
    path.write_bytes(gzip.compress(data) if suffix else data)
    allocated = []
    empty = np.empty
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "conec.interop.reading.np.empty",
            lambda shape, **more: (allocated.append(shape), empty(shape, **more))[1],
        )
        with pytest.raises(ValueError, match=str(path)):
            load_word2vec(path, binary=binary)
    assert all(n * size <= 30 for n, size in allocated)


def test_counts_out_of_range(tmp_path: Path) -> None:
    path, vocab = tmp_path / "vectors.txt", tmp_path / "vocab.txt.zst"
    path.write_text("1 1\na 1\n")
    for count in ("-1", "1.5", "9" * 30):
        with open_output(vocab) as write:
            write(f"a {count}\n")
        with pytest.raises(ValueError, match=r"vocab\.txt\.zst: line 1: expected 'word count'"):
            load_word2vec(path, vocab=vocab)


# Writing


@pytest.mark.parametrize("binary", [True, False])
def test_round_trip_is_exact(tmp_path: Path, vectors: KeyedVectors, binary: bool) -> None:
    path = tmp_path / "vectors"
    save_word2vec(vectors, path, binary=binary)
    assert_golden(load_word2vec(path))
    assert_golden(load_word2vec(path, binary=binary))
    assert list(tmp_path.iterdir()) == [path]


def test_binary_is_what_word2vec_writes(tmp_path: Path, vectors: KeyedVectors) -> None:
    save_word2vec(vectors, tmp_path / "vectors", binary=True)
    assert (tmp_path / "vectors").read_bytes() == as_binary()


@pytest.mark.parametrize("binary", [True, False])
def test_gensim_reads_what_we_write(tmp_path: Path, binary: bool) -> None:
    rng = np.random.default_rng(1)
    ours = to_keyed_vectors(
        [f"wort{i}ß" for i in range(200)], rng.standard_normal((200, 20)), range(200, 0, -1)
    )
    path, vocab = tmp_path / "vectors", tmp_path / "vocab"
    save_word2vec(ours, path, binary=binary, vocab=vocab)
    theirs = KeyedVectors.load_word2vec_format(str(path), fvocab=str(vocab), binary=binary)
    np.testing.assert_array_equal(theirs.vectors, ours.vectors)
    assert theirs.get_vecattr("wort3ß", "count") == 197
    for word in ours.index_to_key[:20]:
        mine, other = ours.most_similar(word, topn=5), theirs.most_similar(word, topn=5)
        assert [w for w, _ in mine] == [w for w, _ in other]
        assert [s for _, s in mine] == pytest.approx([s for _, s in other], abs=1e-6)


@pytest.mark.parametrize("binary", [True, False])
def test_we_read_what_gensim_writes(tmp_path: Path, vectors: KeyedVectors, binary: bool) -> None:
    path = tmp_path / "vectors"
    vectors.save_word2vec_format(str(path), binary=binary)
    assert_golden(load_word2vec(path))


words_of_text = st.text(
    st.characters(codec="utf-8", exclude_characters=" \t\n\r\v\f"), min_size=1, max_size=12
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), words=st.lists(words_of_text, min_size=1, max_size=6, unique=True))
@pytest.mark.parametrize("binary", [True, False])
def test_any_word_comes_back(
    tmp_path: Path, data: st.DataObject, words: list[str], binary: bool
) -> None:
    finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
    matrix = data.draw(hnp.arrays(np.float32, (len(words), 4), elements=finite))
    path = tmp_path / "vectors"
    save_word2vec(to_keyed_vectors(words, matrix), path, binary=binary)
    loaded = load_word2vec(path, binary=binary)
    assert loaded.index_to_key == words
    assert loaded.vectors.tobytes() == matrix.tobytes()


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("binary", [True, False])
def test_compressed_round_trip(
    tmp_path: Path, vectors: KeyedVectors, suffix: str, binary: bool
) -> None:
    path, other = tmp_path / f"vectors.txt{suffix}", tmp_path / f"v{suffix}"
    for target in (path, other):
        save_word2vec(vectors, target, binary=binary)
    assert not path.read_bytes().startswith(b"5 3")
    assert path.read_bytes() == other.read_bytes()
    assert_golden(load_word2vec(path))


@pytest.mark.parametrize("word", ["new york", "", "tab\there", "line\nend"])
def test_words_the_format_cannot_hold(tmp_path: Path, word: str) -> None:
    path = tmp_path / "vectors"
    path.write_text("old")
    with pytest.raises(ValueError, match="white space"):
        save_word2vec(to_keyed_vectors(["a", word], np.eye(2)), path)
    assert path.read_text() == "old"


def test_a_failure_leaves_the_old_file(
    tmp_path: Path, vectors: KeyedVectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vectors"
    path.write_text("old")
    vectors.index_to_key = [*WORDS[:4], "\ud800"]  # no UTF-8 for a lone surrogate
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        save_word2vec(vectors, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_counts_to_write(tmp_path: Path, vectors: KeyedVectors) -> None:
    with pytest.raises(ValueError, match="count"):
        save_word2vec(vectors, tmp_path / "vectors", vocab=tmp_path / "vocab")
    assert list(tmp_path.iterdir()) == []


# Checks


def test_vectors_in_order_pass(vectors: KeyedVectors) -> None:
    check_vectors(vectors)
    check_vectors(vectors, size=3)
    check_vectors(MATRIX)
    check_vectors(MATRIX, WORDS)


@pytest.mark.parametrize(
    ("matrix", "words", "message"),
    [
        (np.ones(3), None, r"shape \(n, size\)"),
        (np.ones((0, 3)), None, r"got shape \(0, 3\)"),
        (np.ones((2, 0)), None, r"got shape \(2, 0\)"),
        (np.ones((2, 3)), ["a"], "there are 1 words but 2 vectors"),
        (np.ones((3, 1)), ["a", "b", "a"], "1 words occur more than once: 'a'"),
        ([[1.0], [np.nan], [-np.inf]], ["a", "b", "c"], "2 of 3 vectors .* 'b', 'c'"),
        ([[1.0], [np.nan]], None, "1 of 2 vectors .* those of 1$"),
    ],
)
def test_vectors_out_of_order(matrix: object, words: list[str] | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_vectors(matrix, words)  # type: ignore[arg-type]


def test_wrong_size(vectors: KeyedVectors) -> None:
    with pytest.raises(ValueError, match="size 5, got size 3"):
        check_vectors(vectors, size=5)


@pytest.mark.filterwarnings("ignore:Adding single vectors:UserWarning")
def test_keyed_vectors_work_in_gensim() -> None:
    keyed = to_keyed_vectors(["a", "b", "c"], [[1, 0], [1, 0.1], [0, 1]], [5, 3, 1])
    assert keyed.most_similar("a", topn=1)[0][0] == "b"
    assert keyed.get_vecattr("b", "count") == 3
    assert keyed["c"].tolist() == [0, 1]
    keyed.add_vector("d", np.array([1, 1], dtype=np.float32))
    assert "d" in keyed
    with pytest.raises(ValueError, match="counts"):
        to_keyed_vectors(["a"], [[1.0]], [1, 2])


# Viewers


def test_projector(tmp_path: Path, vectors: KeyedVectors) -> None:
    save_projector(vectors, tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert (folder / "metadata.tsv").read_text("utf-8").splitlines() == WORDS
    np.testing.assert_array_equal(
        np.loadtxt(folder / "vectors.tsv", delimiter="\t", dtype=np.float32), MATRIX
    )
    counted = to_keyed_vectors(["a b", "c"], np.eye(2), [4, 2])
    save_projector(counted, folder)
    assert (folder / "metadata.tsv").read_text() == "word\tcount\na b\t4\nc\t2\n"
    assert (folder / "vectors.tsv").read_text() == "1\t0\n0\t1\n"
    with pytest.raises(ValueError, match="white space"):
        save_projector(to_keyed_vectors(["a\tb"], [[1.0]]), folder)


@pytest.mark.slow
def test_spacy(tmp_path: Path, vectors: KeyedVectors) -> None:
    spacy = pytest.importorskip("spacy")
    nlp = to_spacy(vectors)
    nlp.to_disk(tmp_path / "model")
    for pipeline in (nlp, spacy.load(tmp_path / "model")):
        assert pipeline.vocab.vectors.shape == MATRIX.shape
        assert pipeline.lang == "xx"
        for word, row in zip(WORDS, MATRIX, strict=True):
            np.testing.assert_array_equal(pipeline.vocab.get_vector(word), row)
        document = pipeline("über x unknown")
        assert [token.has_vector for token in document] == [True, True, False]
        np.testing.assert_array_equal(document[1].vector, MATRIX[4])
    to_spacy(vectors).vocab.vectors.data[:] = 0
    np.testing.assert_array_equal(vectors.vectors, MATRIX)  # ours are not touched


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_a_folder_for_spacy_replaces_only_an_earlier_export(
    tmp_path: Path, vectors: KeyedVectors
) -> None:
    spacy = pytest.importorskip("spacy")
    folder = tmp_path / "pipeline"
    save_spacy(vectors, folder)
    first = contents(folder)
    smaller = to_keyed_vectors(["a", "b"], np.eye(2))
    save_spacy(smaller, folder, "en")
    assert spacy.load(folder).vocab.vectors.shape == (2, 2)
    assert contents(folder) != first

    # a pipeline with a component that was added to an export, and one of another program
    nlp = spacy.load(folder)
    nlp.add_pipe("sentencizer")
    nlp.to_disk(folder)
    other = tmp_path / "other"
    trained = spacy.blank("en")
    trained.add_pipe("sentencizer")
    trained.to_disk(other)
    changed = tmp_path / "changed"
    save_spacy(vectors, changed)
    (changed / ".git").mkdir()
    (changed / ".git" / "HEAD").write_text("ref")
    for path in (folder, other, changed):
        before = contents(path)
        with pytest.raises(FileExistsError, match="Nothing is replaced"):
            save_spacy(vectors, path)
        assert contents(path) == before
    assert spacy.load(folder).pipe_names == ["sentencizer"]


def test_a_folder_for_the_projector_keeps_files_of_others(
    tmp_path: Path, vectors: KeyedVectors
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "metadata.tsv").write_text("my own\n")
    with pytest.raises(FileExistsError, match=r"metadata\.tsv is not from an export"):
        save_projector(vectors, tmp_path)
    assert contents(tmp_path) == {"notes.txt": b"mine", "metadata.tsv": b"my own\n"}
    (tmp_path / "metadata.tsv").unlink()
    save_projector(vectors, tmp_path)
    save_projector(vectors, tmp_path)
    with open(tmp_path / "metadata.tsv", "a") as file:
        file.write("an added line")
    with pytest.raises(FileExistsError, match="was changed after"):
        save_projector(vectors, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_spacy_missing(vectors: KeyedVectors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "spacy", None)
    with pytest.raises(ImportError, match=r"similarity-encoders\[spacy\]"):
        to_spacy(vectors)


# Changes of word vectors


@settings(max_examples=30)
@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from(
                ["add", "add many", "set", "set many", "replace", "query", "unit", "sort", "assign"]
            ),
            st.integers(0, 9),
            st.sampled_from([0.0, 1e-3, 1.0, 10.0, -500.0]),
        ),
        max_size=8,
    )
)
def test_cosines_follow_any_changes(changes: list[tuple[str, int, float]]) -> None:
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((6, 4)).astype(np.float32)
    matrix[3] = 0
    before = matrix.copy()
    ours = to_keyed_vectors([f"w{i}" for i in range(6)], matrix, np.arange(6, 0, -1))
    for change, number, scale in changes:
        word, vector = f"w{number}", (scale * rng.standard_normal(4)).astype(np.float32)
        known = word in ours.key_to_index
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # adding one by one is slow, says gensim
            if change == "add" and not known:
                ours.add_vector(word, vector)
            elif change == "add many" and not known:
                ours.add_vectors([word, f"{word}b"], [vector, -vector])
            elif change == "set":
                ours[word] = vector
            elif change == "set many":
                ours[[word, "w0"]] = np.array([vector, 2 * vector])
            elif change == "replace":
                ours.add_vectors([word], [vector], replace=True)
            elif change == "unit":
                ours.unit_normalize_all()
            elif change == "sort":
                ours.sort_by_descending_frequency()
            elif change == "assign":
                ours.vectors = 3 * ours.vectors[::-1]
            else:
                ours.most_similar("w1")
        length = np.linalg.norm(ours.vectors, axis=1, keepdims=True)
        unit = ours.vectors / np.where(length == 0, 1, length)
        expected = unit @ unit[ours.key_to_index["w1"]]
        found = dict(ours.most_similar("w1", topn=len(ours)))
        assert set(found) == set(ours.index_to_key) - {"w1"}
        for other, cosine in found.items():
            assert abs(cosine) <= 1 + 1e-6
            assert cosine == pytest.approx(expected[ours.key_to_index[other]], abs=1e-5)
        assert all(ours.get_vecattr(other, "count") >= 0 for other in found)
    assert np.array_equal(matrix, before)  # the weights of a model are not changed


def test_a_pickle_and_a_copy_need_gensim_alone() -> None:
    ours = to_keyed_vectors(["a", "b", "c"], np.array([[1, 0], [3, 4], [0, 0]]), [3, 2, 1])
    for restored in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours)):
        assert type(restored) is KeyedVectors
        assert restored.most_similar("a") == ours.most_similar("a")
        assert restored.get_vecattr("b", "count") == 2
    ours = copy.deepcopy(to_keyed_vectors(["a", "b"], np.array([[1, 0], [3, 4]])))
    ours["b"] = 10 * ours["b"]
    assert ours.most_similar("a") == [("b", pytest.approx(0.6))]
