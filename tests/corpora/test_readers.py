"""Each format: small files, malformed ones, and the real data sets."""

from __future__ import annotations

import builtins
import contextlib
import gzip
import io
import itertools
import json
import pickle
import random
import re
import sys
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import corpora
from corpora import BREAK, CorpusError
from corpora.readers import READERS, base, text_lines

CONLL = """\
-DOCSTART- -X- O

EU NNP I-ORG
rejects VBZ O

Peter NNP I-PER

-DOCSTART- -X- O

LONDON NNP I-LOC
"""

WIKI = """\
<doc id="1" url="x?curid=1" title="Ayn Rand">
Ayn Rand

Born Alisa.
Wrote <novels>.

</doc>
<doc id="2" url="x?curid=2" title="Two">
Two

Second.
</doc>
"""

REUTERS = """\
<!DOCTYPE lewis SYSTEM "lewis.dtd">
<REUTERS TOPICS="YES" NEWID="1">
<UNKNOWN>
&#5;C T</UNKNOWN>
<TEXT>&#2;
<TITLE>STANDARD &lt;SRD> TO</TITLE>
<DATELINE>    CLEVELAND, Feb 26 - </DATELINE><BODY>Oil &amp; gas, caf\xe9
  rose.
 Reuter
&#3;</BODY></TEXT>
</REUTERS>
<REUTERS TOPICS="NO" NEWID="2">
<TEXT TYPE="BRIEF">&#2;
<TITLE>BRIEF ONE</TITLE></TEXT>
</REUTERS>
"""


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def test_messages_are_short_and_survive_pickling() -> None:
    error = CorpusError("expected a word, got " + "[" * 100_000, path="a/b.txt", line=7)
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert str(error).startswith("a/b.txt, line 7: expected a word")
    assert len(str(error)) < 1500


class TestText:
    def test_units(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.txt", "a b\nc\n \n\nd\n")
        assert list(corpora.open(path)) == [["a", "b"], ["c"], ["d"]]
        assert list(corpora.open(path, unit="paragraph")) == [["a", "b", "c"], ["d"]]
        assert list(corpora.open(path, unit="file")) == [["a", "b", "c", "d"]]
        for unit in ("paragraph", "file"):
            corpus = corpora.open(path, unit=unit)
            assert corpus.shards(3) == [corpus]
        with pytest.raises(ValueError, match="unit must be 'line'"):
            corpora.open(path, unit="word")


class TestText8:
    @given(
        text=st.text(st.sampled_from("ab é漢\n\t\u2028"), max_size=60),
        length=st.integers(1, 12),
        block=st.integers(1, 30),
    )
    def test_pieces_are_the_whole(
        self, tmp_path_factory: pytest.TempPathFactory, text: str, length: int, block: int
    ) -> None:
        path = write(tmp_path_factory.mktemp("text8"), "text8", text)
        with mock.patch.object(base, "_BLOCK", block):
            pieces = list(corpora.open(path, document_length=length))
            whole = list(corpora.open(path, document_length=None))
        words = text.split()
        assert pieces == [words[i : i + length] for i in range(0, len(words), length)]
        assert whole == ([words] if words else [])

    def test_found_by_name_or_a_line_without_end(self, tmp_path: Path) -> None:
        assert corpora.open(write(tmp_path, "text8.txt", "a b")).format == "text8"
        assert corpora.open(write(tmp_path, "long", "word " * 300_000)).format == "text8"
        assert corpora.open(write(tmp_path, "short", "word " * 3)).format == "text"

    def test_cleaned_word_by_word(self, tmp_path: Path) -> None:
        path = write(tmp_path, "text8", "Ab C-D")
        assert list(corpora.open(path, clean="wikifil")) == [["ab", "c", "d"]]

    def test_length_is_at_least_one(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="document_length must be >= 1"):
            corpora.open(write(tmp_path, "text8", "a"), document_length=0)


class TestConll:
    def test_documents_sentences_columns_breaks(self, tmp_path: Path) -> None:
        path = write(tmp_path, "eng.train", CONLL)
        assert corpora.open(path).format == "conll"
        assert list(corpora.open(path)) == [["EU", "rejects", "Peter"], ["LONDON"]]
        sentences = corpora.open(path, unit="sentence", column=-1)
        assert list(sentences) == [["I-ORG", "O"], ["I-PER"], ["I-LOC"]]
        broken = corpora.open(path, breaks=True, clean="lower")
        assert list(broken) == [["eu", "rejects", BREAK, "peter"], ["london"]]

    def test_breaks_only_between_sentences(self) -> None:
        assert corpora.with_breaks([["a", "b"], [], ("c",)]) == ["a", "b", BREAK, BREAK, "c"]
        assert corpora.with_breaks([]) == []
        for wrong in ("a b", b"ab", None, 3):
            with pytest.raises(TypeError, match="sentence 1 must be a list of str, got"):
                corpora.with_breaks([["a"], wrong])  # type: ignore[list-item]

    def test_tags(self, tmp_path: Path) -> None:
        path = write(tmp_path, "eng.train", CONLL)
        corpus = corpora.open(path, unit="sentence", clean="lower")
        assert list(corpus.tagged()) == [
            [[("EU", "NNP", "I-ORG"), ("rejects", "VBZ", "O")], [("Peter", "NNP", "I-PER")]],
            [[("LONDON", "NNP", "I-LOC")]],
        ]

    def test_without_document_lines_all_is_one(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.conll", "a\tX\n\n\nb\tY")
        assert list(corpora.open(path)) == [["a", "b"]]

    def test_malformed(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.conll", CONLL.replace("rejects VBZ O", "rejects VBZ"))
        with pytest.raises(CorpusError, match=r"a\.conll, line 4: .* 3 columns .* got 2: 'rejects"):
            list(corpora.open(path))
        path = write(tmp_path, "b.conll", CONLL)
        with pytest.raises(CorpusError, match="line 3: there is no column 3: the line has 3"):
            list(corpora.open(path, column=3))
        with pytest.raises(ValueError, match="unit must be"):
            corpora.open(path, unit="token")
        with pytest.raises(ValueError, match="breaks=True needs"):
            corpora.open(path, unit="sentence", breaks=True)

    @pytest.mark.parametrize(
        ("name", "documents", "sentences", "tokens"),
        [
            ("train", 946, 14_041, 203_621),
            ("testa", 216, 3_250, 51_362),
            ("testb", 231, 3_453, 46_435),
        ],
    )
    def test_conll_2003(
        self, shared_data: Path, name: str, documents: int, sentences: int, tokens: int
    ) -> None:
        path = shared_data / "nlp" / "conll2003" / f"eng.{name}.xz"
        by_document = list(corpora.open(path))
        by_sentence = list(corpora.open(path, unit="sentence"))
        broken = list(corpora.open(path, breaks=True))
        assert (len(by_document), len(by_sentence)) == (documents, sentences)
        assert sum(map(len, by_document)) == sum(map(len, by_sentence)) == tokens
        assert sum(document.count(BREAK) for document in broken) == sentences - documents


class TestWikiExtractor:
    def test_articles_and_paragraphs(self, tmp_path: Path) -> None:
        path = write(tmp_path, "wiki_00", WIKI)
        corpus = corpora.open(path)
        assert corpus.format == "wikiextractor"
        assert list(corpus.texts()) == ["Ayn Rand\nBorn Alisa.\nWrote <novels>.", "Two\nSecond."]
        assert list(corpora.open(path, title=False)) == [
            ["Born", "Alisa.", "Wrote", "<novels>."],
            ["Second."],
        ]
        paragraphs = corpora.open(path, unit="paragraph", title=False)
        assert list(paragraphs.texts()) == ["Born Alisa.", "Wrote <novels>.", "Second."]

    def test_end_tag_on_the_last_line_of_the_text(self, tmp_path: Path) -> None:
        path = write(tmp_path, "wiki_00", '<doc id="1">\nTitle\n\nText.</doc>\n')
        assert list(corpora.open(path)) == [["Title", "Text."]]

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (WIKI[: WIKI.rindex("</doc>")], "line 8: <doc> is not closed at the end"),
            (WIKI.replace("</doc>\n", "", 1), "line 1: <doc> is not closed before"),
            (WIKI + "</doc>\n", "line 13: </doc> without"),
            (WIKI + "stray\n", "line 13: text outside of <doc>: 'stray'"),
        ],
    )
    def test_malformed(self, tmp_path: Path, text: str, says: str) -> None:
        path = write(tmp_path, "wiki_00", text)
        with pytest.raises(CorpusError, match=says):
            list(corpora.open(path))

    @pytest.mark.slow
    def test_good_articles(self, shared_data: Path) -> None:
        path = shared_data / "nlp" / "corpus" / "enwiki2019_good_sample.txt.xz"
        # All that is between white space, less the tag lines, counted by hand:
        # 5,481,715 is what wc counts with them.
        lengths = [len(document) for document in corpora.open(path)]
        assert (len(lengths), sum(lengths)) == (1_990, 5_467_373)


class TestReuters:
    def test_parts(self, tmp_path: Path) -> None:
        path = write(tmp_path, "x", REUTERS, "latin-1")
        corpus = corpora.open(path)
        assert corpus.format == "reuters"
        assert list(corpus) == [["Oil", "&", "gas,", "café", "rose.", "Reuter"]]
        titles = list(corpora.open(path, part="title"))
        assert titles == [["STANDARD", "<SRD>", "TO"], ["BRIEF", "ONE"]]
        whole = list(corpora.open(path, part="all"))
        dateline = ["CLEVELAND,", "Feb", "26", "-"]
        assert whole == [[*titles[0], *dateline, *next(iter(corpus))], titles[1]]

    def test_folder_and_archive_without_the_files_about_it(self, tmp_path: Path) -> None:
        write(tmp_path, "r/README.txt", "About\n")
        write(tmp_path, "r/reut2-000.sgm", REUTERS, "latin-1")
        write(tmp_path, "r/reut2-001.sgm", REUTERS, "latin-1")
        with tarfile.open(tmp_path / "reuters21578.tar.gz", "w:gz") as tar:
            tar.add(tmp_path / "r", "r")
        for source in (tmp_path / "r", tmp_path / "reuters21578.tar.gz"):
            corpus = corpora.open(source, part="title")
            assert [d[0] for d in corpus] == ["STANDARD", "BRIEF"] * 2

    def test_malformed(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.sgm", REUTERS.replace("</REUTERS>", ""), "latin-1")
        with pytest.raises(CorpusError, match="line 2: <REUTERS> is not closed before"):
            list(corpora.open(path))
        path = write(tmp_path, "b.sgm", REUTERS[: -len("</REUTERS>\n")], "latin-1")
        with pytest.raises(CorpusError, match="line 12: <REUTERS> is not closed at the end"):
            list(corpora.open(path))
        with pytest.raises(ValueError, match="part must be"):
            corpora.open(path, part="head")

    @pytest.mark.slow
    def test_whole_collection(self, shared_data: Path) -> None:
        path = shared_data / "nlp" / "corpus" / "reuters21578.tar.xz"
        lengths = [len(document) for document in corpora.open(path)]
        assert (len(lengths), sum(lengths)) == (19_043, 2_567_293)


class TestJsonLines:
    def test_files_of_json(self, tmp_path: Path) -> None:
        path = tmp_path / "a.json"
        path.write_text('{"text": "the cup"}\n{"text": "tea"}\n')
        assert list(corpora.open(path)) == [["the", "cup"], ["tea"]]
        for text in ('[{"text": "the cup"}]', '[\n {"text": "x"}\n]', '{\n "text": "x"\n}'):
            path.write_text(text)
            with pytest.raises(
                CorpusError, match=r"a\.json, line 1: .*each line must be a JSON obj"
            ):
                list(corpora.open(path))
        (tmp_path / "b.jsonl").write_text('{"text": "the cup"}\n')
        assert list(corpora.open(tmp_path, "jsonl")) == [["the", "cup"]]

    def test_strings_and_tokens(self, tmp_path: Path) -> None:
        lines = [{"text": "A b\nc"}, {"text": ["D e", "F"]}, {"text": ""}]
        text = "\n".join(map(json.dumps, lines)) + "\n\n"
        path = write(tmp_path, "a.jsonl", text)
        assert list(corpora.open(path, clean="lower")) == [["a", "b", "c"], ["d", "e", "f"]]
        assert corpora.open(write(tmp_path, "data", text)).format == "jsonl"

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("{not json", "not valid JSON"),
            ("[1]", r"expected a JSON object, got '\[1\]'"),
            ('{"body": "x", "id": 1}', "no field 'text'; its fields: body, id"),
            ('{"text": 7}', "a string or a list of strings, got 7"),
            ('{"text": ["a", 7]}', "a string or a list of strings, got"),
        ],
    )
    @pytest.mark.parametrize("shards", [1, 4])
    def test_malformed(self, tmp_path: Path, line: str, says: str, shards: int) -> None:
        path = write(tmp_path, "a.jsonl", f'{{"text": "a"}}\n\n{{"text": "é"}}\n{line}\n')
        with pytest.raises(CorpusError, match=rf"a\.jsonl, line 4: .*{says}"):
            list(itertools.chain(*corpora.open(path).shards(shards)))

    def test_field(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.jsonl", '{"body": "x y"}\n')
        assert list(corpora.open(path, field="body")) == [["x", "y"]]

    def test_null_is_counted(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.jsonl", '{"text": null}\n{"text": "b"}\n{"text": null}\n')
        corpus = corpora.open(path)
        assert list(corpus) == [["b"]]
        assert corpus.skipped == 2
        assert corpora.count(corpus, workers=1).skipped == 2

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ('{"text": ' + "[" * 100_000, "nested too deeply"),
            ('{"text": "a", "b": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
            ('{"text": "a", "n": ' + "9" * 5000 + "}", "thousands of digits"),
            ('{"text": "a", "b": {}, "text": "c"}', "the field 'text' occurs more than once"),
            ('{"text": ["a", null]}', "got the token null at position 1"),
            (' \ufeff{"text": "a"}', "not valid JSON"),
        ],
    )
    def test_hostile(self, tmp_path: Path, line: str, says: str) -> None:
        path = write(tmp_path, "a.jsonl", f'{{"text": "a"}}\n{line}\n')
        with pytest.raises(CorpusError, match=rf"a\.jsonl, line 2: .*{says}") as caught:
            list(corpora.open(path))
        assert len(str(caught.value)) < 400

    def test_surrogates(self, tmp_path: Path) -> None:
        lines = '{"text": "\\ud83d\\ude00"}\n{"text": "a\\ud83d"}\n{"text": ["b\\uDE00"]}\n'
        path = write(tmp_path, "a.jsonl", lines)
        corpus = corpora.open(path, errors="skip")
        assert list(corpus) == [["\U0001f600"]]
        assert corpus.skipped == 2
        replaced = [["\U0001f600"], ["a\ufffd"], ["b\ufffd"]]
        with pytest.warns(UserWarning, match=r"a\.jsonl, line 2: .*half of a surrogate pair"):
            assert list(corpora.open(path)) == replaced
        assert list(corpora.open(path, errors="replace")) == replaced
        assert list(corpora.open(path, errors="ignore")) == [["\U0001f600"], ["a"], ["b"]]

    def test_other_fields_do_not_matter(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.jsonl", '{"text": "a", "b": NaN, "c": {"text": "b"}}\n')
        assert list(corpora.open(path)) == [["a"]]


class TestParquet:
    def test_strings_and_tokens(self, tmp_path: Path) -> None:
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet as pq

        texts = [f"Text {number}" for number in range(3000)] + [None, ""]
        tokens = [["Tok", "en"]] * 3002
        table = pa.table({"text": texts, "tokens": tokens, "n": range(3002)})
        path = tmp_path / "a.parquet"
        pq.write_table(table, path)
        assert list(corpora.open(path)) == [text.split() for text in texts if text]
        assert list(corpora.open(path, column="tokens")) == tokens
        with pytest.raises(
            CorpusError, match=r"no column 'body'; its columns: \['text', 'tokens', 'n'"
        ):
            list(corpora.open(path, column="body"))
        with pytest.raises(CorpusError, match="the column 'n' must hold strings .* got int64"):
            list(corpora.open(path, column="n"))
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(CorpusError, match=r"a\.parquet: not a Parquet file"):
            list(corpora.open(path))

    @pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "category"])
    def test_types_of_text(self, tmp_path: Path, kind: str) -> None:
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet as pq

        def write_column(values: Any, text: Any) -> str:
            path = str(tmp_path / "a.parquet")
            pq.write_table(pa.table({"text": pa.array(values, text)}), path)
            return path

        text = pa.dictionary(pa.int32(), pa.string())
        if kind != "category":
            text = getattr(pa, kind)()
        corpus = corpora.open(write_column(["the cup", None, "tea"], text))
        assert list(corpus) == [["the", "cup"], ["tea"]]
        assert corpus.skipped == 1
        tokens = [["the", "cup"], [], ["tea"]]
        for make in (pa.list_, pa.large_list):
            corpus = corpora.open(write_column([*tokens, None], make(text)))
            assert list(corpus) == [["the", "cup"], ["tea"]]
            assert corpus.skipped == 1
        path = write_column([["a"], ["the", None]], pa.list_(text))
        with pytest.raises(CorpusError, match=r"a\.parquet: row 2: token 1 of .* is null"):
            list(corpora.open(path))
        path = write_column([[["a"]]], pa.list_(pa.list_(text)))
        with pytest.raises(CorpusError, match="must hold strings or lists of strings, got list"):
            list(corpora.open(path))

    def test_frames(self, tmp_path: Path) -> None:
        polars, pandas = pytest.importorskip("polars"), pytest.importorskip("pandas")
        pytest.importorskip("pyarrow")
        path = tmp_path / "a.parquet"
        polars.DataFrame({"text": [["the", "cup"], ["tea"]]}).write_parquet(path)
        assert list(corpora.open(path)) == [["the", "cup"], ["tea"]]
        pandas.DataFrame({"text": pandas.Categorical(["a cup", None])}).to_parquet(path)
        assert list(corpora.open(path)) == [["a", "cup"]]

    def test_damage_is_named(self, tmp_path: Path) -> None:
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet as pq

        path = tmp_path / "a.parquet"
        text = [f"caf\u00e9 {number}" for number in range(40)]
        for options in ({}, {"compression": "none", "use_dictionary": False}):
            pq.write_table(pa.table({"text": text}), path, write_page_checksum=True, **options)
            whole = path.read_bytes()
            rng = random.Random(1)
            for _ in range(100):
                damaged = bytearray(whole)
                damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
                path.write_bytes(damaged)
                with contextlib.suppress(CorpusError):
                    list(corpora.open(path))
        damaged = bytearray(whole)
        damaged[whole.index(text[5].encode())] ^= 1  # a letter, which only the checksum protects
        path.write_bytes(damaged)
        with pytest.raises(CorpusError, match=r"a\.parquet: not a Parquet file, or a damaged"):
            list(corpora.open(path))

    def test_invalid_utf8(self, tmp_path: Path) -> None:
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet as pq

        path = tmp_path / "a.parquet"
        table = pa.table({"text": ["abcdefgh"]})
        pq.write_table(table, path, compression="none", use_dictionary=False)
        path.write_bytes(path.read_bytes().replace(b"abcdefgh", b"abc\xffefgh"))
        with pytest.raises(CorpusError, match=r"a\.parquet: .*UTF"):
            list(corpora.open(path))

    def test_without_pyarrow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = builtins.__import__

        def without(name: str, *args: Any, **kwargs: Any) -> Any:
            if name.startswith("pyarrow"):
                raise ImportError(name)
            return real(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", without)
        with pytest.raises(ImportError, match=r"pip install 'similarity-encoders\[parquet\]'"):
            list(corpora.open(write(tmp_path, "a.parquet", "PAR1")))


class TestBillionWords:
    def test_layout(self, tmp_path: Path) -> None:
        root = tmp_path / "1-billion-word-language-modeling-benchmark-r13output"
        training = "training-monolingual.tokenized.shuffled"
        heldout = "heldout-monolingual.tokenized.shuffled"
        write(root, f"{training}/news.en-00002-of-00100", "train two\n")
        write(root, f"{training}/news.en-00001-of-00100", "train one\n")
        write(root, f"{heldout}/news.en.heldout-00000-of-00050", "held out\n")
        write(root, "README", "about\n")
        corpus = corpora.open(root)
        assert corpus.format == "lm1b"
        assert list(corpus) == [["train", "one"], ["train", "two"]]
        assert list(corpora.open(root, part="heldout")) == [["held", "out"]]
        assert list(corpora.open(root / heldout)) == [["held", "out"]]
        assert len(corpus.shards(2)) == 2
        with tarfile.open(tmp_path / "1-billion-word.tar.gz", "w:gz") as tar:
            for name in (f"{heldout}/a", f"{training}/b"):
                info = tarfile.TarInfo(f"r13output/{name}")
                info.size = 2
                tar.addfile(info, io.BytesIO(b"x\n"))
        archive = corpora.open(tmp_path / "1-billion-word.tar.gz")
        assert list(archive) == [["x"]]

    def test_folder_of_another_format(self, tmp_path: Path) -> None:
        write(tmp_path, "a.txt", "a\n")
        with pytest.raises(
            FileNotFoundError, match="none of the 1 files can be read by BillionWords"
        ):
            corpora.open(tmp_path, "lm1b")


class TestRegister:
    def test_example_in_the_documentation(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = Path(__file__).parents[2] / "docs" / "how-to" / "adding-a-reader.md"
        code = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(), re.S))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setitem(sys.modules, "play", type(sys)("play"))
        with mock.patch.dict(READERS):
            space: dict[str, Any] = {"__name__": "play"}
            exec(compile(code, str(page), "exec"), space)
            assert space["corpus"].format == "play"
            write(tmp_path, "bad.play", "HAMLET: Words\nwords\n")
            with pytest.raises(CorpusError, match=r"bad\.play, line 2: expected .* got 'words'"):
                list(corpora.open("bad.play"))
        with pytest.raises(ValueError, match="unknown format 'play'"):
            corpora.open("bad.play", "play")

    def test_a_format_is_recognized_by_patterns_or_methods(self, tmp_path: Path) -> None:
        @dataclass(frozen=True)
        class Lines(corpora.Reader):
            def read(self, file: corpora.TextFile) -> Iterator[str]:
                return file.lines()

        class Signature(Lines):
            name = "signature"
            signature = re.compile(rb"%SIG")
            path_pattern = re.compile(r"special[^/]*$")
            folder_pattern = re.compile(r"/marker$")

        class Methods(Lines):
            name = "methods"

            @classmethod
            def sniff(cls, head: bytes) -> bool:
                return head.startswith(b"%METHOD")

            @classmethod
            def sniff_paths(cls, paths: Sequence[str]) -> bool:
                return len(paths) == 2 and paths[1].endswith("second")

        write(tmp_path, "a/one", "%SIG\n")
        write(tmp_path, "a/special.txt", "x\n")
        write(tmp_path, "a/three", "%METHOD\n")
        write(tmp_path, "b/marker", "x\n")
        write(tmp_path, "b/x", "x\n")
        write(tmp_path, "c/first", "x\n")
        write(tmp_path, "c/second", "x\n")
        with mock.patch.dict(READERS):
            corpora.register_reader(Signature)
            corpora.register_reader(Methods)
            paths = ("a/one", "a/special.txt", "a/three", "b/x", "a", "b", "c")
            formats = [corpora.open(tmp_path / path).format for path in paths]
        assert formats == [
            "signature", "signature", "methods", "text", "mixed", "signature", "methods",
        ]  # fmt: skip

    def test_invalid_reader(self) -> None:
        with pytest.raises(TypeError, match="a dataclass that extends"):
            corpora.register_reader(dict)  # type: ignore[type-var]


def test_text_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbfone\r\n\n \t\ntwo\x0bthree\n"))
    assert list(text_lines(path)) == [(1, "one"), (4, "two\x0bthree")]
    path.write_bytes(gzip.compress(b"one\n\ntwo\xff\n"))
    with pytest.raises(CorpusError, match=r"a\.tsv\.gz, line 3: not valid UTF-8") as caught:
        list(text_lines(path))
    assert caught.value.line == 3
    with pytest.raises(KeyError, match=r"a\.tsv\.gz, line 3: not valid UTF-8"):
        list(text_lines(str(path), error=KeyError))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(KeyError, match=r"a\.tsv\.gz: the compressed file is damaged"):
        list(text_lines(path, error=KeyError))
    with pytest.raises(FileNotFoundError, match=r"a\.tsv\.gz"):
        list(text_lines(tmp_path / "a.tsv"))
