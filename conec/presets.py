"""Parameters of published experiments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import corpora
from conec.model import ContextEncoder
from conec.types import CorpusLike
from corpora.cleaning import Pipeline

if TYPE_CHECKING:
    from corpora.encoding import TokenStream

__all__ = ["Preset", "thesis", "thesis_analogies"]

Model = TypeVar("Model", bound=ContextEncoder)


@dataclass(frozen=True)
class Preset:
    """Parameters, learning rates and context vectors of an experiment.

    Attributes
    ----------
    parameters : dict
        Parameters of `ContextEncoder`.
    rates : tuple of (int, float, float)
        Successive training runs: epochs, initial learning rate, final learning rate.
    contexts : dict
        Parameters of `ContextEncoder.build_contexts`.
    clean : callable, optional
        Function from a token to its form in the vocabulary; None leaves tokens unchanged.
    """

    parameters: dict[str, Any]
    rates: tuple[tuple[int, float, float], ...]
    contexts: dict[str, Any] = field(default_factory=dict)
    clean: Callable[[str], str] | None = None

    def fit(self, corpus: CorpusLike, *, progress: bool = False, **changes: Any) -> ContextEncoder:
        """Train a model.

        Parameters
        ----------
        corpus : Corpus, path or iterable of lists of str
            The tokens are used as they are: apply `clean` to them first.
        progress : bool
            Show bars.
        **changes
            Parameters of `ContextEncoder` that replace those of the preset, such as `seed`.

        Returns
        -------
        ContextEncoder
            A model on which `build_contexts` was called.
        """
        source = corpora.open(corpus)
        model = self._model(changes)
        model.build_vocab(source, progress=progress)
        return self.train(model, model.encode_corpus(source, progress=progress), progress=progress)

    def fit_stream(
        self,
        word_freq: Mapping[str, int],
        stream: TokenStream,
        *,
        progress: bool = False,
        **changes: Any,
    ) -> ContextEncoder:
        """Train a model from word counts and encoded text; see `fit`.

        Parameters
        ----------
        word_freq : mapping of str to int
        stream : TokenStream
        progress, **changes
            As for `fit`.
        """
        model = self._model(changes)
        return self.train(model.build_vocab_from_freq(word_freq), stream, progress=progress)

    def _model(self, changes: dict[str, Any]) -> ContextEncoder:
        return ContextEncoder(**{**self.parameters, **changes})

    def train(self, model: Model, stream: TokenStream, *, progress: bool = False) -> Model:
        """Train a model that has a vocabulary, and call `build_contexts`; see `fit`."""
        for epochs, start, end in self.rates:
            model.train(
                stream, epochs=epochs, start_alpha=start, end_alpha=end, learn_map=False,
                progress=progress,
            )  # fmt: skip
        return model.build_contexts(stream, progress=progress, **self.contexts)


_THESIS = {
    "vector_size": 200,
    "window": 5,
    "min_window": 2,
    "negative": 13,
    "negatives": "exact",
    "sample": 0,
    "cbow_mean": False,
    "init": "glorot",
}

thesis = Preset(
    {**_THESIS, "min_count": 1},
    tuple((5, 0.02 / 2**i, 0.02 / 2**i) for i in range(4)),
    {"normalize": "max"},
    Pipeline(["ascii", "digits", "lower"]),
)
"""Named entities, thesis section 7.2 and Fig. 7.3: 20 epochs on eng.train of CoNLL-2003."""

thesis_analogies = Preset(
    {**_THESIS, "min_count": 5},
    ((1, 0.025, 0.01),) * 10,
    {"normalize": "none", "diagonal": 1.0},
)
"""Analogies, thesis section 7.2 and Table 7.1: 10 epochs on text8."""
