"""Write a file of token vectors; a run that was interrupted can be continued.

Until the file is complete, it is in the folder ``OUT.partial``, with the state of the last
checkpoint. Blocks of tokens depend on the text alone, so a run that continues makes the same
blocks, skips those that were written, and truncates what follows them.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from conec.cli.vector_files import Sink, TokenVectors, VectorWriter, kind_of, writer
from corpora.cli.app import report
from corpora.cli.unfinished import check_same_run, is_continued, lock, named_errors
from corpora.errors import ModelError
from corpora.files import atomic_path, is_replaced, sync
from corpora.interrupts import STOPPED, terminable
from corpora.output import COMPRESSED, open_output

CHECKPOINT_SECONDS = 60.0
_DATA, _FOUND, _STATE = "data", "found", "state.json"
_FORMAT = 1


@dataclass
class Written:
    """What has been written."""

    blocks: int = 0
    documents: int = 0
    tokens: int = 0
    without: int = 0  # tokens without an embedding
    text: int = 0  # checksum of the tokens
    size: int = 0  # bytes of the file
    writer: dict[str, int] = field(default_factory=dict)  # state of the writer

    def plus(self, block: TokenVectors) -> Written:
        """With another block; size and state of the writer are those before it."""
        text = self.text
        for array in (block.document, np.diff(block.bounds), block.text):
            text = zlib.crc32(np.ascontiguousarray(array).data, text)
        return replace(
            self,
            blocks=self.blocks + 1,
            documents=int(block.document[-1]) + 1 if len(block) else self.documents,
            tokens=self.tokens + len(block),
            without=self.without + len(block) - int(np.count_nonzero(block.found)),
            text=text,
        )


class VectorOutput:
    """An output of blocks of token vectors.

    Attributes
    ----------
    n_before : int
        Number of blocks that an earlier run has written. They have to be added, too, without
        vectors.
    done : Written
    """

    def __init__(
        self,
        kind: str,
        sink: Sink,
        size: int,
        dtype: str,
        out: str,
        before: Written | None = None,
    ) -> None:
        self._before = before or Written()
        self._sink, self._out = sink, out
        self._writer: VectorWriter = writer(kind, sink, size, dtype, out, self._before.writer)
        self.n_before = self._before.blocks
        self.done = Written()

    def add(self, block: TokenVectors) -> None:
        """Write a block."""
        self._writer.add(block)
        self._keep(block)
        done = self.done.plus(block)
        # last and at once: an interrupt before it leaves the state before this block
        self.done = replace(done, size=self._sink.position, writer=self._writer.state())
        if done.blocks == self.n_before and self.done != self._before:
            raise ValueError(
                f"the text is not the one that the interrupted run of {self._out} embedded: start "
                "from scratch with --overwrite"
            )

    def _keep(self, block: TokenVectors) -> None:
        """Keep what a later run needs; nothing, if none can continue."""

    def close(self) -> None:
        """Write the end of the file."""
        if self.done.blocks < self.n_before:
            raise ValueError(
                f"the text is shorter than the one that the interrupted run of {self._out} "
                "embedded: start from scratch with --overwrite"
            )
        self._writer.close()


class _Resumable(VectorOutput):
    """Saves checkpoints in a folder."""

    def __init__(
        self,
        kind: str,
        size: int,
        dtype: str,
        out: str,
        folder: Path,
        about: Any,
        before: Written | None,
    ) -> None:
        before = before or Written()
        self._folder, self._about, self._saved = folder, about, before
        self._data, self._found = (
            _continued(folder / name, n)
            for name, n in ((_DATA, before.size), (_FOUND, before.tokens))
        )
        found = (folder / _FOUND).read_bytes()
        self._earlier = np.frombuffer(found, np.bool_)
        super().__init__(kind, Sink(self._data, before.size), size, dtype, out, before)
        self._saved_at = time.monotonic()

    def add(self, block: TokenVectors) -> None:
        """Write a block, and a checkpoint from time to time."""
        if block.vector is None:
            start = self.done.tokens
            block = replace(block, found=self._earlier[start : start + len(block)])
            super().add(block)
            return
        super().add(block)
        if time.monotonic() - self._saved_at >= CHECKPOINT_SECONDS:
            self.save()

    def _keep(self, block: TokenVectors) -> None:
        if block.vector is not None:
            self._found.write(np.ascontiguousarray(block.found).tobytes())

    def save(self) -> None:
        """Save a checkpoint after the last whole block."""
        if self.done.blocks <= self._saved.blocks or self._data.closed:
            return
        for file in (self._data, self._found):
            file.flush()
            os.fsync(file.fileno())
        state = {"format": _FORMAT, "run": self._about, "written": vars(self.done)}
        with atomic_path(self._folder / _STATE) as path:
            path.write_text(json.dumps(state), encoding="utf-8")
        self._saved, self._saved_at = self.done, time.monotonic()

    def has_checkpoint(self) -> bool:
        """Whether a later run can continue this one."""
        return self._saved.blocks > 0

    def publish(self, target: Path) -> None:
        """Move the complete file to its place."""
        self.save()  # an interrupt can come here, too
        self.release()
        data = self._folder / _DATA
        if target.exists():
            shutil.copymode(target, data)
        sync(data)
        os.replace(data, target)
        sync(target.parent)
        shutil.rmtree(self._folder, ignore_errors=True)

    def release(self) -> None:
        """Close the files."""
        self._data.close()
        self._found.close()


def _continued(path: Path, size: int) -> IO[bytes]:
    """Open a file to write on after `size` bytes."""
    if not path.exists():
        path.touch()
    buffering = 0 if path.name == _DATA else -1  # vectors are written in large blocks
    file = open(path, "r+b", buffering)  # noqa: SIM115
    lock(file)
    file.truncate(size)
    file.seek(size)
    return file


@contextmanager
def vector_output(
    out: str, size: int, dtype: str, about: Any, *, resume: bool, overwrite: bool
) -> Iterator[VectorOutput]:
    """Open an output of token vectors.

    Parameters
    ----------
    out : str
        A path, or "-" for standard output.
    size : int
        Number of dimensions.
    dtype : {"float32", "float16"}
        Type of the vectors.
    about : JSON
        Everything that the vectors depend on; a run is continued only with the same.
    resume : bool
        Continue an interrupted run.
    overwrite : bool
        Start from scratch, even if there is an interrupted run.

    Raises
    ------
    ValueError
        If the suffix is unknown, an interrupted run is in the way, or cannot be continued.
    ImportError
        If pyarrow is missing.
    """
    kind = kind_of(out)
    if out == "-" or Path(out).suffix in COMPRESSED or not is_replaced(out):
        if resume:
            raise ValueError(
                f"--resume is not possible for {out}: it needs an .npz, .parquet, .arrow, .tsv or "
                ".jsonl file, not compressed"
            )
        with _written_at_once(kind, out, size, dtype) as output:
            yield output
        return
    target = Path(os.path.realpath(out))
    folder = target.with_name(f"{target.name}.partial")
    before = _interrupted(folder, out, about, resume, overwrite)
    with terminable(), named_errors(out):
        folder.mkdir(exist_ok=True)
        made = _Resumable(kind, size, dtype, out, folder, about, before)
        try:
            yield made
            made.close()
            made.publish(target)
        except BaseException as error:
            if isinstance(error, STOPPED):
                made.save()
            made.release()
            if not made.has_checkpoint():
                shutil.rmtree(folder, ignore_errors=True)
            elif isinstance(error, STOPPED):
                done = made.done.documents
                report(f"{done:,} documents were embedded; to continue, add --resume")
            raise


@contextmanager
def _written_at_once(kind: str, out: str, size: int, dtype: str) -> Iterator[VectorOutput]:
    """An output that cannot be continued."""
    with ExitStack() as stack:
        if kind in ("tsv", "jsonl"):
            file: Any = _Compressed(stack.enter_context(open_output(out)))
        else:
            path = stack.enter_context(atomic_path(out, seeks=True))
            file = stack.enter_context(open(path, "wb"))
        output = VectorOutput(kind, Sink(file), size, dtype, out)
        yield output
        output.close()


class _Compressed:
    """A file, possibly compressed, or standard output."""

    def __init__(self, write: Any) -> None:
        self._write = write

    def write(self, data: Any) -> int:
        self._write(bytes(data))
        return len(data)


def _interrupted(
    folder: Path, out: str, about: Any, resume: bool, overwrite: bool
) -> Written | None:
    """The state of the run to continue, None to start from scratch."""
    state = folder / _STATE
    exists = state.is_file() and (folder / _DATA).is_file()
    if not is_continued(folder, out, exists, resume, overwrite):
        return None
    try:
        saved = json.loads(state.read_text(encoding="utf-8"))
        before = Written(**saved["written"])
        run, is_current = saved["run"], saved["format"] == _FORMAT
        is_whole = all(
            (folder / name).stat().st_size >= n
            for name, n in ((_DATA, before.size), (_FOUND, before.tokens))
        )
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ModelError(
            f"{state} is damaged ({error}): start from scratch with --overwrite"
        ) from error
    if not (is_current and is_whole):
        raise ModelError(f"{folder} is damaged: start from scratch with --overwrite")
    check_same_run(run, about, out)
    return before
