"""Cleaning, splitting and reading take linear time, also for hostile input."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

import corpora
from corpora.cleaning import STEPS
from corpora.tokenizers import TOKENIZERS, split_sentences, tokenizer

UNITS = [
    "[", "]", "[[", "[[[", "<", "<a ", "</a ", "<a/", "<a =", "<a b='", '<a b=">"', "<a\n", "</",
    "<!--", "<!-- --", "<!", "<?", "<![CDATA[", "<![if ]", "<ref", "<script", "<script>",
    "<script></script ", "&", "&#", "&#x", "&a", "&#1", "{{", "{", "{{}", "}", "'", '"', "''", "(",
    "((", ")", "-", "a.", "a-", "x", "X", ".", ". ", " ", "\n", "\t", "\r", "\u00a0", "1", "1,",
    "1.", "1 ", "(1", "+1 ", "1-", "\u0301", "\u0301\u0316", "a\u0301", "\u0f71\u0f72", "\u200c",
    "x\u200c", "\u200d", "\u0939\u094d", "\u0e01\u0e33", "\u4e16", "|", "[[image:", "[[category:",
    "[[category:a]", "[[category:a|", "[[a:", "[[a|", "[http:", "|1", "http://a.", "a@", "@a", "#",
    ":)", "Mr. ", "e.g. ", "?", "\u3002", "\u0130", "\u03a3'", "\x00", "`", "\u201c", "\ud55c",
]  # fmt: skip


def check_linear(name: str, run: Callable[[str], object], size: int) -> None:
    """Compare the time for hostile texts with that for texts of half the size."""
    slow = []
    for unit in UNITS:
        # Fast enough for any size; repeated, as other programs may run at the same time.
        for _ in range(4):
            begin = time.process_time()
            run("a " + unit * (size // len(unit)) + " b")
            whole = time.process_time() - begin
            if whole < 0.02:
                break
            begin = time.process_time()
            run("a " + unit * (size // 2 // len(unit)) + " b")
            half = time.process_time() - begin
            if whole < 3 * half:
                break
        else:
            slow.append((unit, half, whole))
    assert not slow, f"{name} takes more than linear time: {slow}"


@pytest.mark.parametrize("step", STEPS)
def test_cleaning(step: str) -> None:
    check_linear(step, STEPS[step], 60_000)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_tokenizers(name: str) -> None:
    check_linear(name, tokenizer(name), 60_000 if name in ("whitespace", "regexp") else 4_000)


def test_sentences() -> None:
    check_linear("split_sentences", split_sentences, 8_000)


FORMATS = {
    "text": "{}",
    "text8": "{}",
    "conll": "-DOCSTART- O\n\n{}",
    "jsonl": '{{"text": "a"}}\n{{"text": {}',
    "wikiextractor": '<doc id="1">\n{}\n</doc>\n',
    "reuters": "<!DOCTYPE lewis>\n<REUTERS>\n<TEXT><TITLE>{}</TITLE></TEXT>\n</REUTERS>\n",
}


@pytest.mark.parametrize("format", FORMATS)
def test_readers(format: str, tmp_path: Path) -> None:
    path = tmp_path / "a"

    def read(text: str) -> None:
        path.write_text(FORMATS[format].format(text))
        try:
            for _ in corpora.open(path, format=format, encoding="utf-8"):
                pass
        except corpora.CorpusError:
            pass

    units, UNITS[:] = UNITS[:], [*UNITS, "<TITLE>", "<REUTERS", "<doc ", "a\n", '{"a":', "<A "]
    try:
        check_linear(format, read, 120_000)
    finally:
        UNITS[:] = units
    if format == "reuters":
        begin = time.process_time()
        path.write_text(FORMATS[format].format("<A" * 60_000))
        assert list(corpora.open(path, format=format, part="all")) == []
        assert time.process_time() - begin < 1


def test_text8_without_blanks(tmp_path: Path) -> None:
    path = tmp_path / "text8"
    times = []
    for size in (4 << 20, 16 << 20):
        path.write_bytes(b"x" * size + b" y")
        begin = time.process_time()
        assert list(map(len, *corpora.open(path))) == [size, 1]
        times.append(time.process_time() - begin)
    assert times[1] < 1


def test_longest_word_of_text8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "text8"
    monkeypatch.setattr("corpora.readers.text8._LONGEST_WORD", 1 << 20)
    path.write_bytes(b"ab " + b"x" * (2 << 20))
    with pytest.raises(corpora.CorpusError, match=r"text8: a word has more than 1,048,576 char"):
        list(corpora.open(path))
