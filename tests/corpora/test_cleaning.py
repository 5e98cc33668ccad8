"""Cleaning steps and pipelines."""

from __future__ import annotations

import functools
import pickle
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

import corpora
from corpora.cleaning import STEPS, Pipeline, digits


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
