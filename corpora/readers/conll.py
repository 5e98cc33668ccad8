"""One token per line, in columns, as in the CoNLL shared tasks and in CoNLL-U."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import ClassVar, Literal, NamedTuple

from corpora.checks import shown
from corpora.readers.base import Document, Reader, TaggedDocument, TextFile

BREAK = ""
"""Token between two sentences of a document. It takes up a position but is not a word."""

# Marks of documents: CoNLL-2003, OntoNotes and CoNLL-2012, CoNLL-U.
_DOCUMENT = re.compile(
    r"[ \t]*(?:-DOCSTART-(?![^ \t])|#[ \t]*(?:(?:begin|end)[ \t]+document|newdoc)\b)"
)
_KEY = re.compile(r"#[ \t]*[\w.:-]+[ \t]*=")  # "# sent_id = 1", "#Text=..."
_TAG = re.compile(r"[BIESLUMW]-[^\W\d]\S*")
_TOKEN_ID = re.compile(r"[0-9]+(?:[-.][0-9]+)?")
_SPAN = re.compile(r"[0-9]+-[0-9]+(?:\.[0-9]+)?")
_BLANKS = re.compile(r"[ \t]+")

_HEAD_LINES, _HEAD_SIZE = 1000, 1 << 20  # lines and characters that determine the layout
_GUESS_BYTES = 1 << 14  # of a file, to guess its format; longer heads have very long lines

COLUMN_NAMES = (
    "id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc",
)  # fmt: skip
"""Columns of CoNLL-U."""


def with_breaks(sentences: Iterable[Sequence[str]]) -> list[str]:
    """Concatenate sentences, with a :data:`BREAK` between two of them.

    Raises
    ------
    TypeError
        If a sentence is not an iterable of tokens.
    """
    tokens: list[str] = []
    for number, sentence in enumerate(sentences):
        if isinstance(sentence, (str, bytes)) or not isinstance(sentence, Iterable):
            # the letters of a string are not its tokens
            raise TypeError(
                f"sentence {number} must be a list of str, got {shown(sentence)}. Split texts into "
                "tokens first"
            )
        tokens += [BREAK, *sentence] if number else sentence
    return tokens


def is_tag(value: str) -> bool:
    """Whether a value is a tag of an entity or chunk: O, or a prefix and a type (B-PER)."""
    return value == "O" or _TAG.fullmatch(value) is not None


class Line(NamedTuple):
    """A line of a file in columns.

    Attributes
    ----------
    number : int
        Counted from 1, as :meth:`TextFile.error` takes it.
    kind : {"word", "other", "blank", "comment", "document"}
        "other": a row that is not a word, such as the range ``2-3`` of a multiword token or an
        empty node ``8.1`` of CoNLL-U. "document": a line that separates documents.
    text : str
        The line as in the file.
    row : tuple of str
        The columns of a word or of another row; otherwise empty.
    """

    number: int
    kind: Literal["word", "other", "blank", "comment", "document"]
    text: str
    row: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    r"""The layout of a file in columns, determined from its first lines.

    Attributes
    ----------
    separator : {"\t", " "}
        A tab if most rows contain one: then tokens may contain blanks. Otherwise columns are
        separated by blanks, of ASCII only: a no-break space is part of a token.
    width : int
        Number of columns of most rows; 0 if there are no rows.
    word : int
        Column with the words, if it is not selected: the first one, the one after the numbers of
        tokens, or the one after tags.
    id : int or None
        Column with the numbers of tokens in their sentence.
    is_tagged : bool
        Whether the last column has tags such as O or B-PER.
    common : float
        Share of the rows that have this width.
    varying : bool
        Whether sentences have different numbers of columns, at least `width`, as in CoNLL-2012,
        which has a column for each verb of the sentence.
    """

    separator: str = " "
    width: int = 0
    word: int = 0
    id: int | None = None
    is_tagged: bool = False
    common: float = 1.0
    varying: bool = False

    @classmethod
    def of(cls, lines: Sequence[str]) -> Layout:
        """Determine the layout from the first lines of a file."""
        lines = [line for line in lines if not _DOCUMENT.match(line)]
        # A file may have comments, and it may have a word "#".
        texts = [line for line in lines if not line.startswith("#")]
        if not any(map(_is_text, texts)):
            texts = [line for line in lines if not _KEY.match(line)]
        n_tabs = sum("\t" in line.rstrip(" \t\r") for line in texts)
        n_rows = sum(map(_is_text, texts))
        separator = "\t" if n_tabs and 2 * n_tabs >= n_rows else " "
        sentences: list[list[tuple[str, ...]]] = [[]]
        for line in texts:
            if _is_text(line):
                sentences[-1].append(split_row(line, separator))
            elif sentences[-1]:
                sentences.append([])
        widths = Counter(len(row) for sentence in sentences for row in sentence)
        if not widths:
            return cls(separator)
        [(width, n_common)] = widths.most_common(1)
        least = _least_width(sentences)
        if least:
            width, n_common = least, widths.total()
            sentences = [[row[:width] for row in sentence] for sentence in sentences]
        sentences = [[row for row in s if len(row) == width] for s in sentences]
        rows = [*chain(*sentences)]
        id_column = _find_ids([sentence for sentence in sentences if sentence], width)
        word = 0 if id_column is None else id_column + 1
        if id_column is None and _holds_tags([row[0] for row in rows]):
            # the tag comes first, as in the MIT corpora of questions about films and restaurants
            columns = [*zip(*rows, strict=True)]
            word = next((i for i in range(width) if not _holds_tags(columns[i])), 0)
        if width > 2 and all(_SPAN.fullmatch(value) for row in rows for value in row[:2]):
            word = 2  # after the numbers of sentence and token, and the offsets (WebAnno TSV)
        return cls(
            separator,
            width,
            word,
            id_column,
            width > 1 and sum(is_tag(row[-1]) for row in rows) > 0.95 * len(rows),
            n_common / widths.total(),
            least > 0,
        )


def _holds_tags(values: Sequence[str]) -> bool:
    """Whether values are tags, not all of them equal; up to 5% may be something else."""
    n_tags = sum(map(is_tag, values))
    return len(values) > 1 and n_tags > 0.95 * len(values) and len({*values}) > 1


def _is_text(line: str) -> bool:
    return bool(line.strip(" \t\r"))


def split_row(line: str, separator: str) -> tuple[str, ...]:
    """Split a line into columns."""
    if separator == "\t":
        # Some annotation tools end each row with a tab.
        return tuple(field.strip(" ") for field in line.rstrip(" \t\r").split("\t"))
    return tuple(_BLANKS.split(line.strip(" \t\r")))


def _find_ids(sentences: list[list[tuple[str, ...]]], width: int) -> int | None:
    """Find the column with the numbers of tokens: they count up from 0 or 1 in each sentence.

    Columns before it, such as the name of the document, are constant in each sentence.
    """
    n_rows = sum(map(len, sentences))
    if width < 3 or n_rows < (1 if width == len(COLUMN_NAMES) else 2):
        return None
    counting = [
        sum(_count_ids(s, column) for s in sentences) for column in range(min(4, width - 1))
    ]
    column = counting.index(max(counting))
    several = any(len(sentence) > 1 for sentence in sentences)
    if not several and width != len(COLUMN_NAMES):
        return None
    # A damaged row is reported when it is read.
    return column if counting[column] > 0.5 * n_rows else None


def _least_width(sentences: list[list[tuple[str, ...]]]) -> int:
    """Least number of columns, if sentences have different numbers; otherwise 0.

    Only where document, part and number of the token come before the word. A sentence whose rows
    differ is damaged, which is reported when it is read.
    """
    filled = [sentence for sentence in sentences if sentence]
    uniform = [sentence for sentence in filled if len({len(row) for row in sentence}) == 1]
    widths = {len(sentence[0]) for sentence in uniform}
    if len(widths) < 2 or min(widths) < 4 or len(uniform) < 0.9 * len(filled):
        return 0
    least = min(widths)
    column = _find_ids([[row[:least] for row in sentence] for sentence in uniform], least)
    return least if column in (1, 2) else 0


def _count_ids(sentence: list[tuple[str, ...]], column: int) -> int:
    """Count the rows of a sentence whose value in a column is the next number of a token."""
    n_counting, n_others, number = 0, 0, -1
    before = sentence[0][:column]
    for row in sentence:
        value = row[column]
        if not _TOKEN_ID.fullmatch(value) or row[:column] != before:
            continue
        if not (value.isdigit() and len(value) < 10):  # 2-3, 8.1
            n_others += 1
        elif int(value) == number + 1 or (number < 0 and value == "1"):
            n_counting, number = n_counting + 1, int(value)
    return n_counting + min(n_others, n_counting)


@dataclass(frozen=True)
class Conll(Reader):
    """Columns separated by tabs or blanks, with a blank line between sentences.

    If the rows contain tabs, these separate the columns; otherwise blanks do. All rows have the
    same number of columns. Lines that begin with ``-DOCSTART-``, ``#begin document`` or
    ``# newdoc`` separate documents; a file without such a line is one document. Other comments
    (lines before a sentence that begin with ``#`` and are not rows) are skipped. If tokens are
    numbered, multiword tokens (2-3) and empty nodes (8.1) are not words.

    Parameters
    ----------
    unit : {"document", "sentence"}, default "document"
        The unit that becomes a document.
    column : int, optional
        Column with the words, from 0; negative numbers count from the last column. By default the
        first column, or the first one after the numbers of the tokens.
    breaks : bool, default False
        Insert the token :data:`corpora.BREAK` between the sentences of a document.
    """

    name = "conll"
    suffixes: ClassVar[tuple[str, ...]] = (".conll", ".iob", ".iob2", ".bio")
    # A mark of documents, or anywhere a column with a tag; `confirm` looks at all rows.
    signature = re.compile(
        rb"\s*(?:-DOCSTART-|#[ \t]*begin[ \t]+document\b)"
        rb"|(?s:.*?)[ \t](?:O|[BIESLUMW]-\S+)(?=[ \t\r\n]|\Z)"
    )
    unit: Literal["document", "sentence"] = "document"
    column: int | str | None = None
    breaks: bool = False

    def __post_init__(self) -> None:
        if self.unit not in ("document", "sentence"):
            raise ValueError(f"unit must be 'document' or 'sentence', got {self.unit!r}")
        if self.breaks and self.unit == "sentence":
            raise ValueError("breaks=True needs unit='document', got unit='sentence'")
        self._check_column()

    def _check_column(self) -> None:
        column = self.column
        if column is not None and (isinstance(column, bool) or not isinstance(column, int)):
            raise TypeError(f"column must be an integer, got {column!r}")

    @classmethod
    def confirm(cls, head: bytes) -> bool:
        """Whether a file begins with such a mark, or with rows of equal width with tags."""
        lines = _head_lines(head)
        first = next(filter(_is_text, lines), "")
        marked = _DOCUMENT.match(first) is not None and "newdoc" not in first
        return marked or _has_tags(lines)

    def read(self, file: TextFile) -> Iterator[Document]:  # noqa: D102
        layout, lines = self.scan(file)
        column = self._word_column(layout)
        for document in _documents(lines):
            sentences = [[row[column] for row in sentence] for sentence in document]
            if self.unit == "sentence":
                yield from sentences
            else:
                yield with_breaks(sentences) if self.breaks else [*chain(*sentences)]

    def tagged(self, file: TextFile) -> Iterator[TaggedDocument]:  # noqa: D102
        return _documents(self.scan(file)[1])

    def word_first(self, file: TextFile) -> Iterator[TaggedDocument]:  # noqa: D102
        layout, lines = self.scan(file)
        order = self._order(layout)
        documents = _documents(lines)
        if order == [*range(layout.width)]:
            return documents
        return (
            [[tuple(row[i] for i in order) for row in sentence] for sentence in document]
            for document in documents
        )

    def scan(self, file: TextFile) -> tuple[Layout, Iterator[Line]]:
        """Determine the layout of a file, and yield all its lines with their kinds.

        Raises
        ------
        CorpusError
            If a row has more or fewer columns than the others, or an empty one.
        """
        numbered = file.numbered_lines()
        head: list[tuple[int, str]] = []
        size = 0
        for item in islice(numbered, _HEAD_LINES):
            head.append(item)
            size += len(item[1])
            if size > _HEAD_SIZE:
                break
        layout = self._layout(file, head)
        return layout, self._lines(file, layout, chain(head, numbered))

    def _layout(self, file: TextFile, head: Sequence[tuple[int, str]]) -> Layout:
        layout = Layout.of([line for _, line in head])
        column, width = self.column, layout.width
        if width == 1:
            _require_columns(file, head)
        if width and isinstance(column, int) and not -width <= column < width:
            number = next(n for n, line in head if _is_row(line))
            raise file.error(
                f"there is no column {column}: the line has {width} columns, counted from 0",
                number,
            )
        return layout

    def _word_column(self, layout: Layout) -> int:
        if not isinstance(self.column, int):
            return layout.word
        return self.column if layout.varying else self.column % max(layout.width, 1)

    def _order(self, layout: Layout) -> list[int]:
        """Order of the columns that puts the word first, and omits the numbers of tokens."""
        word = self._word_column(layout)
        omitted = range(0 if layout.id is None else layout.id + 1)
        return [word, *(i for i in range(layout.width) if i != word and i not in omitted)]

    def _lines(
        self, file: TextFile, layout: Layout, numbered: Iterable[tuple[int, str]]
    ) -> Iterator[Line]:
        separator, width, id_column = layout.separator, layout.width, layout.id
        other = " " if separator == "\t" else "\t"
        at_start = True  # of a sentence
        for number, text in numbered:
            row = tuple(text.split(separator))
            if layout.varying and at_start:
                width = max(len(split_row(text, separator)), layout.width)
            simple = len(row) == width and "" not in row and other not in text
            if not simple or text[0] in "-# \t":
                if not _is_text(text):
                    at_start = True
                    yield Line(number, "blank", text)
                    continue
                if _DOCUMENT.match(text):
                    at_start = True
                    yield Line(number, "document", text)
                    continue
                row = split_row(text, separator)
                if text[0] == "#" and _is_comment(text, row, layout, at_start=at_start):
                    yield Line(number, "comment", text)
                    continue
                if len(row) != width:
                    raise self._wrong_width(file, layout, number, text, width, len(row))
                if "" in row:
                    raise file.error(
                        f"column {row.index('')} (counted from 0) is empty: two tabs in succession",
                        number,
                    )
            at_start = False
            if id_column is None or row[id_column].isdigit():
                yield Line(number, "word", text, row)
            elif _TOKEN_ID.fullmatch(row[id_column]):
                yield Line(number, "other", text, row)
            else:
                raise file.error(
                    f"expected the number of a token in column {id_column} (counted from 0), got "
                    f"{row[id_column]!r}",
                    number,
                )

    def _wrong_width(
        self, file: TextFile, layout: Layout, number: int, text: str, width: int, got: int
    ) -> Exception:
        how = "tabs" if layout.separator == "\t" else "blanks"
        if layout.common < 0.5 and not layout.varying:
            return file.error(
                f"this is not a file in columns: most lines have different numbers of fields "
                f'separated by {how}, this one {got}; read running text with the format "text", '
                "or convert it to a word per line: corpora convert TEXT --tokenize treebank --out "
                "NEW.conll",
                number,
            )
        return file.error(
            f"expected {width} columns separated by {how}, as in "
            f"{'its sentence' if layout.varying else 'most lines'}, got {got}: {text[:60]!r}",
            number,
        )


def _is_row(line: str) -> bool:
    return _is_text(line) and not line.startswith("#") and not _DOCUMENT.match(line)


def _require_columns(file: TextFile, head: Sequence[tuple[int, str]]) -> None:
    """Raise CorpusError if lines without tabs and blanks have fields separated otherwise."""
    rows = [(number, line.strip(" \t\r")) for number, line in head if _is_row(line)]
    if not rows:
        return
    number, first = rows[0]
    if all(line[:1] in "{[" and line[-1:] in "]}" for _, line in rows) and len(first) > 1:
        raise file.error('this is not a file in columns but JSON; use the format "jsonl"', number)
    for separator in ",;|":
        n = sum(separator in line.strip(separator) for _, line in rows)
        if n > 0.5 * len(rows) and n > 1:
            raise file.error(
                f"the columns are separated by {separator!r}, expected tabs or blanks; convert "
                "the file",
                number,
            )


def _is_comment(text: str, row: tuple[str, ...], layout: Layout, *, at_start: bool) -> bool:
    """Whether a line that begins with ``#`` is a comment; otherwise it is a row of a word."""
    if layout.id == 0:
        return True  # rows begin with a number
    if not at_start:
        return False
    if len(row) == layout.width:
        if layout.is_tagged:
            return not is_tag(row[-1])
        return layout.width > 1 and _KEY.match(text) is not None
    if layout.is_tagged and len(row) > 1 and is_tag(row[-1]):
        return False  # a damaged row
    # "#win" is not a comment but a word whose tag is missing.
    return text[1:2] in ("", " ", "\t") or _KEY.match(text) is not None


def _documents(lines: Iterable[Line]) -> Iterator[TaggedDocument]:
    sentences: TaggedDocument = []
    rows: list[tuple[str, ...]] = []
    for _, kind, _, row in lines:
        if kind == "word":
            rows.append(row)
        elif kind in ("blank", "document"):
            if rows:
                sentences.append(rows)
                rows = []
            if kind == "document" and sentences:
                yield sentences
                sentences = []
    if rows:
        sentences.append(rows)
    if sentences:
        yield sentences


@dataclass(frozen=True)
class ConllU(Conll):
    """CoNLL-U, the format of Universal Dependencies: ten columns separated by tabs.

    Words are the syntactic words. Ranges of multiword tokens (2-3), empty nodes (8.1) and
    comments are skipped; ``# newdoc`` starts a document. A file of CoNLL-U Plus names its columns
    in the first line (``# global.columns = ID FORM ...``).

    Parameters
    ----------
    unit : {"document", "sentence"}, default "document"
        The unit that becomes a document.
    column : str or int, default "form"
        Column with the words: its name (form, lemma, upos, xpos, feats, head, deprel, deps, misc)
        or its number from 0.
    breaks : bool, default False
        Insert the token :data:`corpora.BREAK` between the sentences of a document.
    """

    name = "conllu"
    suffixes: ClassVar[tuple[str, ...]] = (".conllu", ".conllup")
    signature = re.compile(
        rb"#[ \t]*global\.columns[ \t]*=|(?s:.*?)(?<![^\n])(?:0\.1|1(?:-[0-9]+)?)(?:\t[^\t\n]+){9}"
    )
    column: int | str | None = "form"
    _global: ClassVar[re.Pattern[str]] = re.compile(r"#[ \t]*global\.columns[ \t]*=(.*)")

    def _check_column(self) -> None:
        if not isinstance(self.column, str):
            super()._check_column()

    @classmethod
    def confirm(cls, head: bytes) -> bool:
        """Whether a file begins with rows as of CoNLL-U, or names its columns."""
        if cls._global.match(head.decode("latin-1")):
            return True
        rows = [split_row(line, "\t") for line in _head_lines(head) if _is_row(line)]
        if not rows or rows[0][0].split("-")[0] not in ("0.1", "1"):
            return False
        return all(map(_is_dependency, rows))

    def _layout(self, file: TextFile, head: Sequence[tuple[int, str]]) -> Layout:
        names: Sequence[str] = COLUMN_NAMES
        match = self._global.match(head[0][1]) if head else None
        if match is not None:
            names = match[1].lower().split()
        if "id" not in names or "form" not in names:
            raise file.error(f"expected the columns ID and FORM, got {' '.join(names)}", 1)
        column = "form" if self.column is None else self.column
        if isinstance(column, str):
            column = names.index(column.lower()) if column.lower() in names else len(names)
        if not -len(names) <= column < len(names):
            raise file.error(
                f"there is no column {self.column!r}: the columns are {', '.join(names)}, counted "
                "from 0"
            )
        return Layout("\t", len(names), column % len(names), names.index("id"))

    def _word_column(self, layout: Layout) -> int:
        return layout.word

    def _order(self, layout: Layout) -> list[int]:
        """Order of the columns: the word, its part of speech, and all others but the number."""
        first = [layout.word]
        if layout.width == len(COLUMN_NAMES) and layout.word != COLUMN_NAMES.index("upos"):
            first.append(COLUMN_NAMES.index("upos"))
        return first + [i for i in range(layout.width) if i not in (*first, layout.id)]


def _is_dependency(row: tuple[str, ...]) -> bool:
    if len(row) != len(COLUMN_NAMES) or not _TOKEN_ID.fullmatch(row[0]):
        return False
    head, relation = row[6:8]
    return (head == "_" or head.isdigit()) and not relation[:1].isdigit() and "" not in row


def _head_lines(head: bytes) -> list[str]:
    """Split the beginning of a file into lines, without a last line that may be incomplete."""
    lines = head.decode("utf-8", "replace").removeprefix("\ufeff").split("\n")
    return lines[:-1] if len(lines) > 20 or len(head) >= _GUESS_BYTES // 2 else lines


def _has_tags(lines: list[str]) -> bool:
    """Whether lines are rows with tags: with the same number of columns, one of them of tags.

    It is False if a single line is not such a row, as in running text or in a table.
    """
    widths = {len(line.split()) for line in lines[:50] if _is_row(line)}
    if len(widths) > 3 or max(widths, default=0) > 40:
        return False  # most texts end here
    layout = Layout.of(lines)
    rows = []
    at_start, n_blank = True, 0
    for line in lines:
        if not _is_text(line):
            n_blank += not at_start
            at_start = True
        elif not _DOCUMENT.match(line):
            row = split_row(line, layout.separator)
            if line[0] == "#" and _is_comment(line, row, layout, at_start=at_start):
                continue
            if len(row) != layout.width or "" in row:
                return False
            rows.append(row)
            at_start = False
    if layout.width < 2 or len(rows) < 2:
        return False
    for column in [*zip(*rows, strict=True)][1:]:
        if all(map(is_tag, column)):
            values = set(column)
            # Without an entity, many lines of this shape are enough.
            if (len(values) > 1 and "O" in values) or len(rows) >= (20 if n_blank else 200):
                return True
    return False
