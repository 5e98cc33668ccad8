"""Cleaning steps, functions from text to text, and pipelines of them."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from html.parser import HTMLParser
from typing import Literal

from corpora.checks import shown

__all__ = ["STEPS", "Pipeline", "Step", "ascii_fold", "digits", "html", "unicode", "wikifil"]

Step = Callable[[str], str]
Form = Literal["nfc", "nfd", "nfkc", "nfkd"]

# Punctuation, and letters that Unicode does not decompose into a letter and an accent.
_FOLDED = str.maketrans(
    {
        "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O",
        "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th",
        "ħ": "h", "Ħ": "H", "ı": "i", "ŋ": "ng", "Ŋ": "NG", "‘": "'", "’": "'", "‚": "'",
        "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "–": "-", "—": "-", "−": "-",
    }
)  # fmt: skip

_DIGIT = re.compile(r"\d")

# Tags that do not separate words.
_INLINE = frozenset(
    re.findall(
        r"\w+",
        "a abbr b bdi bdo big cite code dfn em font i ins kbd mark q s samp small span strike "
        "strong sub sup tt u var wbr",
    )
)
_HIDDEN = frozenset({"script", "style"})


def lower(text: str) -> str:
    """Convert to lower case."""
    return text.lower()


def unicode(text: str, form: Form = "nfc") -> str:
    """Convert to a Unicode normal form, so that equivalent texts have equal characters.

    Parameters
    ----------
    text : str
        The text.
    form : {"nfc", "nfd", "nfkc", "nfkd"}, default "nfc"
        The "k" forms also replace compatibility characters: ligatures, full-width letters,
        no-break spaces.
    """
    return unicodedata.normalize(form.upper(), text)  # type: ignore[arg-type]


def ascii_fold(text: str) -> str:
    """Replace accented and special letters by ASCII letters; drop other non-ASCII characters."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKD", text.translate(_FOLDED))
    return text.encode("ascii", "ignore").decode("ascii")


def digits(text: str, to: str = "1") -> str:
    """Replace all digits by the same one, so that numbers of equal length become equal.

    Parameters
    ----------
    text : str
        The text.
    to : str, default "1"
        Replacement for each digit.
    """
    return _DIGIT.sub(to, text)


class _Stripper(HTMLParser):
    """Collects the visible text of HTML."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._hidden = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        if tag in _HIDDEN:
            self._hidden = tag
        if tag not in _INLINE:
            self.pieces.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._hidden:
            self._hidden = ""
        if tag not in _INLINE:
            self.pieces.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(data)


def html(text: str) -> str:
    """Remove tags, comments, scripts and styles; unescape entities.

    Tags other than inline tags (``<b>``, ``<a>``, ...) separate words and are replaced by a
    space.
    """
    if "<" not in text and "&" not in text:
        return text
    stripper = _Stripper()
    stripper.feed(text)
    stripper.close()
    return "".join(stripper.pieces)


# The rules of wikifil.pl in order, starting with the removal of tags.
_WIKIFIL = [
    (re.compile(pattern, flags), to)
    for pattern, to, flags in (
        (r"&amp;", "&", 0),
        (r"&lt;", "<", 0),
        (r"&gt;", ">", 0),
        (r"<ref[^<]*</ref>", "", 0),
        (r"<[^>]*>", "", 0),
        (r"\[http:[^] ]*", "[", 0),
        (r"\|(?:thumb|left|right|\d+px)", "", re.I | re.A),
        (r"\[\[image:[^\[\]]*\|", "", re.I),
        (r"\[\[category:([^|\]]*)[^\]]*\]\]", r"[[\1]]", re.I),
        (r"\[\[[a-z\-]*:[^\]]*\]\]", "", 0),
        (r"\[\[[^|\]]*\|", "[[", 0),
        (r"\{\{[^}]*\}\}", "", 0),
        (r"\{[^}]*\}", "", 0),
        (r"[\[\]]", "", 0),
        (r"&[^;]*;", " ", 0),
    )
]
_SPELLED = {
    ord(digit): f" {word} "
    for digit, word in zip(
        "0123456789",
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
        strict=True,
    )
}
_UPPER = {ord(letter): letter.lower() for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_NOT_LETTERS = re.compile(r"[^a-z]+")


def wikifil(text: str) -> str:
    """Apply the rules of wikifil.pl, with which text8 was made from Wikipedia.

    Removes markup, converts to lower case, spells out digits, and replaces any sequence of
    characters other than a to z by a space. Accented letters are dropped as well; put "ascii"
    before this step to keep them as ASCII letters.
    """
    for pattern, to in _WIKIFIL:
        text = pattern.sub(to, text)
    text = text.translate(_UPPER).translate(_SPELLED)
    return _NOT_LETTERS.sub(" ", text).strip()


STEPS: dict[str, Step] = {
    "lower": lower,
    "unicode": unicode,
    "nfc": functools.partial(unicode, form="nfc"),
    "nfd": functools.partial(unicode, form="nfd"),
    "nfkc": functools.partial(unicode, form="nfkc"),
    "nfkd": functools.partial(unicode, form="nfkd"),
    "ascii": ascii_fold,
    "digits": digits,
    "html": html,
    "wikifil": wikifil,
}
"""Cleaning steps by name; more can be added."""


class Pipeline:
    """A sequence of cleaning steps.

    Parameters
    ----------
    steps : str, callable or sequence of these
        Names from :data:`STEPS`, or functions from text to text, such as
        ``functools.partial(digits, to="#")``.

    Raises
    ------
    ValueError
        If a name is unknown; the message lists all names.
    TypeError
        If a step is neither a name nor callable.

    Examples
    --------
    >>> Pipeline(["html", "nfkc", "lower", "digits"])("<b>Caf&eacute;</b> 24")
    'café 11'
    """

    def __init__(self, steps: str | Step | Sequence[str | Step]) -> None:
        if isinstance(steps, str) or callable(steps) or not isinstance(steps, Iterable):
            steps = [steps]
        self.steps = tuple(steps)
        self._functions = [_function(step) for step in self.steps]

    def __call__(self, text: str) -> str:
        """Clean a text."""
        for function in self._functions:
            text = function(text)
        return text

    def __repr__(self) -> str:
        return f"Pipeline({list(self.steps)!r})"


def _function(step: str | Step) -> Step:
    if isinstance(step, str):
        if step not in STEPS:
            raise ValueError(
                f"unknown cleaning step {step!r}; the steps are: {', '.join(sorted(STEPS))}"
            )
        return STEPS[step]
    if not callable(step):
        raise TypeError(
            f"a cleaning step must be a name or a function from text to text, got {step!r}"
        )
    return functools.partial(_custom, step)


def _custom(step: Step, text: str) -> str:
    result = step(text)
    if not isinstance(result, str):
        raise TypeError(f"the cleaning step {step!r} must return a str, got {shown(result)}")
    return result
