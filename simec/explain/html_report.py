"""Explanations as self-contained HTML pages, without scripts, other files or network access."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from corpora.deprecated import renamed_parameters
from corpora.files import check_output
from corpora.output import open_output
from simec.explain.explanation import Explanation, Piece, SimilarityExplanation
from simec.explain.plotting import LEGIBLE, colors, shades, sum_channels

Part = Explanation | SimilarityExplanation | Sequence[Piece] | str

_PAGE_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62em; margin: 2em auto;
  padding: 0 1em; }
h1 { font-size: 1.4em; }
"""
# a notebook has styles of its own, which are more specific than names of elements
_STYLE = """
.why h2 { font-size: 1.1em; margin: 1.6em 0 .4em; }
.why .pair { display: flex; flex-wrap: wrap; gap: 2em; } .why .pair > div { flex: 1 1 24em; }
.why table { border-spacing: 0 3px; border-collapse: separate; width: 100%; table-layout: auto; }
.why tr { background: none; } .why td { padding: 0 .5em; text-align: left; }
.why td.name { text-align: right; width: 40%; }
.why .number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.why td.number { width: 5em; text-align: right; }
.why .bar { display: block; height: 1em; }
.why .left { float: right; } .why td.half { width: 25%; padding: 0; }
.why img { display: inline; width: 168px; image-rendering: pixelated; border: 1px solid #ccc;
  margin-right: .6em; }
.why p.text { white-space: pre-wrap; } .why p.text span { border-radius: 3px; }
.why .note { color: #666; }
"""


@renamed_parameters(n="topn")
def page(parts: Sequence[Part], *, title: str = "Explanations", topn: int = 15) -> str:
    """Make an HTML page of explanations.

    Parameters
    ----------
    parts : sequence
        Explanations, texts as pieces (see `Explanation.words`), and headings (str), in order.
    title : str
    topn : int
        Maximum number of bars per explanation.

    Returns
    -------
    str
    """
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>{_PAGE_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{fragment(parts, topn=topn)}\n</body>\n</html>\n"
    )


def fragment(parts: Sequence[Part], *, topn: int = 15) -> str:
    """Make a part of an HTML page, with its style: what notebooks show of an explanation.

    Parameters
    ----------
    parts, topn
        As for `page`.

    Returns
    -------
    str
    """
    body = "\n".join(_part(part, topn) for part in parts)
    return (
        f'<style>{_STYLE}</style>\n<div class="why">\n{body}\n'
        '<p class="note">Red raises the value, blue lowers it.</p>\n</div>'
    )


@renamed_parameters(n="topn")
def write_page(
    path: Any, parts: Sequence[Part], *, title: str = "Explanations", topn: int = 15
) -> None:
    """Write an HTML page of explanations to a file, completely or not at all.

    Parameters
    ----------
    path : str or path
    parts, title, topn
        As for `page`.

    Raises
    ------
    OSError
        If the file cannot be written; an existing file is left unchanged.
    """
    check_output(path)
    text = page(parts, title=title, topn=topn)
    with open_output(path) as write:
        write(text)


def _part(part: Part, topn: int) -> str:
    if isinstance(part, str):
        return f"<h2>{escape(part)}</h2>"
    if isinstance(part, SimilarityExplanation):
        both = "".join(f"<div>{_explanation(one, topn)}</div>" for one in (part.first, part.second))
        return f'<div class="pair">{both}</div>'
    if isinstance(part, Explanation):
        return f"<div>{_explanation(part, topn)}</div>"
    return _text(part)


def _explanation(explanation: Explanation, topn: int) -> str:
    head = f"<h2>{escape(explanation.title)}</h2>" if explanation.title else ""
    note = f"value {_number(explanation.value, 4)}"
    if np.isfinite(explanation.bias):
        note += f", of which {_number(explanation.bias, 4)} is not attributed to features"
    chart = _images(explanation) if explanation.is_image else _bars(explanation, topn)
    return f'{head}{chart}<p class="note">{note}</p>'


def _bars(explanation: Explanation, topn: int) -> str:
    features = explanation.top(topn)
    largest = max((abs(value) for _, value in features), default=1.0)
    rows = []
    for name, value in features:
        bar = (
            f'<span class="bar {"left" if value < 0 else ""}" style="width: '
            f'{100 * abs(value) / largest:.1f}%; background: {_css(np.sign(value), 1)}"></span>'
        )
        low, high = (bar, "") if value < 0 else ("", bar)
        rows.append(
            f'<tr><td class="name">{escape(name)}</td><td class="half">{low}</td>'
            f'<td class="half">{high}</td><td class="number">{value:.3g}</td></tr>'
        )
    return f"<table>{''.join(rows)}</table>"


def _number(value: float, digits: int) -> str:
    """A number that is not broken into two lines, such as after the sign of an exponent."""
    return f'<span class="number">{value:.{digits}g}</span>'


def _images(explanation: Explanation) -> str:
    pixels = shades(explanation.x)
    pictures = (
        ("features", 255 - pixels if explanation.x.ndim == 2 else pixels),
        ("relevance", colors(sum_channels(explanation.relevances))),
    )
    return "".join(f'<img alt="{name}" src="{_png(pixels)}">' for name, pixels in pictures)


def _text(pieces: Sequence[Piece]) -> str:
    largest = LEGIBLE * max((abs(piece.relevance) for piece in pieces), default=0.0)
    parts = [
        f'<span style="background: {_css(relevance, largest)}" title="{relevance:.3g}">'
        f"{escape(text)}</span>"
        if relevance
        else escape(text)
        for text, relevance in pieces
    ]
    return f'<p class="text">{"".join(parts)}</p>'


def _css(value: float, largest: float) -> str:
    return "rgb({}, {}, {})".format(*colors([value], largest)[0].tolist())


def _png(pixels: Any) -> str:
    """Encode an image of shape (h, w) or (h, w, 3) as a data URI."""
    pixels = np.ascontiguousarray(pixels, np.uint8)
    height, width = pixels.shape[:2]

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    # each row starts with its filter type; 0 means no filter
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    data = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )  # fmt: skip
    return "data:image/png;base64," + base64.b64encode(data).decode()
