"""Write a folder with a file for each shard of a text, and a manifest.

Shards depend on the text alone. Each file is written by one thread, process or node of a cluster.
Until all are written, they are in the folder ``OUT.partial``, with a record of each complete file:
a run that was interrupted continues with the shards that have none.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from corpora.cli.app import report
from corpora.cli.unfinished import check_same_run, is_continued, lock, named_errors
from corpora.corpus import Corpus
from corpora.errors import ModelError
from corpora.files import atomic_path
from corpora.interrupts import STOPPED, terminable
from corpora.model_folder import write_folder
from corpora.parallel import map_shards, shards_of

__all__ = ["Folder", "Run", "write_shards"]

T = TypeVar("T")
Counts = dict[str, int]

_STATE = "state.json"


@dataclass(frozen=True)
class Folder:
    """A kind of folder of shards.

    Attributes
    ----------
    kind : str
        Of its manifest.
    version : int
        Format version of its manifest.
    index : str
        Name of the file that lists the shards.
    shard_bytes : int
        Approximate size of a shard of the text, as stored.
    """

    kind: str
    version: int
    index: str
    shard_bytes: int


@dataclass(frozen=True)
class Run:
    """How to write a folder of shards.

    Attributes
    ----------
    out : str
        Folder to write.
    suffix : str
        Of the files.
    about : JSON
        Everything that the files depend on, besides the text: a run is continued only with the
        same.
    workers, engine, threads
        As for `corpora.parallel.map_shards`.
    label : str or None
        Label of the progress bar.
    resume, overwrite : bool
        As for `corpora.cli.unfinished.is_continued`.
    """

    out: str
    suffix: str
    about: dict[str, Any]
    workers: int | None
    engine: str | None
    threads: bool
    label: str | None
    resume: bool
    overwrite: bool

    def map(
        self, function: Callable[..., T], corpus: Corpus, **options: Any
    ) -> Generator[T, Any, None]:
        """Apply a function to the shards of a corpus; see `corpora.parallel.map_shards`."""
        return map_shards(
            function,
            corpus,
            workers=self.workers,
            engine=self.engine,
            threads=self.threads,
            **options,
        )


@dataclass(frozen=True)
class _Shard:
    """A complete file."""

    number: int
    name: str
    counts: Counts  # of documents, and of anything else that it holds
    skipped: int  # lines of the text that can't be decoded
    size: int  # bytes
    sha256: str


def write_shards(
    write: Callable[..., Counts],
    corpus: Corpus,
    folder: Folder,
    run: Run,
    *,
    about: dict[str, Any],
    plan: Callable[[int], Any] | None = None,
) -> tuple[Counter[str], int]:
    """Write a folder with a file for each shard of a corpus.

    Parameters
    ----------
    write : callable
        Takes a shard, the path of the file to write, and the plan. Returns the number of documents
        as ``"documents"``, and other counts.
    corpus : Corpus
    folder : Folder
    run : Run
    about : JSON
        Written to the index, before the counts and the list of files.
    plan : callable, optional
        Takes the number of shards, and returns what a shard has to know of the others, as JSON. A
        run that continues does not call it again.

    Returns
    -------
    Counter
        Sums of the counts.
    int
        Number of lines that were skipped.

    Raises
    ------
    ValueError, ModelError
        If an interrupted run is in the way, or cannot be continued.
    ClusterError, ImportError
        As for `corpora.parallel.map_shards`.
    """
    shards = shards_of(corpus, folder.shard_bytes)
    state = {**run.about, "format": run.suffix, "text": _state_of_text(corpus, len(shards))}
    target = Path(os.path.realpath(run.out))
    unfinished = target.with_name(f"{target.name}.partial")
    saved = unfinished / _STATE
    is_old = is_continued(unfinished, run.out, saved.is_file(), run.resume, run.overwrite)
    with terminable(), named_errors(run.out):
        unfinished.mkdir(exist_ok=True)
        with open(unfinished / "lock", "wb") as file:
            lock(file)
            _remove_temporary(unfinished)
            if is_old:
                planned = _plan_of(saved, state, run.out)
            else:
                planned = None if plan is None else plan(len(shards))
                _save(saved, {"run": state, "plan": planned})
            done = _complete(unfinished)
            try:
                results = run.map(
                    partial(_write_shard, write=write, suffix=run.suffix, plan=planned),
                    corpus,
                    shard_bytes=folder.shard_bytes,
                    only={shard.number for shard in shards} - {*done},
                    progress=run.label,
                    folder=unfinished,
                )
                with closing(results):
                    for shard in results:
                        _save(unfinished / f"{shard.number:05}.json", asdict(shard))
                        done[shard.number] = shard
            except STOPPED:
                report(f"{len(done):,} of {len(shards):,} shards were written; to continue, add "
                       "--resume")  # fmt: skip
                raise
        files = [done[number] for number in sorted(done)]
        totals = Counter[str]()
        listed = []
        for shard in files:
            listed.append({"name": shard.name, "first": totals["documents"], **shard.counts})
            totals.update(shard.counts)
        with write_folder(run.out, folder.kind, folder.version) as written:
            for shard in files:
                written.add(shard.name, unfinished / shard.name, shard.sha256)
            written.write_json(folder.index, {**about, **totals, "shards": listed}, indent=1)
        shutil.rmtree(unfinished, ignore_errors=True)
    return totals, sum(shard.skipped for shard in files)


def _write_shard(
    shard: Corpus, write: Callable[..., Counts], suffix: str, plan: Any, folder: Path
) -> _Shard:
    path = folder / f"{shard.number:05}.{suffix}"
    counts = write(shard, path, plan)
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
        size = file.tell()
    return _Shard(shard.number, path.name, counts, shard.skipped, size, digest.hexdigest())


def _state_of_text(corpus: Corpus, n_shards: int) -> Any:
    """Sizes and times of the files: a run is not continued with another text."""
    files = {
        path: [size, os.stat(path).st_mtime_ns] for path, size in corpus.local_files.items()
    }  # fmt: skip
    return {"size": corpus.size, "shards": n_shards, "files": files}


# The unfinished output


def _save(path: Path, data: Any) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(data), encoding="utf-8")


def _plan_of(saved: Path, state: Any, out: str) -> Any:
    """Return the plan of an interrupted run."""
    try:
        content = json.loads(saved.read_text(encoding="utf-8"))
        run, plan = content["run"], content["plan"]
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ModelError(
            f"{saved} is damaged ({error}): start from scratch with --overwrite"
        ) from error
    check_same_run(run, json.loads(json.dumps(state)), out)
    return plan


def _complete(folder: Path) -> dict[int, _Shard]:
    """Find the complete files of an interrupted run."""
    found = {}
    for path in folder.glob("[0-9]*.json"):
        try:
            shard = _Shard(**json.loads(path.read_text(encoding="utf-8")))
            if (folder / shard.name).stat().st_size == shard.size:
                found[shard.number] = shard
        except (ValueError, TypeError, OSError):  # it is written again
            continue
    return found


def _remove_temporary(folder: Path) -> None:
    """Remove temporary files of a run that was killed."""
    for path in folder.glob(".*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
