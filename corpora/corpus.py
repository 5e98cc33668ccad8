"""A corpus: documents in a stream that can be read again and again."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from corpora.cleaning import Pipeline, Step
from corpora.files import find_paths
from corpora.readers import (
    BREAK,
    Document,
    TaggedDocument,
    choose_readers,
    find_reader,
)
from corpora.readers.base import Meter, newline_safe
from corpora.readers.sources import FilePart, MemoryPart, Part, share_out
from corpora.tokenizers import Tokenize, split_sentences, tokenizer

__all__ = ["Corpus", "Source", "open"]

Source = str | os.PathLike[str] | Iterable[Any]
Map = Callable[[list[str]], list[str]]


class Corpus:
    """A stream of documents, each a list of tokens, in constant memory.

    Made by :func:`corpora.open`. Each pass with ``for`` begins anew; it has no
    ``len``, which would need a pass. Documents without tokens are left out.
    It can be pickled, unless it was made from an iterator.

    Attributes
    ----------
    source : str
        What it was opened from, for messages.
    format : str
        The format it is read as; "mixed" for files of several, "memory" for
        Python objects.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        source: str,
        format: str,
        clean: Step | None = None,
        tokenize: Tokenize | None = None,
        sentences: bool = False,
        maps: Sequence[Map] = (),
    ) -> None:
        self.source = source
        self.format = format
        self._parts = list(parts)
        self._clean = clean
        self._tokenize = tokenize
        self._sentences = sentences
        self._maps = tuple(maps)
        self._meter = Meter()
        self._on_read: Callable[[int], None] | None = None

    def __iter__(self) -> Iterator[list[str]]:
        """Begin a pass.

        Raises
        ------
        NotReiterableError
            If it can be read only once and has been.
        """
        # Not a generator itself, so that the error comes before the first document.
        return self._tokens(self._begin())

    def texts(self) -> Iterator[str]:
        """Yield the text of each document, neither cleaned nor tokenised.

        Documents that come as tokens are joined by spaces. Blank ones are left out.

        Raises
        ------
        NotReiterableError
            If it can be read only once and has been.
        """
        return _texts(self._begin())

    def tagged(self) -> Iterator[TaggedDocument]:
        """Yield each document as sentences of rows, one row per token with all columns.

        As in the file: neither cleaned nor mapped, and documents whole whatever
        the option `unit`.

        Raises
        ------
        TypeError
            If the format has no tags.
        NotReiterableError
            If it can be read only once and has been.
        """
        meter = self._claim()
        return (document for part in self._parts for document in part.tagged(meter))

    @property
    def reiterable(self) -> bool:
        """Whether it can be read more than once."""
        return all(part.reiterable for part in self._parts)

    @property
    def size(self) -> int | None:
        """Bytes of its files as stored, or None where that is not known."""
        total = 0
        for part in self._parts:
            if (size := part.size) is None:
                return None
            total += size
        return total

    @property
    def skipped(self) -> int:
        """Lines dropped for bytes that cannot be decoded, in the last pass of this object."""
        return self._meter.skipped

    @property
    def position(self) -> int:
        """Bytes read from its files in the last pass of this object, of :attr:`size`."""
        return self._meter.position

    def on_read(self, function: Callable[[int], None] | None) -> None:
        """Have a function called with each number of bytes read, for a progress bar."""
        self._on_read = function

    def shards(self, n: int) -> list[Corpus]:
        """Cut into consecutive parts, to be read by as many processes.

        Parameters
        ----------
        n : int
            How many are wanted, at least 1.

        Returns
        -------
        list of Corpus
            At most `n`. One after another they give exactly the documents of
            this corpus, in order. Plain files with a document a line are cut
            between lines, folders between files; all else is not cut, and one
            part of such a corpus is the corpus itself.

        Raises
        ------
        ValueError
            If `n` is less than 1.
        """
        if n < 1:
            raise ValueError(f"the number of shards is at least 1, not {n}")
        if n == 1 or not (len(self._parts) > 1 or any(p.splittable for p in self._parts)):
            return [self]
        groups = share_out(self._parts, n)
        return [self._with(parts=group) for group in groups] or [self]

    def map(self, function: Map) -> Corpus:
        """Have each document changed by a function, as it is read.

        Parameters
        ----------
        function : callable
            From a list of tokens to another. Documents for which it is empty
            are left out.

        Returns
        -------
        Corpus
            The changed corpus. To be pickled, it needs a function that can be.
        """
        return self._with(maps=(*self._maps, function))

    def __repr__(self) -> str:
        return f"<Corpus {self.source!r}, format {self.format!r}>"

    def __getstate__(self) -> dict[str, Any]:
        # What a pass has counted, and whom to tell, stay in this process.
        return {**self.__dict__, "_meter": Meter(), "_on_read": None}

    def _with(self, *, parts: Sequence[Part] | None = None, maps: Sequence[Map] = ()) -> Corpus:
        return Corpus(
            self._parts if parts is None else parts,
            source=self.source,
            format=self.format,
            clean=self._clean,
            tokenize=self._tokenize,
            sentences=self._sentences,
            maps=maps or self._maps,
        )

    def _claim(self) -> Meter:
        for part in self._parts:
            part.claim()
        self._meter = Meter()
        self._meter.on_read = self._on_read
        return self._meter

    def _begin(self) -> Iterator[Document]:
        meter = self._claim()
        return (document for part in self._parts for document in part.documents(meter))

    def _tokens(self, documents: Iterator[Document]) -> Iterator[list[str]]:
        clean, maps = self._clean, self._maps
        tokenize = self._tokenize or str.split
        for document in documents:
            if isinstance(document, str):
                for text in split_sentences(document) if self._sentences else (document,):
                    tokens = tokenize(text if clean is None else clean(text))
                    for function in maps:
                        tokens = function(tokens)
                    if tokens:
                        yield tokens
                continue
            tokens = document if clean is None else _clean_tokens(document, clean)
            for function in maps:
                tokens = function(tokens)
            if tokens:
                yield tokens


def _texts(documents: Iterator[Document]) -> Iterator[str]:
    for document in documents:
        text = document if isinstance(document, str) else " ".join(document)
        if text and not text.isspace():
            yield text


def _clean_tokens(tokens: list[str], clean: Step) -> list[str]:
    """Clean each token; it may vanish, or come apart into several."""
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
    **options: Any,
) -> Corpus:
    r"""Open a corpus.

    Parameters
    ----------
    source : str, path or iterable
        One of

        - a file, compressed or not (``.gz``, ``.bz2``, ``.xz``, ``.zst``), or a
          tar or zip archive of files
        - a folder or a glob such as ``"news/*.txt"``: its files in sorted
          order, with those in folders below
        - a URI (``s3://``, ``gs://``, ``https://``, ...)
        - "-" for standard input, which can be read once
        - a list of paths (as path objects)
        - any iterable of documents: lists of tokens, or strings to tokenise. An
          iterator or generator can be read once.
    format : str, default "auto"
        "text", "text8", "conll", "wikiextractor", "reuters", "jsonl",
        "parquet", "lm1b", or one added with :func:`corpora.register_reader`.
        By default it is guessed for each file, from the layout of the folder,
        the suffix, or the first bytes; what seems to be no other is text, a
        line a document; so is standard input.
    encoding : str, optional
        By default that of the format: utf-8, but latin-1 for Reuters.
    errors : str, default "strict"
        What to do with bytes that cannot be decoded: "strict" raises,
        "replace" puts U+FFFD, "ignore" drops the bytes, "skip" drops the line
        and counts it in :attr:`Corpus.skipped`; other error handlers of Python
        are known too.
    clean : str, callable or list of these, optional
        Steps of :mod:`corpora.cleaning`, done before tokenising. Documents
        that come as tokens are cleaned token by token.
    tokenize : str or callable, optional
        A tokeniser of :func:`corpora.tokenizers.tokenizer`; by default
        :meth:`str.split`. Documents that come as tokens are left as they are.
    sentences : bool, default False
        Make each sentence a document. Done before cleaning, which may remove
        what ends a sentence; without effect on documents that come as tokens.
    **options
        Options of the format, such as ``unit="sentence"`` for "conll"; see its
        class in :mod:`corpora.readers`.

    Returns
    -------
    Corpus
        The corpus. Files are only looked at; reading begins with the first pass.

    Raises
    ------
    FileNotFoundError
        If there is no such file; the message says what is near.
    ValueError
        If the format, a cleaning step, the tokeniser, or the value of an
        option is unknown.
    TypeError
        If the format has no such option, or `source` is nothing to read.
    LookupError
        If the encoding is unknown.
    ImportError
        If the source needs an extra that is not installed; the message names it.

    While it is read, what is wrong with a file raises :class:`CorpusError`
    with file and line.

    Examples
    --------
    >>> corpus = open(["The cat sat", "The dog ran"], clean="lower")
    >>> list(corpus)
    [['the', 'cat', 'sat'], ['the', 'dog', 'ran']]
    """
    if isinstance(source, Corpus):
        plain = encoding is None and errors == "strict" and format in ("auto", source.format)
        if plain and clean is None and tokenize is None and not sentences and not options:
            return source
        raise TypeError("this is a Corpus already; give the options to the call that opened it")
    _check_errors(errors)
    if encoding is not None:
        codecs.lookup(encoding)
    how: dict[str, Any] = {
        "clean": None if clean is None else Pipeline(clean),
        "tokenize": None if tokenize is None else tokenizer(tokenize),
        "sentences": sentences,
    }
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        paths = find_paths(name)
    elif isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray)):
        if not _is_path_list(source):
            return _open_memory(source, format, options, how)
        name = f"{len(source)} paths"  # type: ignore[arg-type]
        paths = [path for one in source for path in find_paths(os.fspath(one))]
    else:
        raise TypeError(
            f"a corpus is a path or an iterable of documents, not {type(source).__name__}"
        )
    readers = choose_readers(paths, format, options, is_folder=paths != [name])
    parts = []
    for path, reader in readers.items():
        its = encoding or reader.encoding
        if errors == "skip" and not (newline_safe(its) and reader.name != "text8"):
            raise ValueError('errors="skip" needs lines; use "replace" or "ignore" here')
        parts.append(FilePart(path, reader, its, errors))
    formats = {reader.name for reader in readers.values()}
    return Corpus(parts, source=name, format=formats.pop() if len(formats) == 1 else "mixed", **how)


def _open_memory(
    source: Iterable[Any], format: str, options: dict[str, Any], how: dict[str, Any]
) -> Corpus:
    if format not in ("auto", "memory"):
        find_reader(format)  # an unknown one is the likelier mistake
        raise TypeError(f"format {format!r} is for files, not for a {type(source).__name__}")
    if options:
        raise TypeError(f"documents in memory have no options: {', '.join(options)}")
    part = MemoryPart(source, reiterable=not isinstance(source, Iterator))
    return Corpus([part], source=f"a {type(source).__name__}", format="memory", **how)


def _is_path_list(source: Iterable[Any]) -> bool:
    return (
        isinstance(source, (list, tuple))
        and bool(source)
        and all(isinstance(one, os.PathLike) for one in source)
    )


def _check_errors(errors: str) -> None:
    if errors != "skip":
        try:
            codecs.lookup_error(errors)
        except LookupError:
            raise ValueError(
                f"errors is 'strict', 'replace', 'ignore' or 'skip', not {errors!r}"
            ) from None
