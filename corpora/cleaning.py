"""Cleaning steps, functions from text to text, and pipelines of them."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from html import unescape as _unescape
from typing import Literal

from corpora.checks import shown

__all__ = [
    "STEPS",
    "Pipeline",
    "Step",
    "ascii_fold",
    "digits",
    "html",
    "replace_spans",
    "unescape",
    "unicode",
    "wikifil",
]

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
    return _normalize(form, text)


# Sequences of combining marks longer than in any language, see _normalize.
_LONG_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u0711-\u109d\u135d-\u135f\u1714-\u1dff\u20d0-\u20f0\u2cef-\u2cf1\u2d7f\u2de0-\u2dff"
    "\u302a-\u302f\u3099\u309a\ua66f-\ua82c\ua8c4-\uabed\ufb1e\ufe20-\ufe2f\uff9e\uff9f\U000101fd-\U0001e94a]"
    "{64,}"
)


def _normalize(form: Form, text: str) -> str:
    """Convert to a normal form in linear time.

    Python sorts each sequence of combining marks with a quadratic algorithm. Long ones are
    therefore decomposed and sorted first, which leaves the normal forms as they are.
    """
    return unicodedata.normalize(
        form.upper(),  # type: ignore[arg-type]
        text if text.isascii() else _LONG_MARKS.sub(functools.partial(_sorted_marks, form), text),
    )


def _sorted_marks(form: Form, found: re.Match[str]) -> str:
    """Decompose characters; sort each sequence of combining marks among them by their class."""
    decomposition: Literal["NFKD", "NFD"] = "NFKD" if form.startswith("nfk") else "NFD"
    result: list[str] = []
    marks: list[str] = []
    for character in found[0]:
        for part in unicodedata.normalize(decomposition, character):
            if unicodedata.combining(part):
                marks.append(part)
            else:
                result += [*sorted(marks, key=unicodedata.combining), part]
                marks.clear()
    return "".join([*result, *sorted(marks, key=unicodedata.combining)])


def ascii_fold(text: str) -> str:
    """Replace accented and special letters by ASCII letters; drop other non-ASCII characters."""
    if text.isascii():
        return text
    text = _normalize("nfkd", text.translate(_FOLDED))
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


def replace_spans(
    text: str,
    opening: re.Pattern[str],
    stop: re.Pattern[str],
    closing: str,
    to: str | Callable[[str], str] = "",
) -> str:
    """Replace the spans from an opening to a closing string, in linear time.

    The result is that of the regular expression ``opening[^stop]*closing``, which would scan the
    rest of the text again for each opening that is not closed.

    Parameters
    ----------
    text : str
        The text.
    opening : pattern
        Matches the beginning of a span.
    stop : pattern
        Matches the character at which a span ends; it is replaced only if `closing` begins there.
    closing : str
        The end of a span.
    to : str or callable, default ""
        Replacement, or a function that computes it from the text between opening and closing.
    """
    pieces = []
    done = position = 0
    end = -1  # of the current span; openings before the same stop share one search
    while match := opening.search(text, position):
        start = match.end()
        if end < start:
            found = stop.search(text, start)
            if found is None:
                break
            end = found.start()
        if text.startswith(closing, end):
            pieces.append(text[done : match.start()])
            pieces.append(to if isinstance(to, str) else to(text[start:end]))
            done = position = end + len(closing)
        else:
            position = match.start() + 1
    return "".join([*pieces, text[done:]])


_LONG_REFERENCE = re.compile(r"&#0*[1-9][0-9]{7,};?")
_ZEROS = re.compile(r"&#0+(?=[0-9])")


def unescape(text: str) -> str:
    """Replace the character references of HTML, such as ``&eacute;`` and ``&#233;``."""
    if "&" not in text:
        return text
    try:
        return _unescape(text)
    except ValueError:  # Python limits the digits of an integer; there are no such characters
        return _unescape(_ZEROS.sub("&#", _LONG_REFERENCE.sub("\ufffd", text)))


_OPENING = re.compile(r"<[a-zA-Z/!?]")
_TAG_NAME = re.compile(r"[a-zA-Z][^\t\n\r\f />\x00]*")
_QUOTE_OR_END = re.compile(r"=\s*([\"'])|>")
_COMMENT_END = re.compile(r"--\s*>")
_SECTION = re.compile(r"<!\[\s*(?:(temp|cdata|ignore|include|rcdata)|if|else|endif)\b", re.I)
_SECTION_END = re.compile(r"\]\s*\]\s*>")
_CONDITION_END = re.compile(r"\]\s*>")
_HIDDEN_END = {
    name: re.compile(rf"</\s*{name}(?=[\s/>])[^<>]*>", re.I) for name in ("script", "style")
}


class _Html:
    """One pass over HTML. The end of markup that is not closed is searched for only once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._unclosed: set[re.Pattern[str]] = set()

    def visible(self) -> str:
        """Return the visible text."""
        text = self.text
        pieces = []
        last = max(text.rfind(">"), 0)
        done = position = 0
        while found := _OPENING.search(text, position, last):
            start = found.start()
            position, replacement = self._markup(start)
            if position > start + 1:
                pieces += [unescape(text[done:start]), replacement]
                done = position
        return "".join([*pieces, unescape(text[done:])])

    def _markup(self, start: int) -> tuple[int, str]:
        """Return the end of the markup at an opening before the last ``>``, and its replacement.

        For a ``<`` that is text, the end is the next character.
        """
        text = self.text
        after = text[start + 1 : start + 2]
        if after.isascii() and after.isalpha():
            return self._start_tag(start)
        end = 0
        if text.startswith(("<!-->", "<!--->"), start) or after in ("/", "?"):
            end = text.find(">", start) + 1
        elif text.startswith("<!--", start):
            end = self._search(_COMMENT_END, start + 4)
        elif section := _SECTION.match(text, start):
            end = self._search(_SECTION_END if section[1] else _CONDITION_END, section.end())
        elif after == "!":
            end = text.find(">", start) + 1
        if not end:
            return start + 1, ""
        tag = _TAG_NAME.match(text, start + 2, end) if after == "/" else None
        return end, " " if tag and tag[0].lower() not in _INLINE else ""

    def _start_tag(self, start: int) -> tuple[int, str]:
        end = self._tag_end(start)
        tag = _TAG_NAME.match(self.text, start + 1, end)
        name = tag[0].lower() if tag else ""
        spaces = "" if name in _INLINE else " "
        if self.text.endswith("/>", start, end):  # a start tag and an end tag
            return end, spaces * 2
        if name in _HIDDEN_END:
            return self._search(_HIDDEN_END[name], end) or len(self.text), spaces * 2
        return end, spaces

    def _tag_end(self, start: int) -> int:
        """Find the ``>`` of a start tag outside of quoted values."""
        position = start
        while _QUOTE_OR_END not in self._unclosed:
            found = _QUOTE_OR_END.search(self.text, position)
            if found and not found[1]:
                return found.end()
            position = self.text.find(found[1], found.end()) + 1 if found else 0
            if not position:
                self._unclosed.add(_QUOTE_OR_END)
        # A quote is not closed: from here on, tags end at the next > whatever the quotes.
        return self.text.find(">", start) + 1

    def _search(self, pattern: re.Pattern[str], start: int) -> int:
        """Return the end of the next match, or 0 without a match."""
        found = None if pattern in self._unclosed else pattern.search(self.text, start)
        if found is None:
            self._unclosed.add(pattern)
        return found.end() if found else 0


def html(text: str) -> str:
    """Remove tags, comments, scripts and styles; unescape entities.

    Tags other than inline tags (``<b>``, ``<a>``, ...) separate words and are replaced by a
    space.
    """
    return _Html(text).visible() if "<" in text else unescape(text)


def _rule(pattern: str, to: str, flags: int = 0) -> Step:
    return functools.partial(re.compile(pattern, flags).sub, to)


def _spans(
    opening: str, stop: str, closing: str, to: str | Callable[[str], str], flags: int = 0
) -> Step:
    return functools.partial(
        replace_spans,
        opening=re.compile(opening, flags),
        stop=re.compile(stop),
        closing=closing,
        to=to,
    )


# The rules of wikifil.pl in order, starting with the removal of tags.
_WIKIFIL = [
    _rule("&amp;", "&"),
    _rule("&lt;", "<"),
    _rule("&gt;", ">"),
    _rule("<ref[^<]*</ref>", ""),
    _spans("<", ">", ">", ""),
    _rule(r"\[http:[^] ]*", "["),
    _rule(r"\|(?:thumb|left|right|\d+px)", "", re.I | re.A),
    _rule(r"\[\[image:[^\[\]]*\|", "", re.I),
    _spans(r"\[\[category:", r"\]", "]]", lambda name: f"[[{name.partition('|')[0]}]]", flags=re.I),
    _spans(r"\[\[[a-z\-]*:", r"\]", "]]", ""),
    _spans(r"\[\[", r"[|\]]", "|", "[["),
    _spans(r"\{\{", r"\}", "}}", ""),
    _spans(r"\{", r"\}", "}", ""),
    _rule(r"[\[\]]", ""),
    _spans("&", ";", ";", " "),
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
    for rule in _WIKIFIL:
        text = rule(text)
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
