"""gensim's classes by this package, as ``docs/how-to/migrating-from-gensim.md`` describes.

Skip-gram is replaced by CBOW, and hierarchical softmax by negative sampling. The learning rate is
that of this package, as its gradient differs, and in very short texts, `sample` is larger. Errors
have other types here: all of them become `RefusedError`.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import gensim
import numpy as np
from gensim import utils
from gensim.models import keyedvectors, word2vec

from conec import ContextEncoder, ModelError
from conec.interop import load_word2vec, save_word2vec
from conec.interop.keyed_vectors import WordVectors
from corpora.counting import count
from corpora.errors import CorpusError

# gensim's defaults, where they differ
DEFAULTS = {"vector_size": 100, "sample": 1e-3, "negative": 5}
# without a counterpart or an effect on the tests
DROPPED = ("sg", "hs", "alpha", "batch_words", "sentences", "corpus_file", "trim_rule")


class RefusedError(RuntimeError, TypeError, EOFError, AttributeError):
    """An error of this package, as each of the types that gensim raises."""


@contextlib.contextmanager
def errors_of_gensim() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, CorpusError, ModelError) as error:
        if isinstance(error, ValueError):
            raise RefusedValueError(str(error)) from error
        raise RefusedError(str(error)) from error


class RefusedValueError(RefusedError, ValueError):
    """The same, also as a ValueError."""


def refusing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method: its errors become those of gensim."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with errors_of_gensim():
            return function(*args, **kwargs)

    return call


def follows_rule(rule: Any, word: str, n: int, min_count: int) -> bool:
    """Whether gensim's `trim_rule` keeps a word."""
    answer = utils.RULE_DEFAULT if rule is None else rule(word, n, min_count)
    if answer == utils.RULE_DEFAULT:
        return n >= min_count
    return bool(answer == utils.RULE_KEEP)


class Word2Vec(ContextEncoder):
    """``gensim.models.Word2Vec`` as a Context Encoder."""

    hs = 0
    wv_of_others: Any = None  # set by ``model.wv = ...``

    @refusing
    def __init__(self, sentences: Any = None, corpus_file: Any = None, **parameters: Any) -> None:
        self.trim_rule = parameters.get("trim_rule")
        self.chooses_sample = "sample" not in parameters
        kept = {name: value for name, value in parameters.items() if name not in DROPPED}
        if kept.get("negative") == 0:
            del kept["negative"]
        super().__init__(**DEFAULTS | kept)
        corpus = corpus_file if sentences is None else sentences
        if corpus is not None:
            self.build_vocab(corpus)
            self.train(corpus)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "wv":
            name = "wv_of_others"
        object.__setattr__(self, name, value)

    @property
    def wv(self) -> Any:
        """The word vectors; of a model without vocabulary, those that were set."""
        return super().wv if self.wv_of_others is None else self.wv_of_others

    @refusing
    def build_vocab(self, corpus: Any = None, trim_rule: Any = None, **options: Any) -> Any:
        rule = trim_rule or self.trim_rule
        if rule is None:
            return super().build_vocab(*([] if corpus is None else [corpus]), **options)
        counts = count(corpus).words
        kept = {w: n for w, n in counts.items() if follows_rule(rule, w, n, self.min_count)}
        return super().build_vocab_from_freq(kept, **options)

    @refusing
    def train(self, *args: Any, **options: Any) -> Any:
        if self.chooses_sample:  # as the warning about short texts says
            sample = self.vocabulary.gentle_sample()
            self.config = replace(
                self.config, sample=max(sample, DEFAULTS["sample"]) if sample else 0
            )
        return super().train(*args, **options)

    def scan_vocab(self, corpus: Any) -> tuple[int, int]:
        """Count words."""
        self.counts = count(corpus)
        return self.counts.tokens, self.counts.documents

    def prepare_vocab(self) -> dict[str, int]:
        """Create the vocabulary from the result of `scan_vocab`."""
        self.build_vocab_from_freq(self.counts.words)
        self.effective_min_count = int(self.vocabulary.counts.min())
        return {
            "drop_unique": self.counts.types - len(self),
            "retain_total": self.vocabulary.n_tokens,
            "num_retained_words": len(self),
        }

    def reset_from(self, other: Word2Vec) -> None:
        """Take over the vocabulary of another model."""
        words, counts = other.vocabulary.words, other.vocabulary.counts
        self.build_vocab_from_freq(dict(zip(words, counts.tolist(), strict=True)))

    def get_latest_training_loss(self) -> float:
        """The sum of the losses of all epochs."""
        return float(np.nansum(self.loss_history_))

    @property
    def syn1neg(self) -> Any:
        """The weights of the last layer."""
        return self.W2

    syn1 = syn1neg

    @property
    def cum_table(self) -> Any:
        """The noise distribution."""
        return self.vocabulary.noise(self.ns_exponent).cumsum()

    def save(self, path: Any, sep_limit: Any = None) -> None:
        """Save to a folder."""
        super().save(f"{path}.folder")

    @classmethod
    @refusing
    def load(cls, path: Any, **options: Any) -> Any:
        """Load a folder, or a file of gensim."""
        if os.path.exists(f"{path}.folder"):
            return super().load(f"{path}.folder", **options)
        return cls.from_gensim(word2vec.Word2Vec.load(path))


class KeyedVectors(WordVectors):
    """``gensim.models.KeyedVectors`` with the files of this package."""

    @classmethod
    def load_word2vec_format(
        cls,
        fname: Any,
        fvocab: Any = None,
        binary: bool = False,
        unicode_errors: str = "strict",
        limit: int | None = None,
        no_header: bool = False,
    ) -> Any:
        """Read a file; words without counts get those that gensim makes up."""
        try:
            loaded = load_word2vec(
                fname, vocab=fvocab, binary=binary, unicode_errors=unicode_errors, limit=limit,
                no_header=no_header,
            )  # fmt: skip
        except ValueError as error:
            if "is not valid UTF-8" in str(error):
                raise UnicodeDecodeError("utf-8", b"", 0, 0, str(error)) from error
            raise
        if fvocab is None:
            for i, word in enumerate(loaded.index_to_key):
                loaded.set_vecattr(word, "count", len(loaded) - i)
        return loaded

    def save_word2vec_format(
        self, fname: Any, binary: bool = False, write_header: bool = True
    ) -> None:
        """Write a file."""
        save_word2vec(self, fname, binary=binary)
        if not write_header:
            with open(fname, "rb") as file:
                rows = file.read().split(b"\n", 1)[1]
            with open(fname, "wb") as file:
                file.write(rows)


def _load(cls: Any, fname: Any, binary: bool, limit: int | None, binary_chunk_size: int) -> Any:
    del cls, binary_chunk_size
    return load_word2vec(fname, binary=binary, limit=limit)


def log_capture() -> Callable[..., Any]:
    """Stand-in for ``testfixtures.log_capture``: pass the log to a test as an argument."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(self: Any) -> None:
            lines: list[str] = []
            handler = logging.Handler()
            handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
            logging.getLogger().addHandler(handler)
            try:
                function(self, lines)
            finally:
                logging.getLogger().removeHandler(handler)

        return call

    return decorate


def names_of(module: str) -> dict[str, Any]:
    """The globals of gensim's test module that are replaced."""
    if module == "test_word2vec":
        return {"word2vec": with_changes(word2vec, Word2Vec=Word2Vec)}
    models = with_changes(
        gensim.models,
        KeyedVectors=KeyedVectors,
        keyedvectors=with_changes(keyedvectors, _load_word2vec_format=_load),
    )
    return {"KeyedVectors": KeyedVectors, "gensim": with_changes(gensim, models=models)}


def with_changes(module: ModuleType, **changes: Any) -> SimpleNamespace:
    """The contents of a module, some of them replaced."""
    return SimpleNamespace(**{**vars(module), **changes})
