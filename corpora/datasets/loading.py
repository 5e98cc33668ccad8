"""Loading a named data set in the form that is natural for its kind."""

from __future__ import annotations

from typing import Any

from corpora.datasets.formats import read_analogies, read_bats, read_word_pairs
from corpora.datasets.store import info, paths


def load(name: str, *, split: str | None = None, **options: Any) -> Any:
    """Load a data set that is on this machine.

    Parameters
    ----------
    name : str
        Name of the data set.
    split : str, optional
        For a corpus of several files, the end of the name of the one to read, such as
        ``"testb"`` for CoNLL-2003. All of them by default.
    **options
        For a corpus, options of `corpora.open`.

    Returns
    -------
    object
        For kind "corpus" what `corpora.open` returns: a re-iterable of documents. For
        "word-pairs" a list of `WordPair`. For "analogies" a dict of section to questions
        ``(a, b, c, d)``; for "pair-analogies" a dict of relation to pairs of a word and its
        accepted answers.

    Raises
    ------
    ValueError
        If there is no data set of that name or no such split, or the kind is "other": such a set
        is read from the files that `paths` gives. Also if a file is malformed.
    DatasetNotFoundError
        If it is not on this machine; nothing is downloaded here.

    Examples
    --------
    >>> from corpora import datasets
    >>> datasets.load("wordsim353")[0]  # doctest: +SKIP
    WordPair(word1='love', word2='sex', score=6.77)
    """
    dataset = info(name)
    if dataset.kind != "corpus" and (options or split):
        raise ValueError(f"the data set {dataset.name!r} takes no options, it is no corpus")
    if dataset.kind == "other":
        raise ValueError(
            f"{dataset.name!r} has a format of its own: read the files that "
            f"corpora.datasets.paths({dataset.name!r}) gives"
        )
    found = paths(name)
    if dataset.kind == "word-pairs":
        return read_word_pairs(found[0])
    if dataset.kind == "analogies":
        return read_analogies(found[0])
    if dataset.kind == "pair-analogies":
        return read_bats(found)

    import corpora

    if split is not None:
        pairs = zip(dataset.files, found, strict=True)
        found = [here for file, here in pairs if file.path.endswith(split)]
        if len(found) != 1:
            ends = ", ".join(file.path.rsplit("/", 1)[-1] for file in dataset.files[:5])
            raise ValueError(f"{dataset.name!r} has no split {split!r}; its files are {ends}")
    options.setdefault("format", dataset.format)
    return corpora.open(found[0] if len(found) == 1 else found, **options)
