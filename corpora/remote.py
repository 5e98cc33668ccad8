"""Remote objects: lists of them and their sizes by fsspec, and reads that are tried again.

Objects are read by smart_open. Without fsspec, or its package for a scheme, each URI is one object
of unknown size, which is not cut. Credentials come from the environment only.
"""

from __future__ import annotations

import errno
import io
import time
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import IO, Any, NamedTuple

from corpora.errors import CorpusError

__all__ = [
    "ObjectState",
    "RemoteFile",
    "check_unchanged",
    "find_objects",
    "object_state",
    "open_object",
]

_NO_LISTING = ("http", "https", "ftp")  # a "?" begins a query there, and is not a glob
_MAGIC = ("*", "?", "[")
_LONGEST_REASON = 300  # characters; that of HDFS lists all places where Java could be
_PAUSES = (1, 2, 4, 8)  # seconds before a read is tried again
_SECONDS = 60  # to wait for the headers of a page
_TRIED_AGAIN = ("s3", "s3a", "s3n")  # smart_open does so, with these pauses and 16 s
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "s3n": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
_CREDENTIALS = {
    "s3fs": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "gcsfs": "GOOGLE_APPLICATION_CREDENTIALS",
}
# Names of the checksum or version of an object in the answers of storage
_TAGS = ("ETag", "etag", "generation", "Last-Modified", "mtime")


class ObjectState(NamedTuple):
    """State of an object; None where it is unknown.

    Attributes
    ----------
    size : int or None
        Bytes as stored; None also if parts of it can't be read.
    tag : str or None
        Changes with the content.
    """

    size: int | None
    tag: str | None


def find_objects(uri: str) -> list[str]:
    """List the objects that a URI, a prefix or a glob refers to, in sorted order.

    Parameters
    ----------
    uri : str
        Such as ``s3://bucket/news``, which is an object or a prefix, or ``s3://bucket/*.txt``.

    Raises
    ------
    FileNotFoundError
        If there are no such objects.
    ImportError
        If a prefix or glob needs a package that is not installed; an object by itself needs none.
    OSError
        If objects can't be listed.
    """
    scheme = uri.split("://", 1)[0].lower()
    if scheme in _NO_LISTING:
        return [uri]
    is_glob = any(letter in uri for letter in _MAGIC)
    try:
        system, path = _system(uri)
    except (ImportError, OSError) as error:
        if not (is_glob or uri.endswith("/")):  # smart_open may read it
            return [uri]
        if isinstance(error, OSError):
            raise _failure(uri, "listed", error) from error
        extra = {"s3fs": "s3", "gcsfs": "gcs"}.get(_PACKAGES.get(scheme, ""))
        package = f"'similarity-encoders[{extra}]'" if extra else "fsspec"
        raise ImportError(f"listing {uri} needs a package: pip install {package}") from error
    except ValueError:  # a scheme that fsspec does not know; smart_open may
        return [uri]
    object_state.cache_clear()
    try:
        system.invalidate_cache()
        if not uri.endswith("/") and system.isfile(path):  # its name may have a letter of globs
            return [uri]
        if is_glob:
            found = system.glob(path)
            paths = [name for name in found if not system.isdir(name)]
        else:
            paths = system.find(path)
    except Exception as error:  # libraries of storage raise errors of many types
        raise _failure(uri, "listed", error) from error
    # consoles make empty objects for folders
    paths = sorted(name for name in paths if not name.endswith("/"))
    if not paths:
        what = "No object matches" if is_glob else "No such object or prefix"
        raise FileNotFoundError(errno.ENOENT, what, uri)
    return [f"{scheme}://{_relative(name)}" for name in paths]


@lru_cache(maxsize=1 << 16)
def object_state(uri: str) -> ObjectState:
    """Return the state of an object, as it was when its prefix was listed."""
    try:
        return _state(uri)
    except Exception:  # reading it raises a better error
        return ObjectState(None, None)


def _state(uri: str, *, is_fresh: bool = False) -> ObjectState:
    if uri.lower().startswith(("http://", "https://")):
        about, can_be_cut = _headers(uri)
        size = about.get("Content-Length") if can_be_cut else None
    else:
        system, path = _system(uri)
        if is_fresh:
            system.invalidate_cache()
        about = system.info(path)
        size = about.get("size")
    tag = next((str(about[name]) for name in _TAGS if about.get(name)), None)
    return ObjectState(None if size is None else int(size), tag)


def _headers(uri: str) -> tuple[Any, bool]:
    """Return the headers of a page, and whether its server sends byte ranges of it."""
    requests = import_module("requests")  # smart_open needs it, too
    how = {"Accept-Encoding": "identity"}
    with requests.head(uri, headers=how, allow_redirects=True, timeout=_SECONDS) as answer:
        answer.raise_for_status()
        headers = answer.headers
    return headers, headers.get("Accept-Ranges") == "bytes" and "Content-Encoding" not in headers


def check_unchanged(uri: str, state: ObjectState) -> None:
    """Check that an object still has the state in which it was cut.

    Raises
    ------
    CorpusError
        If it has changed, or does not exist any more.
    """
    try:
        found = _state(uri, is_fresh=True)
        if found == state:
            return
        now = f"has {found.size or 0:,} bytes now"
    except FileNotFoundError:
        now = "does not exist any more"
    except Exception:  # it could be read, but its state is not known
        return
    raise CorpusError(
        f"the object was changed while it was read (it had {state.size or 0:,} bytes, and {now}): "
        "start again, and write new content under new names",
        path=uri,
    )


def open_object(uri: str, opener: Callable[[], IO[bytes]]) -> RemoteFile:
    """Open a remote object, which is opened again if a read fails.

    Raises
    ------
    OSError
        If it does not exist or can't be opened; the message names the variables of credentials.
    """
    try:
        return RemoteFile(uri, opener)
    except (ImportError, NotImplementedError):
        raise
    except Exception as error:  # libraries of storage raise errors of many types
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _failure(uri, "read", error) from error


class RemoteFile(io.RawIOBase):
    """A remote object; if a read fails, it is opened again and read on from the same byte.

    Parameters
    ----------
    uri : str
    opener : callable
        Opens the object. Errors of the first call are raised.
    """

    def __init__(self, uri: str, opener: Callable[[], IO[bytes]]) -> None:
        self._uri, self._opener = uri, opener
        self._file: IO[bytes] | None = opener()
        self._seekable = self._file.seekable()
        self._position = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """Whether parts of the object can be read."""
        return self._seekable

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Change the position; return it."""
        self._position = self._opened().seek(offset, whence)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read bytes.

        Raises
        ------
        OSError
            If several attempts failed.
        """
        is_tried_again = self._uri.split("://", 1)[0].lower() in _TRIED_AGAIN
        pauses = () if is_tried_again else _PAUSES
        for pause in (*pauses, None):
            try:
                data = self._opened().read(len(buffer))
                break
            except Exception as error:  # libraries of storage raise errors of many types
                self._release()
                if pause is None:
                    reason = str(error) or type(error).__name__
                    raise OSError(
                        errno.EIO,
                        f"Reading failed at byte {self._position:,} in several attempts "
                        f"({reason}); check the network and the server",
                        self._uri,
                    ) from error
                time.sleep(pause)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Close the object."""
        self._release()
        super().close()

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._file = self._opener()
            if self._seekable and self._position:
                self._file.seek(self._position)
            elif self._position:
                _skip(self._file, self._position)
        return self._file

    def _release(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _skip(file: IO[bytes], n: int) -> None:
    """Read the first bytes of an object again, of which parts can't be read."""
    while n and (data := file.read(min(n, 1 << 20))):
        n -= len(data)


def _system(uri: str) -> tuple[Any, str]:
    core = import_module("fsspec.core")
    system, path = core.url_to_fs(uri)
    return system, path


def _relative(path: str) -> str:
    """Remove the scheme, which only some systems return with a path."""
    return path.split("://", 1)[-1]


def _failure(uri: str, what: str, error: Exception) -> OSError:
    """Return the error of an object or prefix that can't be listed or read."""
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "No such object or prefix", uri)
    reason = str(error) or type(error).__name__
    if len(reason) > _LONGEST_REASON:
        reason = f"{reason[:_LONGEST_REASON]}..."
    package = _PACKAGES.get(uri.split("://", 1)[0].lower(), "")
    names = f" ({_CREDENTIALS[package]})" if package else ""
    if uri.lower().startswith("hdfs:"):
        names = "; HDFS needs pyarrow, Java and Hadoop (JAVA_HOME, HADOOP_HOME, CLASSPATH)"
    return OSError(
        f"{uri} can't be {what} ({reason.rstrip('.')}); check the address, and the credentials in "
        f"the environment{names}"
    )
