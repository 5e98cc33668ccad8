"""Explanations: relevances of features, and the value that they sum to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from corpora.deprecated import renamed_parameters

_WORD = re.compile(r"\w+(?:['’]\w+)*")


class Piece(NamedTuple):
    """A word, or the text between two words, and its relevance."""

    text: str
    relevance: float


def color_words(
    text: str,
    relevances: Mapping[str, float],
    analyzer: Callable[[str], Sequence[str]] | None = None,
) -> list[Piece]:
    """Split a text into words and the text between them, each with a relevance.

    The relevance of a feature is split evenly among the words that it stands for, so the
    relevances of words sum to those of the features in the text.

    Parameters
    ----------
    text : str
    relevances : mapping from str to float
        Relevances of features by name.
    analyzer : callable, optional
        From a word to names of features; by default the word in lower case.

    Returns
    -------
    list of Piece
        Joined, their texts are the text.
    """
    names_of = analyzer or (lambda word: [word.lower()])
    words = [(m.start(), m.end(), names_of(m.group())) for m in _WORD.finditer(text)]
    counts = Counter(name for _, _, names in words for name in names)
    pieces, end = [], 0
    for start, stop, names in words:
        if start > end:
            pieces.append(Piece(text[end:start], 0.0))
        shares = (relevances.get(name, 0.0) / counts[name] for name in names)
        pieces.append(Piece(text[start:stop], float(sum(shares))))
        end = stop
    if end < len(text):
        pieces.append(Piece(text[end:], 0.0))
    return pieces


@dataclass(frozen=True, eq=False)
class Explanation:
    """Contribution of each feature of an input to a value.

    Attributes
    ----------
    relevances : float array of the features' shape, or CSR matrix of shape (1, D)
        Positive if a feature raises the value, negative if it lowers it.
    value : float
        The explained prediction or similarity, before any activation of the output.
    bias : float
        The part that no feature accounts for, ``value - relevances.sum()``: biases of layers,
        means that were subtracted, and with the rules "plus" and "alpha_beta" units without any
        input of the sign that the rule uses. NaN for gradients, which do not sum to the value.
    x : array or CSR matrix of the same shape
        The features.
    names : sequence of str, optional
        Names of the features.
    title : str
        Title of plots.
    """

    relevances: Any
    value: float
    bias: float
    x: Any
    names: Sequence[str] | None = None
    title: str = ""

    def __post_init__(self) -> None:
        if self.relevances.shape != self.x.shape:
            raise ValueError(
                f"relevances have shape {self.relevances.shape}, but x has {self.x.shape}"
            )
        n = int(np.prod(self.x.shape))
        if self.names is not None and len(self.names) != n:
            raise ValueError(f"names must have length {n}, one for each feature, got "
                             f"{len(self.names)}")  # fmt: skip

    @property
    def is_image(self) -> bool:
        """Whether the features are pixels, of shape (height, width) or with channels."""
        return not sparse.issparse(self.x) and self.x.ndim > 1

    @renamed_parameters(n="topn")
    def top(self, topn: int | None = 10) -> list[tuple[str, float]]:
        """Names and relevances of the most relevant features, by absolute value.

        Parameters
        ----------
        topn : int or None
            Maximum number; None returns all. Features with relevance 0 are left out.
        """
        columns, values = self._entries()
        order = np.argsort(-np.abs(values), kind="stable")[:topn]
        return [(self._name(int(columns[i])), float(values[i])) for i in order if values[i]]

    def words(
        self, text: str, analyzer: Callable[[str], Sequence[str]] | None = None
    ) -> list[Piece]:
        """Split a text into words with the relevances of the features that they name.

        Parameters
        ----------
        text : str
        analyzer : callable, optional
            From a word to names of features: ``build_analyzer()`` of scikit-learn's
            vectorizers. By default the word in lower case.
        """
        return color_words(text, dict(self.top(None)), analyzer)

    @renamed_parameters(n="topn")
    def plot(self, axes: Any = None, topn: int = 10) -> Any:
        """Plot bars of named features, or an image and its heat map.

        Parameters
        ----------
        axes : matplotlib Axes, or a pair of them for an image; optional
            By default in a new figure.
        topn : int
            Maximum number of bars.

        Returns
        -------
        Axes, or a pair of them
        """
        from simec.explain import plotting

        if self.is_image:
            return plotting.heat_map(self, axes)
        return plotting.bars(self, axes, topn)

    def to_html(self, path: Any) -> None:
        """Write a self-contained HTML page; see `simec.explain.write_page`."""
        from simec.explain.html_report import write_page

        write_page(path, [self], title=self.title or "Explanation")

    def _entries(self) -> tuple[Any, Any]:
        """Numbers of features, and their relevances."""
        if sparse.issparse(self.relevances):
            return self.relevances.indices, self.relevances.data
        values = np.asarray(self.relevances).ravel()
        return np.arange(len(values)), values

    def _name(self, i: int) -> str:
        if self.names is not None:
            return str(self.names[i])
        if self.is_image:
            return f"pixel {', '.join(str(k) for k in np.unravel_index(i, self.x.shape))}"
        return f"feature {i}"


@dataclass(frozen=True, eq=False)
class SimilarityExplanation:
    """Contributions of the features of two inputs to their similarity.

    Attributes
    ----------
    first, second : Explanation
        Both explain the same value: the relevances of each sum to it.
    """

    first: Explanation
    second: Explanation

    @property
    def value(self) -> float:
        """The similarity."""
        return self.first.value

    @renamed_parameters(n="topn")
    def top(self, topn: int | None = 10) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """Names and relevances of the most relevant features of each input."""
        return self.first.top(topn), self.second.top(topn)

    @renamed_parameters(n="topn")
    def plot(self, axes: Any = None, topn: int = 10) -> tuple[Any, Any]:
        """Plot both, as `Explanation.plot` does.

        Parameters
        ----------
        axes : pair of what `Explanation.plot` takes, optional
        topn : int
        """
        from simec.explain import plotting

        first, second = plotting.two_panels(self, axes)
        return self.first.plot(first, topn), self.second.plot(second, topn)

    def to_html(self, path: Any) -> None:
        """Write a self-contained HTML page; see `simec.explain.write_page`."""
        from simec.explain.html_report import write_page

        write_page(path, [self], title=f"Similarity {self.value:.3g}")
