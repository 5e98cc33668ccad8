"""What an explanation holds: relevances of features, and what they sum to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from simec.explain.words import Piece


@dataclass(frozen=True, eq=False)
class Explanation:
    """How much each feature of a thing contributes to a value.

    Attributes
    ----------
    relevances : float array of the features' shape, or CSR matrix of shape (1, D)
        Positive where a feature raises the value, negative where it lowers it.
    value : float
        What is explained: a prediction or a similarity, before any activation of the output.
    bias : float
        What of it belongs to no feature: ``value - relevances.sum()``. Biases of layers hold it,
        means that were taken off, and of the rules "plus" and "alpha_beta" units without any
        input of the sign that they look for. NaN for gradients, which do not add up.
    x : array or CSR matrix of the same shape
        The features themselves.
    names : sequence of str, optional
        Of the features.
    title : str
        For pictures.
    """

    relevances: Any
    value: float
    bias: float
    x: Any
    names: Sequence[str] | None = None
    title: str = ""

    def __post_init__(self) -> None:
        if self.relevances.shape != self.x.shape:
            raise ValueError(f"relevances have shape {self.relevances.shape}, and x {self.x.shape}")
        n = int(np.prod(self.x.shape))
        if self.names is not None and len(self.names) != n:
            raise ValueError(f"{n} features need as many names, not {len(self.names)}")

    @property
    def is_image(self) -> bool:
        """Whether features are pixels: an array of shape (height, width) or with channels."""
        return not sparse.issparse(self.x) and self.x.ndim > 1

    def top(self, n: int | None = 10) -> list[tuple[str, float]]:
        """Names and relevances of the features that matter most, by size.

        Parameters
        ----------
        n : int or None
            How many at most; None for all. Features without relevance are left out.
        """
        columns, values = self._entries()
        order = np.argsort(-np.abs(values), kind="stable")[:n]
        return [(self._name(int(columns[i])), float(values[i])) for i in order if values[i]]

    def words(
        self, text: str, analyzer: Callable[[str], Sequence[str]] | None = None
    ) -> list[Piece]:
        """Pieces of a text, each with the relevance of the features that are named like it.

        Parameters
        ----------
        text : str
        analyzer : callable, optional
            From a word to names of features: ``build_analyzer()`` of scikit-learn's
            vectorizers. By default the word in lower case.
        """
        from simec.explain.words import colour_words

        return colour_words(text, dict(self.top(None)), analyzer)

    def plot(self, axes: Any = None, n: int = 10) -> Any:
        """Draw it: bars of named features, or an image and a heat map beside it.

        Parameters
        ----------
        axes : matplotlib Axes, optional; of images a pair of them
            New ones by default.
        n : int
            Bars at most.

        Returns
        -------
        Axes, or a pair of them
        """
        from simec.explain import plotting as pictures

        if self.is_image:
            return pictures.heat_map(self, axes)
        return pictures.bars(self, axes, n)

    def to_html(self, path: Any) -> None:
        """Write a page that needs no other file; see `simec.explain.write_page`."""
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
    """How much each feature of either of two things contributes to their similarity.

    Attributes
    ----------
    first, second : Explanation
        Of the same value: the relevances of each sum to it.
    """

    first: Explanation
    second: Explanation

    @property
    def value(self) -> float:
        """The similarity."""
        return self.first.value

    def top(self, n: int | None = 10) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
        """Names and relevances of the features that matter most, of either thing."""
        return self.first.top(n), self.second.top(n)

    def plot(self, axes: Any = None, n: int = 10) -> tuple[Any, Any]:
        """Draw both, as `Explanation.plot` does.

        Parameters
        ----------
        axes : pair of what `Explanation.plot` takes, optional
        n : int
        """
        from simec.explain import plotting as pictures

        first, second = pictures.two_places(self, axes)
        return self.first.plot(first, n), self.second.plot(second, n)

    def to_html(self, path: Any) -> None:
        """Write a page that needs no other file; see `simec.explain.write_page`."""
        from simec.explain.html_report import write_page

        write_page(path, [self], title=f"Similarity {self.value:.3g}")
