"""Opening corpora: sources, passes, shards, encodings, and what goes wrong."""

from __future__ import annotations

import gzip
import io
import itertools
import os
import pickle
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

import corpora
from corpora import CorpusError, NotReiterableError
from corpora.readers import base


class TestPasses:
    def test_iterator_can_be_read_once(self) -> None:
        corpus = corpora.open(tokens for tokens in (["a"], ["b"]))
        assert not corpus.reiterable
        assert list(corpus) == [["a"], ["b"]]
        # At once, not at the first document.
        with pytest.raises(NotReiterableError, match=r"generator .* only once; pass a list"):
            iter(corpus)
        with pytest.raises(NotReiterableError):
            corpus.texts()

    def test_derived_corpus_shares_the_only_pass(self) -> None:
        corpus = corpora.open(iter([["a"]]))
        mapped = corpus.map(lambda tokens: tokens * 2)
        assert list(mapped) == [["a", "a"]]
        with pytest.raises(NotReiterableError):
            iter(corpus)

    def test_iterable_class_can_be_read_repeatedly(self) -> None:
        class Twice:
            def __iter__(self) -> Iterator[list[str]]:
                yield ["a", "b"]

        corpus = corpora.open(Twice())
        assert corpus.reiterable
        assert list(corpus) == list(corpus) == [["a", "b"]]

    def test_two_passes_at_a_time(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_text("a\nb\n")
        corpus = corpora.open(path)
        assert list(zip(corpus, corpus, strict=True)) == [(["a"], ["a"]), (["b"], ["b"])]

    def test_standard_input(self) -> None:
        code = (
            "import corpora, sys\n"
            "corpus = corpora.open('-')\n"
            "print(list(corpus), corpus.reiterable, corpus.size)\n"
            "try: iter(corpus)\n"
            "except corpora.NotReiterableError as error: print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            input="é b\nc\n".encode(),
            capture_output=True,
            check=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        first, second = done.stdout.decode().splitlines()
        assert first == "[['é', 'b'], ['c']] False None"
        assert second.startswith("standard input can be read only once; pass a list")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_nothing_of_a_named_pipe_is_lost_to_guessing(self, tmp_path: Path) -> None:
        path = tmp_path / "pipe"
        os.mkfifo(path)
        with subprocess.Popen(["/bin/sh", "-c", f"printf 'a\\nb\\n' > {path}"]):
            corpus = corpora.open(path)
            assert list(corpus) == [["a"], ["b"]]
        with pytest.raises(NotReiterableError):
            iter(corpus)

    def test_pickled_it_reads_the_same(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_text("A 1\nB 2\n")
        corpus = corpora.open(path, clean=["lower", "digits"], tokenize="regexp")
        for one in (corpus, *corpus.shards(2), corpora.open([["a"]])):
            assert list(pickle.loads(pickle.dumps(one))) == list(one) != []


class TestMemory:
    def test_strings_are_tokenized(self) -> None:
        assert list(corpora.open(["the cat", "", ("a", "b")])) == [["the", "cat"], ["a", "b"]]

    @pytest.mark.parametrize(
        ("bad", "says"),
        [
            ([["a"], 7], "document 1 must be a list of str, .* got 7 of type int"),
            ([b"abc"], "document 0 must be a list of str, .* got bytes"),
            (
                [["a"], [1, 2]],
                "document 1, position 0 .counted from 0.: a token must be a str, got 1 of type int",
            ),
            (
                [["a", None]],
                "document 0, position 1 .counted from 0.: a token must be a str, got None. Leave",
            ),
        ],
    )
    def test_invalid_document_is_named(self, bad: list[object], says: str) -> None:
        with pytest.raises(TypeError, match=says):
            list(corpora.open(bad))

    @pytest.mark.parametrize("bad", [7, None, b"path", lambda: None])
    def test_invalid_corpus(self, bad: object) -> None:
        with pytest.raises(TypeError, match="source must be a path or an iterable"):
            corpora.open(bad)  # type: ignore[arg-type]

    def test_format_and_options_are_for_files(self) -> None:
        with pytest.raises(TypeError, match="for files"):
            corpora.open([["a"]], "conll")
        with pytest.raises(TypeError, match="no options, got unit"):
            corpora.open([["a"]], unit="line")

    def test_corpus_is_handed_through(self) -> None:
        corpus = corpora.open([["a"]])
        assert corpora.open(corpus) is corpus
        with pytest.raises(TypeError, match="Corpus already"):
            corpora.open(corpus, clean="lower")

    def test_tokens_are_cleaned_one_by_one_and_breaks_stay(self) -> None:
        corpus = corpora.open([["Ab", corpora.BREAK, "!", "C-D"]], clean="wikifil")
        assert list(corpus) == [["ab", "", "c", "d"]]


class TestSources:
    @pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zst"])
    def test_compression(self, tmp_path: Path, suffix: str) -> None:
        lines = "".join(f"line {number} é\n" for number in range(5000))
        path = tmp_path / f"a.txt{suffix}"
        # Two streams one after the other, as cat makes them.
        data = compress(suffix, lines.encode()) + compress(suffix, b"last\n")
        path.write_bytes(data)
        corpus = corpora.open(path)
        assert list(corpus) == [line.split() for line in lines.splitlines()] + [["last"]]
        assert corpus.position == corpus.size == len(data)

    @pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
    @pytest.mark.parametrize("cut", [0.5, 0.99])
    def test_cut_short(self, tmp_path: Path, suffix: str, cut: float) -> None:
        data = compress(suffix, os.urandom(30_000).hex().encode())
        path = tmp_path / f"a.txt{suffix}"
        path.write_bytes(data[: int(len(data) * cut)])
        with pytest.raises(CorpusError, match="damaged or truncated") as caught:
            list(corpora.open(path, "text"))
        assert caught.value.path == str(path)

    @pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
    def test_not_compressed_at_all(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"a.txt{suffix}"
        path.write_text("plain text\n" * 9)
        with pytest.raises(CorpusError, match=r"a\.txt.*damaged"):
            list(corpora.open(path, "text"))

    def test_folder_sorted_with_all_below_each_by_its_format(self, tmp_path: Path) -> None:
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "1.jsonl").write_text('{"text": "from json"}\n')
        (tmp_path / "b" / "2.txt").write_text("from b\n")
        (tmp_path / "a.conll").write_text("from N\na N\n")
        (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"from c\n"))
        (tmp_path / ".hidden").write_text("hidden\n")
        corpus = corpora.open(tmp_path)
        assert [" ".join(d) for d in corpus] == ["from a", "from json", "from b", "from c"]
        assert corpus.format == "mixed"
        some = corpora.open(str(tmp_path / "**" / "*.txt*"))
        assert [" ".join(d) for d in some] == ["from b", "from c"]
        assert some.format == "text"
        assert list(corpora.open(tmp_path, "jsonl")) == [["from", "json"]]
        paths = [tmp_path / "c.txt.gz", tmp_path / "a.conll"]
        assert [" ".join(d) for d in corpora.open(paths)] == ["from c", "from a"]

    def test_tar_and_zip(self, tmp_path: Path) -> None:
        members = {"x/1.txt": b"one\n", "x/2.txt.gz": gzip.compress(b"two\n")}
        for suffix, mode in ((".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz")):
            with tarfile.open(tmp_path / f"a{suffix}", mode) as tar:  # type: ignore[call-overload]
                for name, data in members.items():
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        for suffix in (".tar", ".tar.gz", ".tgz", ".zip"):
            corpus = corpora.open(tmp_path / f"a{suffix}")
            assert list(corpus) == list(corpus) == [["one"], ["two"]]
        with pytest.raises(CorpusError, match=r"a\.tar/x/1\.txt, line 1: not valid JSON"):
            list(corpora.open(tmp_path / "a.tar", "jsonl"))
        with pytest.raises(CorpusError, match="no file that BillionWords"):
            list(corpora.open(tmp_path / "a.tar", "lm1b"))
        (tmp_path / "bad.tar").write_bytes(b"this is no archive" * 99)
        with pytest.raises(CorpusError, match=r"bad\.tar: not a tar archive"):
            list(corpora.open(tmp_path / "bad.tar", "text"))

    def test_archive_is_guessed_by_its_first_member(self, tmp_path: Path) -> None:
        for name, data in (("a.x", "-DOCSTART- O\n\nEU I-ORG\n"), ("a.jsonl", '{"text": "EU"}\n')):
            with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
                archive.writestr(name, data)
            assert list(corpora.open(tmp_path / "a.zip")) == [["EU"]]
        with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
            archive.writestr("text8", "a b " * 300_000)
        assert list(corpora.open(tmp_path / "b.zip"))[59] == ["a", "b"] * 5000
        with zipfile.ZipFile(tmp_path / "b.zip", "w"):
            pass
        with pytest.raises(CorpusError, match="has no file that Text"):
            list(corpora.open(tmp_path / "b.zip"))

    def test_uri(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt.gz"
        path.write_bytes(gzip.compress(b"one two\n"))
        corpus = corpora.open(path.as_uri())
        assert list(corpus) == list(corpus) == [["one", "two"]]
        assert corpus.size in (None, path.stat().st_size)  # known with fsspec

    def test_uri_that_needs_an_extra(self) -> None:
        with (
            mock.patch("corpora.remote._system", side_effect=ImportError("no s3fs")),
            mock.patch("smart_open.open", side_effect=ImportError("no boto3")),
            pytest.raises(ImportError, match=r"similarity-encoders\[s3\]"),
        ):
            corpora.open("s3://bucket/a.txt")

    def test_large_file_in_constant_memory(self, tmp_path: Path) -> None:
        resource = pytest.importorskip("resource")
        del resource
        path = tmp_path / "text8"
        with path.open("w") as file:
            for _ in range(60):
                file.write("anarchism " * 100_000)
        code = (
            "import corpora, resource, sys\n"
            "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "before = peak()\n"
            "n = sum(map(len, corpora.open(sys.argv[1])))\n"
            "print(n, peak() - before)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, path],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
        )
        tokens, grown = map(int, done.stdout.split())
        assert tokens == 6_000_000
        unit = 1 if sys.platform == "darwin" else 1024
        assert grown * unit < 40 << 20  # of 60 MB, and 400 MB as tokens


def compress(suffix: str, data: bytes) -> bytes:
    if suffix == ".zst":
        import zstandard

        return zstandard.ZstdCompressor().compress(data)
    if suffix:
        import bz2
        import lzma

        return {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[suffix](data)
    return data


class TestWrong:
    def test_missing_file_lists_similar_names(self, tmp_path: Path) -> None:
        (tmp_path / "corpus.txt").write_text("a\n")
        with pytest.raises(FileNotFoundError, match=r"closest matches: corpus\.txt") as caught:
            corpora.open(tmp_path / "corpsu.txt")
        assert caught.value.filename == str(tmp_path / "corpsu.txt")
        with pytest.raises(
            FileNotFoundError, match="exists, but contains nothing with a similar name"
        ):
            corpora.open(tmp_path / "xyz")
        with pytest.raises(
            FileNotFoundError, match=f"folder does not exist.*only {tmp_path} exists"
        ):
            corpora.open(tmp_path / "no" / "where" / "corpus.txt")
        with pytest.raises(FileNotFoundError, match="No file matches"):
            corpora.open(str(tmp_path / "*.gz"))
        (tmp_path / "empty").mkdir()
        with pytest.raises(FileNotFoundError, match="holds no files"):
            corpora.open(tmp_path / "empty")

    def test_unknown_names_list_valid_names(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_text("a\n")
        with pytest.raises(ValueError, match=r"unknown format 'txt'.*conll.*text8"):
            corpora.open(path, "txt")
        with pytest.raises(TypeError, match="no option 'column'; its options are: unit"):
            corpora.open(path, column=1)
        with pytest.raises(ValueError, match="errors must be 'strict'"):
            corpora.open(path, errors="lenient")
        with pytest.raises(LookupError, match="utf-9"):
            corpora.open(path, encoding="utf-9")
        with pytest.raises(ValueError, match="unknown cleaning step"):
            corpora.open(path, clean="polish")
        with pytest.raises(ValueError, match="unknown tokenizer"):
            corpora.open(path, tokenize="words")

    @pytest.mark.parametrize("block", [1, 4, 1000])
    @pytest.mark.parametrize("shards", [1, 5])
    @pytest.mark.parametrize("format", ["text", "text8"])
    def test_undecodable_bytes_have_line_and_offset(
        self, tmp_path: Path, block: int, shards: int, format: str
    ) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes("é\nzwei\n\nvier ".encode() + b"\xff\xfe\nlast\n")
        with mock.patch.object(base, "_BLOCK", block):
            corpus = corpora.open(path, format)
            with pytest.raises(CorpusError, match=r'cp1252.*errors="replace"') as caught:
                list(itertools.chain(*corpus.shards(shards)))
        error = caught.value
        assert (error.path, error.line, error.offset) == (str(path), 4, 14)

    def test_undecodable_utf16(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes("ab\nc".encode("utf-16") + b"\x00\xd8b\x00")
        with pytest.raises(CorpusError, match="line 2, byte 10"):
            list(corpora.open(path, "text", encoding="utf-16"))

    def test_error_policies(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes(b"one\nt\xffo\r\nthree\r\n\xff\n")

        def read(errors: str) -> list[list[str]]:
            return list(corpora.open(path, errors=errors))

        assert read("replace") == [["one"], ["t\ufffdo"], ["three"], ["\ufffd"]]
        assert read("ignore") == [["one"], ["to"], ["three"]]
        corpus = corpora.open(path, errors="skip")
        assert list(corpus) == list(corpus) == [["one"], ["three"]]
        assert corpus.skipped == 2
        assert list(corpora.open(path, encoding="latin-1"))[1] == ["tÿo"]
        with pytest.raises(ValueError, match="needs lines"):
            corpora.open(path, "text8", errors="skip")

    def test_skipped_lines_keep_their_numbers(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl"
        path.write_bytes(b'{"text": "a"}\n{"text": "\xff"}\nnot json\n')
        with pytest.raises(CorpusError, match="line 3: not valid JSON"):
            list(corpora.open(path, errors="skip"))

    @pytest.mark.parametrize("format", ["text", "text8", "conll", "wikiextractor", "reuters"])
    def test_empty_file_has_no_documents(self, tmp_path: Path, format: str) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes(b"")
        corpus = corpora.open(path, format)
        assert list(corpus) == []
        assert [list(shard) for shard in corpus.shards(3)] == [[]]

    def test_errors_survive_pickling(self) -> None:
        error = CorpusError("bad", path="a.txt", line=3, offset=7)
        again = pickle.loads(pickle.dumps(error))
        assert str(again) == str(error) == "a.txt, line 3, byte 7: bad"
        assert (again.path, again.line, again.offset) == ("a.txt", 3, 7)

    def test_words_have_no_tags(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_text("a\n")
        with pytest.raises(TypeError, match="'text' has no tags"):
            list(corpora.open(path).tagged())


def test_import_is_light() -> None:
    code = (
        "import corpora, sys\n"
        "heavy = {'nltk', 'gensim', 'numpy', 'scipy', 'pyarrow', 'smart_open', 'joblib'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "[]"
