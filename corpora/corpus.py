"""Corpora: streams of documents that can be read repeatedly, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from corpora.checks import check_flag, check_integer, token_list
from corpora.cleaning import Pipeline, Step
from corpora.errors import CorpusError, NotReiterableError, warn
from corpora.files import find_paths, is_uri
from corpora.memory import READ_ONCE_ADVICE, MemorySource, documents_in
from corpora.readers import (
    BREAK,
    Document,
    Reader,
    TaggedDocument,
    TextFile,
    choose_readers,
    find_reader,
    format_by_suffix,
)
from corpora.readers.base import Meter, Text, newline_safe, normal_encoding
from corpora.readers.stream import (
    MAX_RATIO,
    DamagedFileError,
    archive_members,
    compression,
    is_archive,
)
from corpora.tokenizers import Tokenize, Tokenizer, split_sentences, tokenizer

if TYPE_CHECKING:
    from corpora.remote import ObjectState

__all__ = ["Corpus", "Source", "open"]

Source = str | os.PathLike[str] | Iterable[Any]
DocumentMap = Callable[[list[str]], list[str]]
T = TypeVar("T")

_WHITESPACE = (None, str.split, Tokenizer("whitespace"))


class Corpus:
    """A stream of documents, each a list of tokens, in constant memory.

    Created by :func:`corpora.open`. Each ``for`` loop starts a new pass. There is no ``len``,
    which would need a pass. Documents without tokens are skipped. A corpus can be pickled unless
    it was created from an iterator.

    Attributes
    ----------
    source : str
        Path or description of what was opened, for messages.
    format : str
        Name of the format; "mixed" for files of several formats, "memory" for Python objects.
    number : int
        Number of a shard among those that `shards` returned, from 0.
    """

    def __init__(
        self,
        sources: Sequence[DocumentSource],
        *,
        source: str,
        format: str,
        clean: Step | None = None,
        tokenize: Tokenize | None = None,
        sentences: bool = False,
        maps: Sequence[DocumentMap] = (),
    ) -> None:
        self.source = source
        self.format = format
        self.number = 0
        self._sources = list(sources)
        self._clean = clean
        self._tokenize = tokenize
        self._sentences = sentences
        self._maps = tuple(maps)
        self._meter = Meter()
        self._on_read: Callable[[int], None] | None = None

    def __iter__(self) -> Iterator[list[str]]:
        """Start a pass.

        Raises
        ------
        NotReiterableError
            If the corpus can be read only once and has been read.
        """
        # Not a generator itself, so that the error is raised before the first document.
        return self._tokens(self._documents())

    def texts(self) -> Iterator[str]:
        """Yield the text of each document, neither cleaned nor tokenized.

        Tokens of documents that are stored as tokens are joined by spaces. Blank documents are
        skipped.

        Raises
        ------
        NotReiterableError
            If the corpus can be read only once and has been read.
        """
        return (
            document if isinstance(document, str) else " ".join(document)
            for document in self.stored()
        )

    def stored(self) -> Iterator[str | list[str]]:
        """Yield each document as it is stored: a text, or a list of tokens.

        Blank documents are skipped.

        Raises
        ------
        NotReiterableError
            If the corpus can be read only once and has been read.
        """
        return filter(_is_not_blank, self._documents())

    def tagged(self, *, word_first: bool = False) -> Iterator[TaggedDocument]:
        """Yield each document as a list of sentences, with one row of all columns per token.

        As in the file: neither cleaned nor mapped, and whole documents for any option `unit`.

        Parameters
        ----------
        word_first : bool, default False
            Move the word to the first column, and omit numbers of tokens. In CoNLL-U, the second
            column is then the part of speech.

        Raises
        ------
        TypeError
            If the format has no tags.
        NotReiterableError
            If the corpus can be read only once and has been read.
        """
        meter = self._start_pass()
        return (
            document
            for source in self._sources
            for document in source.tagged(meter, word_first=word_first)
        )

    def files(self) -> Iterator[tuple[TextFile, Reader]]:
        """Start a pass over the files: each one with the reader of its format.

        Raises
        ------
        NotReiterableError
            If the corpus can be read only once and has been read.
        TypeError
            If the documents are in memory.
        """
        meter = self._start_pass()
        for source in self._sources:
            if not isinstance(source, FileSource):
                raise TypeError(f"{self.source} has no files")
            for file in source.files(meter):
                yield file, source.reader

    def utf8_blocks(self) -> Iterator[bytes]:
        """Start a pass over plain text (see `is_plain_text`): blocks of whole lines as UTF-8.

        Raises
        ------
        NotReiterableError
            If the corpus can be read only once and has been read.
        CorpusError
            If bytes can't be decoded, or a compressed file is damaged.
        """
        meter = self._start_pass()
        for source in self._sources:
            assert isinstance(source, FileSource)
            yield from source.utf8_blocks(meter)

    @property
    def is_plain_text(self) -> bool:
        """Whether documents are lines and tokens are separated by whitespace, without cleaning.

        Compiled code can read such a corpus as bytes.
        """
        return (
            self._clean is None
            and self._tokenize in _WHITESPACE
            and not self._sentences
            and not self._maps
            and all(
                isinstance(source, FileSource)
                and type(source.reader) is Text
                and source.reader.unit == "line"
                for source in self._sources
            )
        )

    @property
    def reiterable(self) -> bool:
        """Whether the corpus can be read more than once."""
        return all(source.reiterable for source in self._sources)

    @property
    def size(self) -> int | None:
        """Total bytes of the files as stored, or None if unknown."""
        total = 0
        for source in self._sources:
            if (size := source.size) is None:
                return None
            total += size
        return total

    @property
    def local_files(self) -> dict[str, int]:
        """Paths of the files that are not remote, and their sizes in bytes."""
        return {
            source.path: os.path.getsize(source.path)
            for source in self._sources
            if isinstance(source, FileSource) and os.path.isfile(source.path)
        }

    @property
    def skipped(self) -> int:
        """Lines dropped in the last pass: their bytes can't be decoded, or their text is null."""
        return self._meter.skipped

    @property
    def position(self) -> int:
        """Bytes read in the last pass, out of :attr:`size`."""
        return self._meter.position

    def on_read(self, function: Callable[[int], None] | None) -> None:
        """Set a function to be called with each number of bytes read, for progress bars."""
        self._on_read = function

    def shards(self, n: int) -> list[Corpus]:
        """Split into consecutive shards, which can be read in parallel.

        Parameters
        ----------
        n : int
            Number of shards, at least 1.

        Returns
        -------
        list of Corpus
            At most `n` shards. Concatenated they contain exactly the documents of this corpus,
            in order. Uncompressed files with a document per line are split between lines,
            folders between files; any other corpus is not split and returned as a single shard.

        Raises
        ------
        ValueError
            If `n` is less than 1.
        """
        n = check_integer("the number of shards", n, 1)
        if n == 1 or not (len(self._sources) > 1 or any(s.splittable for s in self._sources)):
            return [self]
        groups = split_sources(self._sources, n)
        shards = [self._replace(sources=group) for group in groups] or [self]
        for number, shard in enumerate(shards):
            shard.number = number
        return shards

    def map(self, function: DocumentMap) -> Corpus:
        """Apply a function to each document as it is read.

        Parameters
        ----------
        function : callable
            Takes and returns a list of tokens. Documents for which it returns an empty list are
            skipped.

        Returns
        -------
        Corpus
            A corpus of the changed documents. It can be pickled only if `function` can.
        """
        if not callable(function):
            raise TypeError(f"map takes a function of a list of tokens, got {function!r}")
        return self._replace(maps=(*self._maps, function))

    def __repr__(self) -> str:
        return f"<Corpus {self.source!r}, format {self.format!r}>"

    def __getstate__(self) -> dict[str, Any]:
        # Counts and progress of a pass stay in this process.
        return {**self.__dict__, "_meter": Meter(), "_on_read": None}

    def _replace(
        self,
        *,
        sources: Sequence[DocumentSource] | None = None,
        maps: Sequence[DocumentMap] = (),
    ) -> Corpus:
        return Corpus(
            self._sources if sources is None else sources,
            source=self.source,
            format=self.format,
            clean=self._clean,
            tokenize=self._tokenize,
            sentences=self._sentences,
            maps=maps or self._maps,
        )

    def _start_pass(self) -> Meter:
        for source in self._sources:
            source.claim()
        self._meter = Meter()
        self._meter.on_read = self._on_read
        return self._meter

    def _documents(self) -> Iterator[Document]:
        meter = self._start_pass()
        return (document for source in self._sources for document in source.documents(meter))

    def _tokens(self, documents: Iterator[Document]) -> Iterator[list[str]]:
        clean, maps = self._clean, self._maps
        tokenize = self._tokenize or str.split
        is_custom = not (tokenize is str.split or isinstance(tokenize, Tokenizer))
        for document in documents:
            if isinstance(document, str):
                for text in split_sentences(document) if self._sentences else (document,):
                    tokens = tokenize(text if clean is None else clean(text))
                    if is_custom:
                        tokens = token_list(tokens, "the result of tokenize", surrogates=True)
                    if maps:
                        tokens = _mapped(tokens, maps)
                    if tokens:
                        yield tokens
                continue
            tokens = document if clean is None else _clean_tokens(document, clean)
            if maps:
                tokens = _mapped(tokens, maps)
            if tokens:
                yield tokens


def _mapped(tokens: list[str], maps: Sequence[DocumentMap]) -> list[str]:
    for function in maps:
        tokens = token_list(function(tokens), "the result of a function of map", surrogates=True)
    return tokens


def _is_not_blank(document: Document) -> bool:
    texts = (document,) if isinstance(document, str) else document
    return any(text and not text.isspace() for text in texts)


def _clean_tokens(tokens: list[str], clean: Step) -> list[str]:
    """Clean each token, which may remove it or split it into several."""
    cleaned: list[str] = []
    for token in tokens:
        if token == BREAK:
            cleaned.append(token)
        else:
            cleaned += clean(token).split()
    return cleaned


def open(
    source: Source,
    format: str = "auto",
    *,
    encoding: str | None = None,
    errors: str = "strict",
    clean: str | Step | Sequence[str | Step] | None = None,
    tokenize: str | Tokenize | None = None,
    sentences: bool = False,
    max_ratio: float | None = MAX_RATIO,
    field: str | int | None = None,
    **options: Any,
) -> Corpus:
    r"""Open a corpus.

    Parameters
    ----------
    source : str, path or iterable
        One of

        - a file, compressed or not (``.gz``, ``.bz2``, ``.xz``, ``.zst``), or a tar or zip
          archive of files
        - a folder or a glob such as ``"news/*.txt"``: all files, also in subfolders, in sorted
          order
        - a URI (``s3://``, ``gs://``, ``https://``, ...). With fsspec, also a prefix or a glob,
          and large objects are cut as files are
        - "-" for standard input, which can be read once
        - a list of paths (as path objects)
        - any iterable of documents: lists of tokens, or strings to be tokenized. An iterator or
          generator can be read once. Documents can also be spaCy's ``Doc`` objects.
        - with `field`, a table or its rows: a frame of pandas or polars, a table of pyarrow, a
          data set of Hugging Face, a dict of columns, or an iterable of dicts or named tuples
    format : str, default "auto"
        "text", "text8", "conll", "conllu", "wikiextractor", "reuters", "jsonl", "parquet",
        "lm1b", or one added with :func:`corpora.register_reader`. By default the format of each
        file is guessed from the names of files and folders, the suffix, or the beginning of the
        file. Files that match no other format, and standard input, are read as text with a
        document per line.
    encoding : str, optional
        Defaults to the encoding of the format: latin-1 for "reuters", utf-8 for all others. Byte
        order marks are skipped; one of another encoding is an error.
    errors : str, default "strict"
        Handling of bytes that can't be decoded: "strict" raises an error, "replace" inserts
        U+FFFD, "ignore" drops the bytes, "skip" drops the line and counts it in
        :attr:`Corpus.skipped`. Python's other error handlers can be used as well. Halves of
        surrogate pairs, which JSON can express, are handled in the same way, except that "strict"
        replaces them by U+FFFD with a warning. "skip" also reads the intact files of a damaged or
        truncated archive, and counts the damaged ones.
    clean : str, callable or list of these, optional
        Steps of :mod:`corpora.cleaning`, applied before tokenizing. Documents that are stored as
        tokens are cleaned token by token.
    tokenize : str or callable, optional
        A tokenizer of :func:`corpora.tokenizers.tokenizer`; by default :meth:`str.split`. Not
        applied to documents that are stored as tokens.
    sentences : bool, default False
        Make each sentence a document. Sentences are split before cleaning, which may remove
        punctuation. Without effect on documents that are stored as tokens.
    max_ratio : float or None, default 500
        Largest ratio of decompressed to compressed size, for content above 16 MiB. It protects
        against small files that decompress to gigabytes; text does not reach the default. None
        for no limit.
    field : str or int, optional
        Name of the column or field with the documents: strings, or lists of tokens. Required for
        tables and their rows, and optional for files of the formats "jsonl" and "parquet".
    **options
        Options of the format, such as ``unit="sentence"`` for "conll"; see its class in
        ``corpora.readers``.

    Returns
    -------
    Corpus
        The corpus. Files are read only when a pass starts.

    Raises
    ------
    FileNotFoundError
        If the file does not exist; the message lists the closest matches.
    ValueError
        If the format, a cleaning step, the tokenizer, or the value of an option is unknown.
    TypeError
        If the format does not have an option, or `source` is neither a path nor an iterable, or
        it is a table and `field` is missing.
    LookupError
        If the encoding is unknown.
    ImportError
        If the source needs an extra that is not installed; the message names the extra.

    Notes
    -----
    Invalid contents of a file raise :class:`CorpusError`, with file and line, when they are read.
    Documents in memory are checked when they are read, too. Tokens that are not strings raise a
    TypeError with the number of the document and the position of the token, both counted from 0.

    Examples
    --------
    >>> corpus = open(["The cat sat", "The dog ran"], clean="lower")
    >>> list(corpus)
    [['the', 'cat', 'sat'], ['the', 'dog', 'ran']]
    >>> rows = [{"id": 1, "text": "The cat sat"}, {"id": 2, "text": "The dog ran"}]
    >>> list(open(rows, field="text"))
    [['The', 'cat', 'sat'], ['The', 'dog', 'ran']]
    """
    if isinstance(source, Corpus):
        default = encoding is None and errors == "strict" and format in ("auto", source.format)
        default = default and field is None and max_ratio == MAX_RATIO
        if default and clean is None and tokenize is None and not sentences and not options:
            return source
        raise TypeError("source is a Corpus already; pass the options to the call that opened it")
    _check_errors(errors)
    if encoding is not None:
        encoding = normal_encoding(encoding)
    if max_ratio not in (None, MAX_RATIO):
        from corpora.checks import check_number  # imports NumPy

        max_ratio = check_number("max_ratio", max_ratio, 1)
    processing: dict[str, Any] = {
        "clean": None if clean is None else Pipeline(clean),
        "tokenize": None if tokenize is None else tokenizer(tokenize),
        "sentences": check_flag("sentences", sentences),
    }
    if isinstance(source, (str, os.PathLike)):
        name = os.fsdecode(source)
        paths = find_paths(name)
    elif _is_path_list(source):
        name = f"{len(source)} paths"  # type: ignore[arg-type]
        paths = [path for item in source for path in find_paths(os.fsdecode(item))]
        if len(unique := list(dict.fromkeys(paths))) < len(paths):
            warn(f"{len(paths) - len(unique)} files are listed twice, and will be read once")
            paths = unique
    else:
        return _open_memory(source, format, field, options, processing)
    if field is not None:
        options["field"] = field
    readers = choose_readers(
        paths,
        format,
        options,
        is_folder=paths != [name],
        encoding=encoding,
        max_ratio=max_ratio,
    )
    sources = []
    for path, reader in readers.items():
        file_encoding = encoding or reader.encoding
        if errors == "skip" and not (newline_safe(file_encoding) and reader.name != "text8"):
            raise ValueError(
                f'errors="skip" needs lines, which the format {reader.name!r} or the encoding '
                f'{file_encoding!r} does not have; use "replace" or "ignore"'
            )
        source_of_path = FileSource(
            path, reader, file_encoding, errors, max_ratio=max_ratio, guessed=format == "auto"
        )
        sources.append(source_of_path)
    formats = {reader.name for reader in readers.values()}
    common_format = formats.pop() if len(formats) == 1 else "mixed"
    return Corpus(sources, source=name, format=common_format, **processing)


def _open_memory(
    source: Any,
    format: str,
    field: str | int | None,
    options: dict[str, Any],
    processing: dict[str, Any],
) -> Corpus:
    if format not in ("auto", "memory"):
        find_reader(format)  # an unknown format is the more likely mistake
        raise TypeError(f"format {format!r} is for files, got a {type(source).__name__}")
    if options:
        raise TypeError(f"documents in memory take no options, got {', '.join(options)}")
    return Corpus(
        [documents_in(source, field)],
        source=f"a {type(source).__name__}",
        format="memory",
        **processing,
    )


def _is_path_list(source: Any) -> bool:
    return (
        isinstance(source, (list, tuple))
        and bool(source)
        and all(isinstance(item, os.PathLike) for item in source)
    )


def _check_errors(errors: str) -> None:
    if errors != "skip":
        try:
            b"\xff".decode("ascii", errors)
        except UnicodeDecodeError:
            pass  # strict
        except (LookupError, TypeError):  # unknown, or for encoding only
            raise ValueError(
                f"errors must be 'strict', 'replace', 'ignore', 'skip' or another error handler "
                f"of Python, got {errors!r}"
            ) from None


@dataclass
class FileSource:
    """A file, or the lines of a file whose first byte is in a range."""

    path: str
    reader: Reader
    encoding: str
    errors: str
    start: int = 0
    stop: int | None = None
    max_ratio: float | None = MAX_RATIO
    guessed: bool = False  # the format
    state: ObjectState | None = None  # of a remote object that was cut
    _used: bool = False

    @property
    def reiterable(self) -> bool:
        """Whether it can be read more than once: everything but standard input and pipes."""
        return self.path != "-" and (is_uri(self.path) or os.path.isfile(self.path))

    @property
    def size(self) -> int | None:
        """Bytes as stored, or None if unknown."""
        stop = self.stop
        if stop is None and is_uri(self.path):
            from corpora.remote import object_state

            stop = object_state(self.path).size
        elif stop is None and self.path != "-" and os.path.isfile(self.path):
            stop = os.path.getsize(self.path)
        return None if stop is None else stop - self.start

    @property
    def splittable(self) -> bool:
        """Whether byte ranges of it can be read independently."""
        return (
            self.size is not None
            and self.reader.splittable
            and compression(self.path) is None
            and not is_archive(self.path)
            and newline_safe(self.encoding)
        )

    def cut(self, start: int, stop: int) -> FileSource:
        """Return the byte range from `start` to `stop`, relative to the start of this source."""
        state = self.state
        if state is None and is_uri(self.path):
            from corpora.remote import object_state

            state = object_state(self.path)
        return replace(self, start=self.start + start, stop=self.start + stop, state=state)

    def claim(self) -> None:
        """Start a pass.

        Raises
        ------
        NotReiterableError
            If the source can be read only once and has been read.
        """
        if self.reiterable:
            return
        if self._used:
            name = "standard input" if self.path == "-" else self.path
            raise NotReiterableError(f"{name} can be read only once; {READ_ONCE_ADVICE}")
        self._used = True

    def documents(self, meter: Meter) -> Iterator[Document]:
        """Yield the documents."""
        return self._each(meter, self.reader.read)

    def utf8_blocks(self, meter: Meter) -> Iterator[bytes]:
        """Yield blocks of whole lines as UTF-8."""
        return self._each(meter, TextFile.utf8_blocks)

    def tagged(self, meter: Meter, *, word_first: bool) -> Iterator[TaggedDocument]:
        """Yield the documents with their tags."""
        return self._each(meter, self.reader.word_first if word_first else self.reader.tagged)

    def _each(self, meter: Meter, read: Callable[[TextFile], Iterator[T]]) -> Iterator[T]:
        """Yield what a function reads from the file, or from each member of the archive."""
        skips = self.errors == "skip" and is_archive(self.path)
        damaged = False
        try:
            for file in self.files(meter):
                damaged = False
                try:
                    yield from read(file)
                except DamagedFileError as error:
                    if not skips:
                        raise
                    meter.skipped += 1
                    damaged = True
                    warn(f"{error} (the rest of this file was skipped)")
        except DamagedFileError as error:
            if not skips:
                raise
            if not damaged:  # the last member of a truncated tar archive has been counted
                meter.skipped += 1
                warn(f"{error} (the rest of the archive was skipped)")

    def files(self, meter: Meter) -> Iterator[TextFile]:
        """Yield the file, or the members of the archive."""
        if is_archive(self.path):
            yield from self._members(meter)
            return
        yield TextFile(
            self.path,
            self.encoding,
            self.errors,
            start=self.start,
            stop=self.stop,
            meter=meter,
            max_ratio=self.max_ratio,
            joined=True,
        )
        if self.state is not None:  # other lines may be in this range
            from corpora.remote import check_unchanged

            check_unchanged(self.path, self.state)

    def _members(self, meter: Meter) -> Iterator[TextFile]:
        """Yield the members of an archive that the reader accepts, or all if it accepts none."""
        any_read = False
        left_out: list[str] = []
        # As for folders: the user asked for this format, whatever the suffixes.
        for accepts_all in (False, True) if self.reader.suffixes else (False,):
            for name, file in archive_members(self.path, meter.read, max_ratio=self.max_ratio):
                if self.guessed:
                    self._require_same_format(name)
                if not (accepts_all or self.reader.accepts(name)):
                    left_out.append(name)
                    continue
                any_read = True
                # Bytes are counted as the archive is read, not per member.
                inner = Meter()
                path = f"{self.path}/{name}"
                yield TextFile(
                    path,
                    self.encoding,
                    self.errors,
                    meter=inner,
                    file=file,
                    max_ratio=self.max_ratio,
                    joined=True,
                )
                meter.skipped += inner.skipped
            if any_read:
                # archives that are recognized by name also contain descriptions and the like
                if self.guessed and left_out and self.reader.path_pattern is None:
                    warn(
                        f"{self.path}: {len(left_out)} files were left out, such as {left_out[0]}: "
                        f"the archive is read as {self.reader.name}, the format of its first file"
                    )
                return
            left_out.clear()
        raise CorpusError(
            f"the archive has no file that {self.reader!r} can read; check the format",
            path=self.path,
        )

    def _require_same_format(self, name: str) -> None:
        """Raise CorpusError if a file has the suffix of another format than the first one."""
        other = format_by_suffix(name)
        if other is not None and other is not type(self.reader):
            raise CorpusError(
                f"a file of the format {other.name!r} in an archive that is read as "
                f"{self.reader.name!r}, the format of its first file; unpack the archive and open "
                "the folder, or pass the format= of the files to read",
                path=f"{self.path}/{name}",
            )


DocumentSource = FileSource | MemorySource


def split_sources(sources: list[DocumentSource], n: int) -> list[list[DocumentSource]]:
    """Split sources, in order, into at most `n` groups of about equal size.

    Splittable files are cut at the boundary of two groups; any other source goes to the group
    that contains its midpoint.
    """
    sizes = [source.size for source in sources]
    known_sizes = [size for size in sizes if size is not None]
    total = sum(known_sizes)
    if len(known_sizes) < len(sources) or not total:
        # If sizes are unknown, all sources count the same.
        n = min(n, len(sources))
        sizes = [1] * len(sources)
        total = len(sources)
    groups: list[list[DocumentSource]] = [[] for _ in range(n)]
    position = 0
    for source, size in zip(sources, sizes, strict=True):
        size = size or 0
        end = position + size
        if isinstance(source, FileSource) and source.splittable and size == source.size:
            # Integers, to be exact: group k starts at byte ceil(k * total / n).
            first = position * n // total
            last = min(end * n // total, n - 1)
            for k in range(first, last + 1):
                start = max(-(-k * total // n), position)
                stop = min(-(-(k + 1) * total // n), end)
                if start < stop:
                    groups[k].append(source.cut(start - position, stop - position))
        else:
            groups[min((position + end) * n // (2 * total), n - 1)].append(source)
        position = end
    return [group for group in groups if group]
