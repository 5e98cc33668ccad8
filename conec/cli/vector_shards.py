"""Write token vectors as a folder with a file for each shard of the text.

Shards depend on the text alone. Each is written by one thread, process or node of a cluster. Until
all are written, the files are in the folder ``OUT.partial``, with a record of each complete file: a
run that was interrupted continues with the shards that have none.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conec.cli.token_blocks import count_documents, token_blocks
from conec.cli.vector_files import Sink, kind_of, writer
from conec.cli.vector_output import (
    Written,
    check_same_run,
    is_continued,
    lock,
    named_errors,
)
from corpora.cli.app import report
from corpora.errors import ModelError
from corpora.files import atomic_path
from corpora.interrupts import STOPPED, terminable
from corpora.model_folder import write_folder
from corpora.parallel import map_shards, shards_of

if TYPE_CHECKING:
    from conec import ContextEncoder
    from corpora import Corpus

KIND = "conec.TokenVectors"
FORMAT_VERSION = 3
SHARD_BYTES = 4 << 20  # of text: some hundreds of MB of vectors
_STATE, _INDEX = "state.json", "vectors.json"


@dataclass(frozen=True)
class Shard:
    """A complete file."""

    number: int
    name: str
    first: int  # number of its first document
    documents: int
    tokens: int
    without: int  # tokens without an embedding
    skipped: int  # lines of the text that can't be decoded
    size: int  # bytes
    sha256: str


def write_shards(
    encoder: ContextEncoder,
    corpus: Corpus,
    a: float,
    out: str,
    kind: str,
    dtype: str,
    about: dict[str, Any],
    *,
    workers: int,
    engine: str | None,
    label: str | None,
    resume: bool,
    overwrite: bool,
    skipped: list[int],
) -> Written:
    """Embed a corpus, and write a folder of files with a manifest.

    Parameters
    ----------
    encoder : ContextEncoder
    corpus : Corpus
    a : float
    out : str
        Folder to write.
    kind : str
        Format of the files, as from `kind_of`.
    dtype : {"float32", "float16"}
        Type of the vectors.
    about : JSON
        Everything that the vectors depend on; a run is continued only with the same.
    workers, engine
        As for `corpora.parallel.map_shards`.
    label : str or None
        Label of the progress bar.
    resume, overwrite : bool
        As for `conec.cli.vector_output.vector_output`.
    skipped : list of int
        Numbers of skipped lines are appended to it.

    Returns
    -------
    Written
        Numbers of documents and tokens.

    Raises
    ------
    ValueError, ModelError
        If an interrupted run is in the way, or cannot be continued.
    ClusterError, ImportError
        As for `corpora.parallel.map_shards`.
    """
    kind_of(f"x.{kind}")  # needs pyarrow
    shards = shards_of(corpus, SHARD_BYTES)
    about = {**about, "format": kind, "text": _state_of_text(corpus, len(shards))}
    target = Path(os.path.realpath(out))
    folder = target.with_name(f"{target.name}.partial")
    state = folder / _STATE
    is_old = is_continued(folder, out, state.is_file(), resume, overwrite)
    spread: dict[str, Any] = {
        "workers": workers, "engine": engine, "shard_bytes": SHARD_BYTES,
        "threads": corpus.is_plain_text,
    }  # fmt: skip
    with terminable(), named_errors(out):
        folder.mkdir(exist_ok=True)
        with open(folder / "lock", "wb") as file:
            lock(file)
            _remove_unfinished(folder)
            if is_old:
                firsts = _continued(state, about, out)
            else:
                firsts = _first_documents(corpus, encoder, len(shards), spread, label)
                _save(state, {"run": about, "firsts": firsts})
            done = _complete(folder)
            left = {shard.number for shard in shards} - {*done}
            embed = partial(
                _embed_shard, encoder=encoder, a=a, kind=kind, dtype=dtype, firsts=firsts
            )
            try:
                results = map_shards(
                    embed, corpus, only=left, progress=label, folder=folder, **spread
                )
                with closing(results):
                    for shard in results:
                        _save(folder / f"{shard.number:05}.json", asdict(shard))
                        done[shard.number] = shard
            except STOPPED:
                report(f"{len(done):,} of {len(shards):,} shards were embedded; to continue, add "
                       "--resume")  # fmt: skip
                raise
        files = [done[number] for number in sorted(done)]
        total = Written(
            documents=sum(shard.documents for shard in files),
            tokens=sum(shard.tokens for shard in files),
            without=sum(shard.without for shard in files),
        )
        skipped += [shard.skipped for shard in files]
        with write_folder(out, KIND, FORMAT_VERSION) as written:
            for shard in files:
                written.add(shard.name, folder / shard.name, shard.sha256)
            written.write_json(_INDEX, _index(encoder, a, dtype, total, files), indent=1)
        shutil.rmtree(folder, ignore_errors=True)
    return total


def _index(
    encoder: ContextEncoder, a: float, dtype: str, total: Written, files: list[Shard]
) -> Any:
    """What the folder holds, for programs that read it."""
    names = "name", "first", "documents", "tokens"
    return {
        "vector_size": encoder.config.vector_size,
        "dtype": dtype,
        "a": a,
        "documents": total.documents,
        "tokens": total.tokens,
        "without": total.without,
        "shards": [{name: getattr(shard, name) for name in names} for shard in files],
    }


def _state_of_text(corpus: Corpus, n_shards: int) -> Any:
    """Sizes and times of the files: a run is not continued with another text."""
    files = {
        path: [size, os.stat(path).st_mtime_ns] for path, size in corpus.local_files.items()
    }  # fmt: skip
    return {"size": corpus.size, "shards": n_shards, "files": files}


def _first_documents(
    corpus: Corpus, encoder: ContextEncoder, n_shards: int, spread: dict[str, Any],
    label: str | None,
) -> list[int]:  # fmt: skip
    """Number of the first document of each shard. The text is read once for it."""
    if n_shards == 1:
        return [0]
    firsts = [0]
    counted = map_shards(
        partial(count_documents, encoder=encoder), corpus,
        progress=label and "counting documents", **spread,
    )  # fmt: skip
    with closing(counted):
        for n in counted:
            firsts.append(firsts[-1] + n)
    return firsts[:-1]


def _embed_shard(
    corpus: Corpus,
    encoder: ContextEncoder,
    a: float,
    kind: str,
    dtype: str,
    firsts: list[int],
    folder: Path,
) -> Shard:
    name = f"{corpus.number:05}.{kind}"
    first = last = firsts[corpus.number]
    tokens = without = 0
    with open(folder / name, "w+b") as file:
        made = writer(kind, Sink(file), encoder.config.vector_size, dtype, name)
        for block in token_blocks(encoder, corpus, a, dtype, number=first):
            made.add(block)
            if len(block):
                last = int(block.document[-1]) + 1
            tokens += len(block)
            without += len(block) - int(block.found.sum())
        made.close()
        file.seek(0)
        digest = hashlib.sha256()
        while data := file.read(1 << 20):
            digest.update(data)
        size = file.tell()
    return Shard(
        corpus.number, name, first, last - first, tokens, without, corpus.skipped, size,
        digest.hexdigest(),
    )  # fmt: skip


# The unfinished output


def _save(path: Path, data: Any) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(data), encoding="utf-8")


def _continued(state: Path, about: Any, out: str) -> list[int]:
    """Numbers of the first documents, as an interrupted run found them."""
    try:
        saved = json.loads(state.read_text(encoding="utf-8"))
        run, firsts = saved["run"], [int(n) for n in saved["firsts"]]
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise ModelError(
            f"{state} is damaged ({error}): start from scratch with --overwrite"
        ) from error
    check_same_run(run, json.loads(json.dumps(about)), out)
    return firsts


def _complete(folder: Path) -> dict[int, Shard]:
    """The complete files of an interrupted run."""
    found = {}
    for path in folder.glob("[0-9]*.json"):
        try:
            shard = Shard(**json.loads(path.read_text(encoding="utf-8")))
            if (folder / shard.name).stat().st_size == shard.size:
                found[shard.number] = shard
        except (ValueError, TypeError, OSError):  # it is embedded again
            continue
    return found


def _remove_unfinished(folder: Path) -> None:
    """Remove what a killed run left."""
    for path in folder.glob(".*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
