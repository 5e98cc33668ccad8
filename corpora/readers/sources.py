"""Sources of documents that make up a corpus: files, byte ranges of files, Python iterables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from corpora.errors import CorpusError, NotReiterableError
from corpora.files import is_uri
from corpora.readers.base import Document, Meter, Reader, TaggedDocument, TextFile, newline_safe
from corpora.readers.stream import archive_members, compression, is_archive

__all__ = ["DocumentSource", "FileSource", "MemorySource", "split_sources"]

_ADVICE = (
    "pass a list, an object whose __iter__ starts a new pass, or a file; or write the data to a "
    "file first and open that"
)


@dataclass
class FileSource:
    """A file, or the lines of a file whose first byte is in a range."""

    path: str
    reader: Reader
    encoding: str
    errors: str
    start: int = 0
    stop: int | None = None
    _used: bool = False

    @property
    def reiterable(self) -> bool:
        """Whether it can be read more than once: everything but standard input and pipes."""
        return self.path != "-" and (is_uri(self.path) or os.path.isfile(self.path))

    @property
    def size(self) -> int | None:
        """Bytes as stored, or None if unknown."""
        if self.path == "-" or is_uri(self.path) or not os.path.isfile(self.path):
            return None
        stop = os.path.getsize(self.path) if self.stop is None else self.stop
        return stop - self.start

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
        return replace(self, start=self.start + start, stop=self.start + stop)

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
            raise NotReiterableError(f"{name} can be read only once; {_ADVICE}")
        self._used = True

    def documents(self, meter: Meter) -> Iterator[Document]:
        """Yield the documents."""
        for file in self._files(meter):
            yield from self.reader.read(file)

    def utf8_blocks(self, meter: Meter) -> Iterator[bytes]:
        """Yield blocks of whole lines as UTF-8."""
        for file in self._files(meter):
            yield from file.utf8_blocks()

    def tagged(self, meter: Meter) -> Iterator[TaggedDocument]:
        """Yield the documents with their tags."""
        for file in self._files(meter):
            yield from self.reader.tagged(file)

    def _files(self, meter: Meter) -> Iterator[TextFile]:
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
        )

    def _members(self, meter: Meter) -> Iterator[TextFile]:
        """Yield the members of an archive that the reader accepts, or all if it accepts none."""
        any_read = False
        # As for folders: the user asked for this format, whatever the suffixes.
        for accepts_all in (False, True) if self.reader.suffixes else (False,):
            for name, file in archive_members(self.path, meter.read):
                if not (accepts_all or self.reader.accepts(name)):
                    continue
                any_read = True
                # Bytes are counted as the archive is read, not per member.
                inner = Meter()
                path = f"{self.path}/{name}"
                yield TextFile(path, self.encoding, self.errors, meter=inner, file=file)
                meter.skipped += inner.skipped
            if any_read:
                return
        raise CorpusError(
            f"the archive has no file that {self.reader!r} can read; check the format",
            path=self.path,
        )


@dataclass
class MemorySource:
    """Documents from a Python iterable."""

    source: Iterable[object]
    reiterable: bool
    _used: bool = False

    size = None
    splittable = False

    def claim(self) -> None:
        """Start a pass.

        Raises
        ------
        NotReiterableError
            If the source can be read only once and has been read.
        """
        if self._used and not self.reiterable:
            kind = type(self.source).__name__
            raise NotReiterableError(f"a {kind} can be read only once; {_ADVICE}")
        self._used = True

    def documents(self, meter: Meter) -> Iterator[Document]:  # noqa: ARG002
        """Yield the documents, after checking their type."""
        for number, document in enumerate(self.source):
            if isinstance(document, str):
                yield document
                continue
            if isinstance(document, bytes) or not isinstance(document, Iterable):
                raise TypeError(
                    f"document {number} must be a list of str, or a str to be tokenized, got "
                    f"{type(document).__name__}"
                )
            tokens = document if type(document) is list else list(document)
            # Checking both ends finds documents of another type; checking all tokens would
            # take as long as counting them.
            if tokens and not (isinstance(tokens[0], str) and isinstance(tokens[-1], str)):
                invalid = tokens[-1] if isinstance(tokens[0], str) else tokens[0]
                raise TypeError(
                    f"the tokens of document {number} must be str, got {type(invalid).__name__}"
                )
            yield tokens

    def tagged(self, meter: Meter) -> Iterator[TaggedDocument]:  # noqa: ARG002
        """Raise TypeError: documents in memory have no tags."""
        raise TypeError("documents in memory have no tags, only words")


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
