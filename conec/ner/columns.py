"""Names of the columns of a file: words, parts of speech, chunks and tags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from conec.evaluation.entities import parse_tag
from conec.ner.documents import Row
from conec.ner.schemes import with_prefixes
from conec.ner.standard import COLUMNS
from corpora.readers import TextFile
from corpora.readers.conll import Conll, Line, is_tag

IGNORED = "_"
NAMES = (*COLUMNS, "tag", IGNORED)
_HEAD = 10_000  # lines from which the columns are guessed

# Types of syntactic chunks, as in the CoNLL tasks of 2000 and 2003 (English and German).
_CHUNKS = frozenset(
    (
        "NP", "VP", "PP", "ADJP", "ADVP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP", "NAC",
        "NX", "QP", "WHNP", "WHPP", "WHADVP", "NC", "VC", "PC", "CNP",
    )
)  # fmt: skip
_PLACEHOLDERS = frozenset(("_", "-", "-X-", "X", "*", "NULL", "NONE", "-NONE-"))


def parse_columns(text: str) -> list[str]:
    """Parse names of columns separated by commas; ``-``, ``_`` or nothing for ignored ones.

    Raises
    ------
    ValueError
        If a name is unknown or occurs twice, or no column holds the word.
    """
    names = [name.strip().lower() for name in text.split(",")]
    names = [IGNORED if name in ("", "-", IGNORED) else name for name in names]
    for name in names:
        if name not in NAMES:
            raise ValueError(
                f"unknown column {name!r}: the columns are {', '.join(NAMES[:-1])}, and "
                f"{IGNORED} for those to ignore"
            )
        if name != IGNORED and names.count(name) > 1:
            raise ValueError(f"the column {name} is named twice in {text!r}")
    if "word" not in names:
        raise ValueError(f"no column is named word in {text!r}")
    return names


def guess_columns(rows: Sequence[Row], word: int, *, tagged: bool) -> list[str]:
    """Guess from the values which columns hold words, parts of speech, chunks and tags.

    Parameters
    ----------
    rows : sequence of tuples of str
        The first rows of a file; all have the same number of columns.
    word : int
        Column with the words.
    tagged : bool
        Whether one column must hold tags. Otherwise, tags are ignored if there are any.

    Returns
    -------
    list of str
        A name of `NAMES` for each column. Columns are ignored if they hold numbers, such as
        offsets, lemmas, placeholders or other text.
    """
    columns = [*zip(*rows, strict=True)]
    names = [IGNORED] * len(columns)
    if not columns:
        return names
    names[word] = "word"
    types = {i: _types(columns[i]) for i in range(len(columns)) if i != word}
    # Columns before the word are numbers, unless they are tags.
    after = [i for i in types if i > word or types[i]]
    entities = [i for i in after if types[i] and not _are_chunks(types[i])]
    chunks = [i for i in after if _are_chunks(types[i])]
    tags = [i for i in after if types[i] is not None]
    tag = entities[0] if entities else None
    if tag is None and tagged:
        # Types without prefixes are mostly O; the other columns then hold something else.
        plain = [i for i in after if types[i] is None and columns[i].count("O") > 0.3 * len(rows)]
        candidates = plain or chunks or tags or [*after]
        tag = candidates[-1] if candidates else None
    if tag is not None:
        names[tag] = "tag"
    chunk = next((i for i in chunks if i != tag), None)
    if chunk is not None:
        names[chunk] = "chunk"
    for i in after:
        if names[i] == IGNORED and types[i] is None and _are_pos(columns[i], columns[word]):
            names[i] = "pos"
            break
    return names


def _types(values: Sequence[str]) -> set[str] | None:
    """Types of the tags of a column; None if its values are not tags."""
    found = {value.upper() for value in values}
    if found <= _CHUNKS | {"O"}:  # chunks without prefixes
        return found - {"O"}
    # A few invalid tags are reported, with their line, when they are read.
    if sum(map(is_tag, values)) < 0.95 * len(values):
        return None
    return {value.partition("-")[2].upper() for value in values if is_tag(value)} - {""}


def _are_chunks(types: set[str] | None) -> bool:
    return bool(types) and types is not None and types <= _CHUNKS


def _are_pos(values: Sequence[str], words: Sequence[str]) -> bool:
    """Whether values may be parts of speech: a closed class of short labels."""
    n, distinct = len(values), set(values)
    if distinct <= _PLACEHOLDERS or max(map(len, distinct)) > 25:
        return False
    if n >= 50 and len(distinct) > 0.5 * n:
        return False
    numbers = sum(
        any(c.isdigit() for c in value) and not any(c.isalpha() for c in value) for value in values
    )
    if numbers > 0.2 * n or values.count("O") > 0.5 * n:
        return False
    letters = [(v.lower(), w.lower()) for v, w in zip(values, words, strict=True) if w.isalpha()]
    equal = sum(value == word and len(word) > 1 for value, word in letters)
    return equal <= 0.3 * len(letters)  # otherwise they are lemmas


class ColumnFile:
    """A file in columns, and the names of its columns.

    Parameters
    ----------
    file : TextFile
    reader : Conll
    columns : sequence of str, optional
        Names of its columns; by default they are guessed.
    tagged : bool
        Whether a column must hold tags.
    words_only : bool, default False
        Ignore parts of speech and chunks.

    Attributes
    ----------
    names : list of str
        Names of the columns; empty for a file without words.
    separator : str
        What separates the columns: a tab or a blank.

    Raises
    ------
    CorpusError
        If the file is malformed, or has other columns.
    """

    def __init__(
        self,
        file: TextFile,
        reader: Conll,
        columns: Sequence[str] | None = None,
        *,
        tagged: bool,
        words_only: bool = False,
    ) -> None:
        self.file = file
        layout, lines = reader.scan(file)
        head = [*islice(lines, _HEAD)]
        self._lines = chain(head, lines)
        self.separator = layout.separator
        rows = [line.row[: layout.width] for line in head if line.kind == "word"]
        width = layout.width
        if columns is None:
            if len(rows) == 1 and width > 2 and layout.separator == " " and not layout.is_tagged:
                raise file.error(
                    "a single line of text: if it is a row of columns, name them with --columns; "
                    "to tag running text, convert it to a word per line: corpora convert TEXT "
                    "--tokenize treebank --out NEW.conll"
                )
            self.names = guess_columns(rows, layout.word, tagged=tagged)
        else:
            self.names = list(columns) if rows else []
            if rows and len(columns) != width:
                raise file.error(
                    f"there are {width} columns, but --columns names {len(columns)}: "
                    f"{','.join(columns)}; name columns to ignore {IGNORED}"
                )
        if words_only:
            self.names = [n if n in ("word", "tag") else IGNORED for n in self.names]
        if tagged and rows and "tag" not in self.names:
            raise file.error(
                "each line needs at least two columns, a word and its tag"
                if columns is None
                else f"--columns must name the column of the tags, got {','.join(columns)}"
            )
        order = [self.names.index(n) if n in self.names else -1 for n in COLUMNS] if rows else []
        while order and order[-1] < 0:
            order.pop()
        self._order = order

    @property
    def columns(self) -> list[str]:
        """Names of the columns that tokens have, in the order of a token."""
        return [name for name in COLUMNS if name in self.names]

    def documents(self) -> Iterator[list[Line]]:
        """Yield the lines of each document; a line that separates documents is the first one."""
        lines: list[Line] = []
        has_words = False
        for line in self._lines:
            if line.kind == "document" and has_words:
                yield lines
                lines, has_words = [], False
            has_words = has_words or line.kind == "word"
            lines.append(line)
        if lines:
            yield lines

    def token(self, line: Line) -> Row:
        """Return the word, part of speech and chunk of a row; "" for a column the file lacks."""
        return tuple("" if i < 0 else line.row[i] for i in self._order)

    def tags(self, sentences: Sequence[Sequence[Line]]) -> list[list[str]]:
        """Return the tags of the rows of sentences, with prefixes.

        Raises
        ------
        CorpusError
            If a tag is invalid (the message has the line), or tags of several schemes are mixed.
        """
        if not sentences:
            return []
        column = self.names.index("tag")
        tags = [[line.row[column] for line in sentence] for sentence in sentences]
        try:
            return with_prefixes(tags)
        except ValueError as error:
            place = (
                f"column {column} (counted from 0) was read as the tag; --columns sets the columns"
            )
            for line in chain(*sentences):
                try:
                    parse_tag(line.row[column])
                except ValueError as invalid:
                    raise self.file.error(f"{invalid}; {place}", line.number) from None
            raise self.file.error(f"{error}; {place}") from None


def sentences_of(lines: Sequence[Line]) -> list[list[Line]]:
    """Split the lines of a document into sentences of words."""
    sentences: list[list[Line]] = [[]]
    for line in lines:
        if line.kind == "word":
            sentences[-1].append(line)
        elif line.kind in ("blank", "document") and sentences[-1]:
            sentences.append([])
    return [sentence for sentence in sentences if sentence]
