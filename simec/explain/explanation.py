"""Explanations: relevances of features and the value that they sum to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import regex
from scipy import sparse

from corpora.checks import check_integer, shown, word_list
from corpora.deprecated import renamed_parameters

# Unlike Python's, this \\w includes combining marks and joiners.
_WORD = regex.compile(r"\w+(?:['’]\w+)*")


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

    The relevance of a feature is divided evenly among its occurrences in the text, so that the
    relevances of words sum to those of the features.

    Parameters
    ----------
    text : str
    relevances : mapping from str to float
        Relevances of features by name.
    analyzer : callable, optional
        Maps a word to names of features; by default the word in lower case.

    Returns
    -------
    list of Piece
        The pieces of the text, in order.
    """
    names_of = analyzer or (lambda word: [word.lower()])
    words = [
        (m.start(), m.end(), word_list("the result of analyzer", names_of(m.group())))
        for m in _WORD.finditer(text)
    ]
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
        The part of the value that is not attributed to features,
        ``value - relevances.sum()``: biases of layers, subtracted means, and relevance that the
        rules "plus" and "alpha_beta" drop at units without inputs of the required sign. NaN for
        gradients, which do not sum to the value.
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
        if self.names is not None and (
            isinstance(self.names, str) or not hasattr(self.names, "__len__")
        ):
            raise TypeError(f"names must be a list of names, got {shown(self.names)}")
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
        if topn is not None:
            topn = check_integer("topn", topn, 0)
        columns, values = self._entries()
        order = np.argsort(-np.abs(values), kind="stable")[:topn]
        return [(self._name(int(columns[i])), float(values[i])) for i in order if values[i]]

    def words(
        self, text: str, analyzer: Callable[[str], Sequence[str]] | None = None
    ) -> list[Piece]:
        """Split a text into words, each with the relevance of its features.

        Parameters
        ----------
        text : str
        analyzer : callable, optional
            Maps a word to names of features, such as ``build_analyzer()`` of scikit-learn's
            vectorizers. By default the word in lower case.

        Returns
        -------
        list of Piece
            See `color_words`.
        """
        return color_words(text, dict(self.top(None)), analyzer)

    @renamed_parameters(n="topn")
    def plot(self, axes: Any = None, topn: int = 10) -> Any:
        """Plot bars of named features, or an image and its heat map.

        Parameters
        ----------
        axes : matplotlib Axes, or a pair of Axes for an image; optional
            By default, a new figure is created.
        topn : int
            Maximum number of bars.

        Returns
        -------
        Axes, or a pair of Axes
        """
        from simec.explain import plotting

        if self.is_image:
            return plotting.heat_map(self, axes)
        return plotting.bars(self, axes, topn)

    def to_html(self, path: Any) -> None:
        """Write a self-contained HTML page; see `simec.explain.write_page`."""
        from simec.explain.html_report import write_page

        write_page(path, [self], title=self.title or "Explanation")

    def _repr_html_(self) -> str:
        """Return what notebooks show."""
        from simec.explain.html_report import fragment

        return fragment([self])

    def _entries(self) -> tuple[Any, Any]:
        """Return indices of features and their relevances."""
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
        Explanations of the same value: the relevances and bias of each sum to it.
    """

    first: Explanation
    second: Explanation

    @property
    def value(self) -> float:
        """The similarity."""
        return self.first.value

    @renamed_parameters(n="topn")
    def top(self, topn: int | None = 10) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """Names and relevances of the most relevant features of each input.

        Parameters
        ----------
        topn : int or None
            As for `Explanation.top`.
        """
        return self.first.top(topn), self.second.top(topn)

    @renamed_parameters(n="topn")
    def plot(self, axes: Any = None, topn: int = 10) -> tuple[Any, Any]:
        """Plot both explanations with `Explanation.plot`.

        Parameters
        ----------
        axes : pair, optional
            The argument `axes` of `Explanation.plot` for each explanation. By default, a new
            figure is created.
        topn : int
            Maximum number of bars of each.

        Returns
        -------
        pair
            The results of `Explanation.plot`.
        """
        from simec.explain import plotting

        first, second = plotting.two_panels(self, axes)
        return self.first.plot(first, topn), self.second.plot(second, topn)

    def to_html(self, path: Any) -> None:
        """Write a self-contained HTML page; see `simec.explain.write_page`."""
        from simec.explain.html_report import write_page

        write_page(path, [self], title=f"Similarity {self.value:.3g}")

    def _repr_html_(self) -> str:
        """Return what notebooks show."""
        from simec.explain.html_report import fragment

        return fragment([self])
