"""The parts that a corpus consists of: files, ranges of files, and what is in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import IO

from corpora.errors import CorpusError, NotReiterableError
from corpora.files import is_uri
from corpora.readers.base import Document, Meter, Reader, TaggedDocument, TextFile, newline_safe
from corpora.readers.stream import ByteStream, compression, is_archive

_MEND = (
    "pass a list, a class whose __iter__ begins anew, or a file; or write it to a file "
    "first and open that"
)


@dataclass
class FilePart:
    """A file, or the lines of it of which the first byte is in a range."""

    path: str
    reader: Reader
    encoding: str
    errors: str
    start: int = 0
    stop: int | None = None
    _used: bool = False

    @property
    def reiterable(self) -> bool:
        """Whether it can be read again: all but standard input and pipes."""
        return self.path != "-" and (is_uri(self.path) or os.path.isfile(self.path))

    @property
    def size(self) -> int | None:
        """Bytes as stored, or None where that is not known."""
        if self.path == "-" or is_uri(self.path) or not os.path.isfile(self.path):
            return None
        stop = os.path.getsize(self.path) if self.stop is None else self.stop
        return stop - self.start

    @property
    def splittable(self) -> bool:
        """Whether ranges of it can be read apart."""
        return (
            self.size is not None
            and self.reader.splittable
            and compression(self.path) is None
            and not is_archive(self.path)
            and newline_safe(self.encoding)
        )

    def cut(self, start: int, stop: int) -> FilePart:
        """Take the range between two bytes, counted from where this part begins."""
        return replace(self, start=self.start + start, stop=self.start + stop)

    def claim(self) -> None:
        """Begin a pass, or raise NotReiterableError if it is one too many."""
        if self.reiterable:
            return
        if self._used:
            what = "standard input" if self.path == "-" else self.path
            raise NotReiterableError(f"{what} can be read only once; {_MEND}")
        self._used = True

    def documents(self, meter: Meter) -> Iterator[Document]:
        """Yield each document."""
        for file in self._files(meter):
            yield from self.reader.read(file)

    def utf8_blocks(self, meter: Meter) -> Iterator[bytes]:
        """Yield the lines as UTF-8, many at a time."""
        for file in self._files(meter):
            yield from file.utf8_blocks()

    def tagged(self, meter: Meter) -> Iterator[TaggedDocument]:
        """Yield each document with its tags."""
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
        """Yield the members that the reader accepts, or if there are none, all."""
        any_read = False
        # As in folders: if no name fits, the user knows better what they are.
        for accepts_all in (False, True) if self.reader.suffixes else (False,):
            for name, file in archive_members(self.path, meter):
                if not (accepts_all or self.reader.accepts(name)):
                    continue
                any_read = True
                # What a member gives is counted as the archive is read, not here.
                inner = Meter()
                path = f"{self.path}/{name}"
                yield TextFile(path, self.encoding, self.errors, meter=inner, file=file)
                meter.skipped += inner.skipped
            if any_read:
                return
        raise CorpusError(f"the archive holds no file that {self.reader!r} reads", path=self.path)


def archive_members(path: str, meter: Meter) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield name and open file of each member of a tar or zip archive, in one go."""
    if path.lower().endswith(".zip"):
        import zipfile

        from corpora.readers.stream import open_raw

        try:
            with open_raw(path) as raw, zipfile.ZipFile(raw) as archive:
                for info in archive.infolist():
                    if not info.is_dir():
                        with archive.open(info) as file:
                            yield info.filename, file
                        meter.read(info.compress_size)
        except zipfile.BadZipFile as error:
            raise CorpusError(f"not a whole zip archive ({error})", path=path) from error
        return
    import tarfile

    with ByteStream(path, on_read=meter.read) as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
                for member in tar:
                    inner = tar.extractfile(member) if member.isfile() else None
                    if inner is not None:
                        yield member.name, inner
        except tarfile.TarError as error:
            raise CorpusError(f"not a whole tar archive ({error})", path=path) from error


@dataclass
class MemoryPart:
    """Documents that a Python object gives."""

    source: Iterable[object]
    reiterable: bool
    _used: bool = False

    size = None
    splittable = False

    def claim(self) -> None:
        """Begin a pass, or raise NotReiterableError if it is one too many."""
        if self._used and not self.reiterable:
            kind = type(self.source).__name__
            raise NotReiterableError(f"a {kind} can be read only once; {_MEND}")
        self._used = True

    def documents(self, meter: Meter) -> Iterator[Document]:  # noqa: ARG002
        """Yield each document, after a look at whether it is one."""
        for number, document in enumerate(self.source):
            if isinstance(document, str):
                yield document
                continue
            if isinstance(document, bytes) or not isinstance(document, Iterable):
                raise TypeError(
                    f"document {number} is {type(document).__name__}; "
                    "a document is a list of str, or one str to be tokenised"
                )
            tokens = document if type(document) is list else list(document)
            # A look at both ends finds what is wrong throughout; a look at all
            # would take as long as counting does.
            if tokens and not (isinstance(tokens[0], str) and isinstance(tokens[-1], str)):
                bad = tokens[-1] if isinstance(tokens[0], str) else tokens[0]
                raise TypeError(
                    f"document {number} holds {type(bad).__name__}; its tokens must be str"
                )
            yield tokens

    def tagged(self, meter: Meter) -> Iterator[TaggedDocument]:  # noqa: ARG002
        """Refuse: there are words only."""
        raise TypeError("documents in memory have no tags, only words")


Part = FilePart | MemoryPart


def share_out(parts: list[Part], n: int) -> list[list[Part]]:
    """Deal parts out in order to at most `n` groups of about equal size.

    Splittable files are cut where the groups meet; all else goes whole to the
    group that its middle falls in.
    """
    sizes = [part.size for part in parts]
    known = [size for size in sizes if size is not None]
    total = sum(known)
    if len(known) < len(parts) or not total:
        # Without sizes each counts the same.
        n = min(n, len(parts))
        sizes = [1] * len(parts)
        total = len(parts)
    groups: list[list[Part]] = [[] for _ in range(n)]
    at = 0
    for part, size in zip(parts, sizes, strict=True):
        size = size or 0
        if isinstance(part, FilePart) and part.splittable and size == part.size:
            # Exact integers: group k has the bytes from k * total // n on.
            first = at * n // total
            last = min((at + size) * n // total, n - 1)
            for k in range(first, last + 1):
                start = max(-(-k * total // n), at)
                stop = min(-(-(k + 1) * total // n), at + size)
                if start < stop:
                    groups[k].append(part.cut(start - at, stop - at))
        else:
            groups[min((2 * at + size) * n // (2 * total), n - 1)].append(part)
        at += size
    return [group for group in groups if group]
