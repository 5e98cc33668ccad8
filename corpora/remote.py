"""List remote objects and get their sizes, by fsspec: for prefixes, globs and byte ranges.

Objects are read by smart_open. Without fsspec, or its package for a scheme, each URI is one object
of unknown size, which is not cut. Credentials come from the environment only.
"""

from __future__ import annotations

import errno
from functools import lru_cache
from importlib import import_module
from typing import Any

__all__ = ["find_objects", "object_size"]

_NO_LISTING = ("http", "https", "ftp")  # a "?" begins a query there, and is not a glob
_MAGIC = ("*", "?", "[")
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "s3n": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}


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
    except ImportError as error:
        if not (is_glob or uri.endswith("/")):
            return [uri]
        raise ImportError(
            f"listing {uri} needs a package: pip install fsspec {_PACKAGES.get(scheme, '')}".strip()
        ) from error
    except ValueError:  # a scheme that fsspec does not know; smart_open may
        return [uri]
    object_size.cache_clear()
    try:
        system.invalidate_cache()
        if is_glob:
            found = system.glob(path)
            paths = [name for name in found if not system.isdir(name)]
        elif not uri.endswith("/") and system.isfile(path):
            return [uri]
        else:
            paths = system.find(path)
    except Exception as error:  # libraries of storage raise errors of many types
        raise _unlisted(uri, error) from error
    # consoles make empty objects for folders
    paths = sorted(name for name in paths if not name.endswith("/"))
    if not paths:
        what = "No object matches" if is_glob else "No such object or prefix"
        raise FileNotFoundError(errno.ENOENT, what, uri)
    return [f"{scheme}://{_relative(name)}" for name in paths]


@lru_cache(maxsize=1 << 16)
def object_size(uri: str) -> int | None:
    """Bytes of an object as stored; None if they are unknown, or parts of it can't be read."""
    try:
        system, path = _system(uri)
        about = system.info(path)
    except Exception:  # reading it raises a better error
        return None
    size = about.get("size")
    if size is None or (uri.lower().startswith("http") and not about.get("partial")):
        return None
    return int(size)


def _system(uri: str) -> tuple[Any, str]:
    core = import_module("fsspec.core")
    system, path = core.url_to_fs(uri)
    return system, path


def _relative(path: str) -> str:
    """Remove the scheme, which only some systems return with a path."""
    return path.split("://", 1)[-1]


def _unlisted(uri: str, error: Exception) -> OSError:
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "No such object or prefix", uri)
    reason = str(error) or type(error).__name__
    return OSError(
        f"{uri} can't be listed ({reason}); check the address, and the credentials in the "
        "environment"
    )
