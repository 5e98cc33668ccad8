"""Cleaning steps and pipelines."""

from __future__ import annotations

import functools
import pickle
import re
import sys
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import corpora
from corpora.cleaning import _LONG_MARKS, STEPS, Pipeline, digits


@pytest.mark.parametrize(
    ("steps", "text", "cleaned"),
    [
        ("lower", "Straße ÉTÉ", "straße été"),
        ("unicode", "e\u0301ﬁ", "éﬁ"),
        ("nfc", "e\u0301", "é"),
        ("nfd", "é", "e\u0301"),
        ("nfkc", "ﬁ①\u00a0ｘ", "fi1 x"),
        ("nfkd", "éﬁ", "e\u0301fi"),
        ("ascii", "Łódź – “naïve” Straße, Ærø 漢!", 'Lodz - "naive" Strasse, AEro !'),
        ("digits", "In 1987, ٣ of 20", "In 1111, 1 of 11"),
        ("html", "a<br>b <b>bo</b>ld &lt;&eacute;&#33;", "a b bold <é!"),
        ("html", "x<script>if (a<b) {}</script>y<style>p{}</style>z", "x  y  z"),
        ("html", "<p>one</p><!-- no --><p>two</p> 3 < 4 & 5", " one  two  3 < 4 & 5"),
        ("html", "plain", "plain"),
        (["html", "nfkc", "lower", "digits"], "<b>Caf&eacute;</b> 24", "café 11"),
        ([], "As Is", "As Is"),
    ],
)
def test_steps(steps: str | list[str], text: str, cleaned: str) -> None:
    assert Pipeline(steps)(text) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Born in 1905!", "born in one nine zero five"),
        ("naïve U.S.-led", "na ve u s led"),
        ("[[Ayn Rand|Rand]] and [[Russia]]n", "rand and russian"),
        ("[[Image:x.png|thumb|200px|A caption]]", "a caption"),
        ("[[Category:Novels|A]] [[de:Roman]]", "novels"),
        ("{{infobox}} {| table |} text", "text"),
        ("see [http://x.org/a?b the site]", "see the site"),
        ("a<ref name=x>cited</ref> b &amp;nbsp; c &quot;d", "a b c d"),
        ("", ""),
    ],
)
def test_wikifil(text: str, cleaned: str) -> None:
    assert STEPS["wikifil"](text) == cleaned


@given(st.text())
def test_wikifil_leaves_letters_and_single_spaces(text: str) -> None:
    cleaned = STEPS["wikifil"](text)
    assert cleaned == " ".join(cleaned.split(" ")).strip()
    assert "  " not in cleaned
    assert set(cleaned) <= set("abcdefghijklmnopqrstuvwxyz ")


@given(st.text(st.sampled_from("abc XYZ09-.,'é\n")))
def test_wikifil_on_text_without_markup_is_the_rule_for_characters(text: str) -> None:
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    expected = ""
    for character in text:
        if "a" <= character.lower() <= "z":
            expected += character.lower()
        elif character in "0123456789":
            expected += f" {names[int(character)]} "
        else:
            expected += " "
    assert STEPS["wikifil"](text).split(" ") == (expected.split() or [""])


@given(st.text())
def test_ascii_is_ascii_and_keeps_it(text: str) -> None:
    folded = STEPS["ascii"](text)
    assert folded.isascii()
    assert STEPS["ascii"](folded) == folded


@given(st.text())
def test_digits_keep_length_and_the_rest(text: str) -> None:
    cleaned = STEPS["digits"](text)
    assert len(cleaned) == len(text)
    for before, after in zip(text, cleaned, strict=True):
        assert after == ("1" if unicodedata.category(before) == "Nd" else before)


class Stripper(HTMLParser):
    """Oracle of "html" for complete markup: the parser of Python's library."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.hidden = ""
        self.inline = {"a", "b", "i", "span"}

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.hidden = tag if tag in ("script", "style") else self.hidden
        self.pieces += [] if tag in self.inline else [" "]

    def handle_endtag(self, tag: str) -> None:
        self.hidden = "" if tag == self.hidden else self.hidden
        self.pieces += [] if tag in self.inline else [" "]

    def handle_data(self, data: str) -> None:
        self.pieces += [] if self.hidden else [data]


MARKUP = [
    "<p>", "</p>", "<b>", "</B>", "<a href='x>y'>", '<a href="x>y" c = d>', "</a >", "<br/>",
    "<br />",
    "<script>if (a<b) {}</script>", "<style type='x'>p {}</style>", "<!-- c > -- d -->",
    "<!DOCTYPE html>", "<?xml v?>", "&amp;", "&eacute;", "&#233;", "&lt;", "&copy", "&#x41;",
    "text", " ", "\n", "a < b", "1 > 0", "x&y", "<SPAN Class=\"a\">", "</span>", "<div\nid=1>",
    "</DIV >",
    "<![CDATA[ x ]]>", "<![if !IE]>", "<![endif]>", "</>", "'", '"', "<td nowrap>",
    "<custom-tag x>", "<a/b>", "<i title=''>",
]  # fmt: skip


@given(st.lists(st.sampled_from(MARKUP), max_size=25).map("".join))
@settings(max_examples=200)
def test_html_is_what_the_parser_of_the_library_finds(text: str) -> None:
    stripper = Stripper()
    stripper.feed(text)
    stripper.close()
    assert STEPS["html"](text) == "".join(stripper.pieces)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("<![foo[ a > b", " b"),
        ("if a <b then c", "if a <b then c"),
        ('a <b title="x> c <i>d</i>', "a  c d"),
        ("a <!-- b <i>c</i>", "a <!-- b c"),
        ("a <script>b", "a   "),
        ("<!--> a <!---> b", " a  b"),
        ("&#" + "9" * 5000 + "; &#" + "0" * 5000 + "65;", "\ufffd A"),
        ("&#55296;", "\ufffd"),
    ],
)
def test_html_of_incomplete_markup(text: str, cleaned: str) -> None:
    assert STEPS["html"](text) == cleaned


# The rules of wikifil.pl, as in the original
RULES = [
    (r"&amp;", "&", 0), (r"&lt;", "<", 0), (r"&gt;", ">", 0), (r"<ref[^<]*</ref>", "", 0),
    (r"<[^>]*>", "", 0), (r"\[http:[^] ]*", "[", 0),
    (r"\|(?:thumb|left|right|\d+px)", "", re.I | re.A), (r"\[\[image:[^\[\]]*\|", "", re.I),
    (r"\[\[category:([^|\]]*)[^\]]*\]\]", r"[[\1]]", re.I), (r"\[\[[a-z\-]*:[^\]]*\]\]", "", 0),
    (r"\[\[[^|\]]*\|", "[[", 0), (r"\{\{[^}]*\}\}", "", 0), (r"\{[^}]*\}", "", 0),
    (r"[\[\]]", "", 0), (r"&[^;]*;", " ", 0),
]  # fmt: skip
WIKI = [
    "[[", "]]", "[", "]", "|", "{{", "}}", "{", "}", "<ref", "</ref>", "<ref name=x/>", "<", ">",
    "&amp;", "&lt;", "&gt;", "&", ";", "image:", "category:", "Category:", "en:", "a-b:", "http:",
    "http://x", "thumb", " ", "\n", "word", "é", ":", "Image:",
]  # fmt: skip


@given(st.lists(st.sampled_from(WIKI), max_size=25).map("".join))
@settings(max_examples=300)
def test_wikifil_applies_its_rules(text: str) -> None:
    expected = text
    for pattern, to, flags in RULES:
        expected = re.sub(pattern, to, expected, flags=flags)
    expected = re.sub("[^a-z]+", " ", re.sub("[A-Z]", lambda m: m[0].lower(), expected)).strip()
    assert STEPS["wikifil"](text) == expected


MARKS = [
    "a", "e", "\u0301", "\u0316", "\u0f73", "\u0344", "\u0327", "\u05b0", "\u05bc", "\u0e38",
    "\u3099", "\u304b", "\u0323", "\uac00", "\u1161", "\ufb01", "\u093c", "\u0915", "\u0958",
    "\uff9e",
]  # fmt: skip


@given(st.lists(st.sampled_from(MARKS * 3 + MARKS[2:12] * 20), min_size=60, max_size=400))
@settings(max_examples=50)
def test_normal_forms_of_many_marks(letters: list[str]) -> None:
    text = "".join(letters)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert STEPS[form.lower()](text) == unicodedata.normalize(form, text)  # type: ignore[arg-type]


def test_all_combining_marks_are_sorted() -> None:
    for number in {*range(sys.maxunicode + 1)} - {*range(0xD800, 0xE000)}:
        decomposed = unicodedata.normalize("NFKD", chr(number))
        if all(map(unicodedata.combining, decomposed)):
            assert _LONG_MARKS.fullmatch(chr(number) * 64), hex(number)


def test_custom_steps_and_parameters() -> None:
    pipeline = Pipeline(["lower", functools.partial(digits, to="#"), str.strip])
    assert pipeline(" A1 ") == "a#"
    assert pickle.loads(pickle.dumps(pipeline))(" B22 ") == "b##"
    assert repr(Pipeline(["html", "lower"])) == "Pipeline(['html', 'lower'])"
    assert Pipeline(Pipeline("lower"))("A") == "a"


def test_wrong_steps() -> None:
    with pytest.raises(
        ValueError, match="unknown .* step 'lowercase'; the steps are: ascii, digits"
    ):
        Pipeline(["lowercase"])
    with pytest.raises(TypeError, match="a cleaning step must be a name or a function"):
        Pipeline([7])  # type: ignore[list-item]


def test_cleaning_precedes_tokenizing() -> None:
    corpus = corpora.open(["A<br>B", "<p></p>"], clean=["html", "lower"])
    assert list(corpus) == [["a", "b"]]
    assert list(corpus.texts()) == ["A<br>B", "<p></p>"]
