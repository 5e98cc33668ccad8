"""Word vectors for spaCy and for TensorBoard's embedding projector."""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conec.interop.checks import check_vectors, require_writable
from conec.interop.exported import (
    RECORD,
    check_export_folder,
    export_folder,
    record,
    require_exported,
)
from conec.types import StrPath
from corpora.files import check_output, check_parent
from corpora.output import open_output

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

_PROJECTOR = ("vectors.tsv", "metadata.tsv")


def save_projector(vectors: KeyedVectors, folder: StrPath, *, digits: int = 9) -> None:
    """Write word vectors for the embedding projector of TensorBoard.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors
        The projector shows about 10,000 vectors: select words first if there are more.
    folder : path
        Folder for ``vectors.tsv`` and ``metadata.tsv``; created if it does not exist. If the
        vectors have the attribute ``"count"``, the metadata have a header and the columns word
        and count, otherwise only words. Files of an earlier export, which are listed in
        ``conec-export.json``, are replaced; other files stay.
    digits : int
        Significant digits of each value.

    Raises
    ------
    ValueError
        If `check_vectors` finds an error, or a word is empty or contains a tab or line end.
    FileExistsError
        If one of these files exists and is not from an earlier export, or was changed since.

    Notes
    -----
    Load both files at https://projector.tensorflow.org.
    """
    check_vectors(vectors)
    words: list[str] = vectors.index_to_key
    require_writable(words, forbidden="\t\r\n")
    check_projector(folder)
    target = Path(folder)
    is_new = not target.exists()
    target.mkdir(parents=True, exist_ok=True)
    values = "\t".join([f"%.{digits}g"] * vectors.vectors.shape[1]) + "\n"
    counts = vectors.expandos.get("count")
    metadata = (
        (f"{word}\n" for word in words)
        if counts is None
        else chain(["word\tcount\n"], (f"{w}\t{n}\n" for w, n in zip(words, counts, strict=True)))
    )
    rows = (values % tuple(row.tolist()) for row in vectors.vectors)
    checksums = {}
    try:
        with ExitStack() as stack:  # all files are complete before the first one is replaced
            write_record = stack.enter_context(open_output(target / RECORD))
            for name, lines in zip(_PROJECTOR, (rows, metadata), strict=True):
                write, digest = stack.enter_context(open_output(target / name)), hashlib.sha256()
                for line in lines:
                    write(line)
                    digest.update(line.encode())
                checksums[name] = digest.hexdigest()
            write_record(record(checksums))
    except BaseException:
        if is_new:
            with suppress(OSError):
                target.rmdir()
        raise


def check_projector(folder: StrPath) -> None:
    """Raise the OSError that `save_projector` would raise, before any work is done."""
    target = Path(os.path.realpath(folder))
    if not target.exists():
        check_parent(next(path for path in target.parents if path.exists()))
        return
    for name in (*_PROJECTOR, RECORD):
        check_output(target / name)
    require_exported(target, [name for name in _PROJECTOR if (target / name).exists()])


def to_spacy(vectors: KeyedVectors, lang: str = "xx") -> Any:
    """Create a spaCy pipeline with these word vectors.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors
    lang : str, default="xx"
        Language code, which selects the tokenizer; ``"xx"``: multi-language.

    Returns
    -------
    spacy.language.Language
        A blank pipeline. ``nlp.to_disk(folder)`` writes it, ``spacy.load(folder)`` reads it.

    Raises
    ------
    ValueError
        If `check_vectors` finds an error.
    ImportError
        If spaCy is not installed.
    """
    try:
        import spacy
        from spacy.vectors import Vectors
    except ImportError as error:
        raise ImportError("to_spacy needs spaCy: pip install similarity-encoders[spacy]") from error

    check_vectors(vectors)
    is_half = vectors.vectors.dtype == np.float16
    nlp = spacy.blank(lang)
    for word in vectors.index_to_key:
        nlp.vocab.strings.add(word)  # so that a key of the vectors can be looked up
    nlp.vocab.vectors = Vectors(
        strings=nlp.vocab.strings,
        data=vectors.vectors.astype(np.float16 if is_half else np.float32),
        keys=vectors.index_to_key,
        name=f"{lang}_vectors",
    )
    return nlp


def save_spacy(vectors: KeyedVectors, folder: StrPath, lang: str = "xx") -> None:
    """Write word vectors as the folder of a spaCy pipeline; ``spacy.load`` reads it.

    Parameters
    ----------
    vectors : gensim.models.KeyedVectors
    folder : path
        A folder to create, or an earlier export to replace. The checksums of all files are kept
        in ``conec-export.json``. A folder with other or changed files is not replaced, so that
        pipeline components added later are never deleted.
    lang : str, default="xx"
        As in `to_spacy`.

    Raises
    ------
    FileExistsError
        If the folder holds files that are not from an earlier export.
    OSError
        If it cannot be written.
    ValueError, ImportError
        As `to_spacy`.
    """
    check_export_folder(folder)
    pipeline = to_spacy(vectors, lang)
    with export_folder(folder) as temporary:
        pipeline.to_disk(temporary)
