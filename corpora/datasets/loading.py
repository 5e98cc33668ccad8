"""Load a named data set, as an object that depends on its kind."""

from __future__ import annotations

from typing import Any

from corpora.datasets.formats import read_analogies, read_bats, read_word_pairs
from corpora.datasets.registry import info, paths


def load(name: str, *, split: str | None = None, **options: Any) -> Any:
    """Load a data set that is available on this machine.

    Parameters
    ----------
    name : str
        Name of the data set.
    split : str, optional
        For a corpus of several files, the end of the name of the file to read, such as
        ``"testb"`` for CoNLL-2003. By default all files are read.
    **options
        For a corpus, options of `corpora.open`.

    Returns
    -------
    object
        Depending on the kind: for "corpus" a `Corpus`, for "word-pairs" a list of `WordPair`,
        for "analogies" a dict from section to questions ``(a, b, c, d)``, for "pair-analogies" a
        dict from relation to pairs of a word and its accepted answers.

    Raises
    ------
    ValueError
        If the name or split is unknown, a file is malformed, or the kind is "other": read the
        files of such a data set from the `paths`.
    DatasetNotFoundError
        If the data set is not on this machine. Use `fetch` to download it.

    Examples
    --------
    >>> from corpora import datasets
    >>> datasets.load("wordsim353")[0]  # doctest: +SKIP
    WordPair(word1='love', word2='sex', score=6.77)
    """
    dataset = info(name)
    if dataset.kind != "corpus" and (options or split):
        raise ValueError(f"the data set {dataset.name!r} takes no options: it is not a corpus")
    if dataset.kind == "other":
        raise ValueError(
            f"{dataset.name!r} can't be loaded: its format is not supported; read the files that "
            f"corpora.datasets.paths({dataset.name!r}) returns"
        )
    files = paths(name)
    if dataset.kind == "word-pairs":
        return read_word_pairs(files[0])
    if dataset.kind == "analogies":
        return read_analogies(files[0])
    if dataset.kind == "pair-analogies":
        return read_bats(files)

    import corpora

    if split is not None:
        records = zip(dataset.files, files, strict=True)
        files = [file for record, file in records if record.path.endswith(split)]
        if len(files) != 1:
            names = ", ".join(record.path.rsplit("/", 1)[-1] for record in dataset.files[:5])
            raise ValueError(f"{dataset.name!r} has no split {split!r}; its files are {names}")
    options.setdefault("format", dataset.format)
    return corpora.open(files[0] if len(files) == 1 else files, **options)
