"""Data sets of words in context, normalized like the training text (text8's rules)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.material import require


class Place(NamedTuple):
    """A word in a text."""

    tokens: list[str]
    position: int


class Rated(NamedTuple):
    """Two words in context, and how similar people find them."""

    words: tuple[str, str]
    places: tuple[Place, Place]
    rating: float
    dev: bool
    """Whether it is in the half for choosing parameters."""


class Judged(NamedTuple):
    """A word in two contexts, and whether it has the same sense there."""

    word: str
    places: tuple[Place, Place]
    same: bool


class Induced(NamedTuple):
    """A word, some contexts, and the sense that each has."""

    word: str
    places: list[Place]
    senses: list[str]


def _files(name: str) -> list[Path]:
    from corpora import datasets

    require(name)
    return datasets.paths(name)


def _place(left: str, word: str, right: str) -> Place:
    from corpora.cleaning import ascii_fold, wikifil

    before, middle, after = (wikifil(ascii_fold(text)).split() for text in (left, word, right))
    # such as "know how" for know-how, which the training text lacks as well
    return Place([*before, "_".join(middle) or "_", *after], len(before))


def scws() -> list[Rated]:
    """Stanford Contextual Word Similarities; half is the development set, by a hash of the id."""
    pairs = []
    for line in _files("scws")[0].read_text(encoding="utf-8").splitlines():
        number, one, _, other, _, *contexts = line.split("\t")[:7]
        rating = float(line.split("\t")[7])
        places = []
        for context in contexts:
            left, _, rest = context.partition("<b>")
            places.append(_place(left, *rest.split("</b>", 1)))
        dev = zlib.crc32(number.encode()) % 2 == 0
        pairs.append(Rated((one.lower(), other.lower()), (places[0], places[1]), rating, dev))
    return pairs


def wic(part: str) -> list[Judged]:
    """A part of WiC: "train", "dev" or "test"."""
    data, gold = (
        next(path for path in _files("wic") if path.name == f"{part}.{what}.txt")
        .read_text(encoding="utf-8")
        .splitlines()
        for what in ("data", "gold")
    )
    pairs = []
    for line, answer in zip(data, gold, strict=True):
        word, _, numbers, *sentences = line.split("\t")
        places = []
        for number, sentence in zip(numbers.split("-"), sentences, strict=True):
            tokens, i = sentence.split(" "), int(number)
            places.append(_place(" ".join(tokens[:i]), tokens[i], " ".join(tokens[i + 1 :])))
        pairs.append(Judged(word.lower(), (places[0], places[1]), answer.strip() == "T"))
    return pairs


def semeval() -> list[Induced]:
    """SemEval-2010 task 14.

    The contexts of a word are in the order of their instance numbers; the key is not.
    """
    data, key = (
        next(path for path in _files("semeval2010_task14") if path.name == name)
        .read_text(encoding="utf-8")
        .splitlines()
        for name in ("dataset.txt", "key.txt")
    )
    answers: dict[str, list[tuple[int, str]]] = {}
    for line in key:
        name, instance, sense = line.split()[:3]
        answers.setdefault(name, []).append((int(instance.rpartition(".")[2]), sense))
    induced, i = [], 0
    while i < len(data):
        name, n = data[i].split()
        lines = data[i + 1 : i + 1 + int(n)]
        senses = [sense for _, sense in sorted(answers[name])]
        word = name.partition(".")[0]
        places = []
        for line in lines:
            left, _, right = line.partition("\t")
            places.append(_place(left, word, right))
        if len(places) != len(senses):
            raise ValueError(f"{name} has {len(places)} contexts, and {len(senses)} in the key")
        induced.append(Induced(word, places, senses))
        i += 1 + int(n)
    return induced


def words(tasks: Sequence[Rated | Judged | Induced]) -> set[str]:
    """The queried words, and their forms."""
    asked = set()
    for task in tasks:
        asked |= {task.words[0], task.words[1]} if isinstance(task, Rated) else {task.word}
        asked |= {place.tokens[place.position] for place in task.places}
    return asked
