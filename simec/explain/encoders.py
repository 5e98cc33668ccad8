"""Why an encoder predicts what it does, and why it finds two things similar (thesis, Sec. 5.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from simec.data.inputs import SparseInputs
from simec.encoder import SimilarityEncoder
from simec.explain.canonize import copied, restricted
from simec.explain.composites import DEFAULT, check_composite
from simec.explain.explanation import Explanation, SimilarityExplanation
from simec.explain.propagation import as_tensor, relevances


def explain_prediction(
    encoder: Any,
    x: Any,
    target: int | tuple[int, int],
    *,
    composite: Any = DEFAULT,
    names: Sequence[str] | None = None,
) -> Explanation:
    """Why an encoder predicts a target, such as one user's rating of a movie.

    Parameters
    ----------
    encoder : SimilarityEncoder or torch.nn.Module
        A module maps a batch to predictions of shape (b, n).
    x : array or CSR matrix of shape (1, D), or array of shape (D,) or (1, ...)
        One thing, as `transform` takes it.
    target : int, or (int, int) for the target of a relation
        Column of S.
    composite : str or zennit.core.Composite
        Rules of layers; see `relevances` and `COMPOSITES`. Linear encoders have a closed
        form, with any composite whose rule for dense layers is "epsilon".
    names : sequence of str, optional
        Of features; by default those that the encoder was fitted with.

    Returns
    -------
    Explanation
        Of the prediction before its activation, if it has one: ``value`` of a rating from 1
        to 5 is what the sigmoid is taken of. Relevances of a sparse row are sparse: features
        that are not there have none.

    Raises
    ------
    NoRuleError
        If LRP has no rule for a layer; it names the layer, and says what to do.
    ValueError
        If x is not one thing with the encoder's features, the encoder was fitted without
        features, or there is no such composite.
    IndexError
        If there is no such target.
    """
    check_composite(composite)
    point = _Point.read(encoder, x, names, "x")
    if isinstance(encoder, nn.Module):
        outputs = point.outputs()
        weights = torch.zeros_like(outputs)
        weights[_place(target, tuple(outputs.shape))] = 1
    else:
        W_l = encoder.module_.last.weight.detach()
        weights = W_l[(slice(None), *_place(target, tuple(W_l.shape[1:])))]
    found = point.explain(weights, composite)
    return replace(found, title=f"target {target}: {found.value:.3g}")


def explain_similarity(
    encoder: Any,
    x1: Any,
    x2: Any,
    *,
    second: Any = None,
    composite: Any = DEFAULT,
    names: Sequence[str] | None = None,
    second_names: Sequence[str] | None = None,
) -> SimilarityExplanation:
    """Why an encoder finds two things similar: the scalar product of their embeddings.

    Each of the two is explained with the embedding of the other one for a last layer, so both
    get relevances, which sum to the similarity.

    Parameters
    ----------
    encoder : SimilarityEncoder or torch.nn.Module
        A module maps a batch to embeddings of shape (b, d).
    x1, x2 : arrays or CSR matrices of shape (1, D), or arrays of shape (D,) or (1, ...)
        As `transform` takes them.
    second : SimilarityEncoder or torch.nn.Module, optional
        What embeds x2 in the same space; see `SimilarityEncoder.fit_columns`.
    composite : str or zennit.core.Composite
        Rules of layers; see `relevances` and `COMPOSITES`.
    names, second_names : sequence of str, optional
        Of features, of x1 and of x2; with one encoder, `names` are those of both.

    Returns
    -------
    SimilarityExplanation
        Of the product, before the activation of predictions if there is one.

    Raises
    ------
    NoRuleError, ValueError
        As for `explain_prediction`; also if embeddings have different lengths.
    """
    check_composite(composite)
    one = _Point.read(encoder, x1, names, "x1")
    if second is None:
        two = _Point.read(encoder, x2, second_names or names, "x2")
    else:
        two = _Point.read(second, x2, second_names, "x2")
    y1, y2 = one.outputs(), two.outputs()
    if y1.shape != y2.shape:
        raise ValueError(
            f"x1 has an embedding of length {len(y1)}, and x2 one of {len(y2)}: both encoders "
            "have to embed in the same space, see fit_columns"
        )
    return SimilarityExplanation(
        replace(one.explain(y2, composite), title="first"),
        replace(two.explain(y1, composite), title="second"),
    )


@dataclass(frozen=True)
class _Point:
    """One thing, and the network that embeds it.

    Attributes
    ----------
    network : Module
        Of the features in `values`.
    values : Tensor of shape (1, ...)
        Features; of a sparse row those that are there.
    columns : Tensor of shape (p,), or None
        Which these are.
    n_features : int
    names : sequence of str or None
    """

    network: nn.Module
    values: Tensor
    columns: Tensor | None
    n_features: int
    names: Sequence[str] | None

    @classmethod
    def read(cls, encoder: Any, x: Any, names: Sequence[str] | None, what: str) -> _Point:
        """Check a thing as its encoder would."""
        if hasattr(x, "to_frame"):  # one row of a data frame
            x = x.to_frame().T
        elif not (sparse.issparse(x) or isinstance(x, Tensor) or hasattr(x, "columns")):
            x = np.asarray(x)
        x = x[None] if getattr(x, "ndim", 2) == 1 else x
        if isinstance(encoder, nn.Module):
            network, batch = encoder, _batch(encoder, x)
        elif isinstance(encoder, SimilarityEncoder):
            check_is_fitted(encoder, "module_")
            network = encoder.module_.encoder
            if encoder.layout_.inputs == "identity":
                raise ValueError(
                    "the encoder was fitted without features, so there is nothing that could "
                    "explain what it says: fit it with features X"
                )
            batch = encoder.inputs(x).batch(torch.arange(x.shape[0]))
            names = getattr(encoder, "feature_names_in_", None) if names is None else names
        else:
            raise TypeError(
                f"encoder is a SimilarityEncoder or a torch.nn.Module, not {type(encoder).__name__}"
            )
        if len(batch) != 1:
            raise ValueError(f"{what} has {len(batch)} rows: one thing is explained at a time")
        n_features = int(np.prod(batch.shape[1:]))
        if batch.layout == torch.strided:
            return cls(copied(network), batch, None, n_features, names)
        columns = batch.col_indices()
        network = copied(restricted(network, columns))
        return cls(network, batch.values()[None], columns, n_features, names)

    def outputs(self) -> Tensor:
        """Of the network: an embedding, or predictions of a user's module; shape (d,)."""
        with torch.no_grad():
            y: Tensor = self.network(self.values)
        if y.ndim != 2:
            raise ValueError(
                f"the network gives outputs of shape {tuple(y.shape)}: (b, d) is needed"
            )
        return y[0]

    def explain(self, weights: Tensor, composite: Any) -> Explanation:
        """Relevances for the scalar product of outputs with weights."""
        value = float(self.outputs().double() @ weights.double())
        found: Any = relevances(self.network, self.values, weights, composite=composite)[0]
        total = float(found.sum(dtype=np.float64))
        x: Any = np.asarray(self.values[0].detach().cpu().numpy())
        if self.columns is not None:
            columns = self.columns.cpu().numpy()
            places = np.zeros_like(columns), columns
            found, x = (
                sparse.csr_matrix((part, places), (1, self.n_features)) for part in (found, x)
            )
        bias = math.nan if composite == "gradient" else value - total
        return Explanation(found, value, bias, x, self.names)


def _batch(network: nn.Module, x: Any) -> Tensor:
    """Features of a thing as a user's module takes them."""
    example = next(network.parameters(), torch.zeros(()))
    if sparse.issparse(x):
        return SparseInputs(x, example.device).batch(torch.arange(x.shape[0]))
    found = as_tensor(x, example)
    if not bool(found.isfinite().all()):
        raise ValueError("x contains NaN or infinity")
    return found


def _place(target: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Where a target is among predictions of some shape."""
    place = tuple(target) if isinstance(target, (tuple, list)) else (target,)
    if len(place) != len(shape) or any(not isinstance(i, Integral) for i in place):
        needed = "an integer" if len(shape) == 1 else "a pair: target, relation"
        raise ValueError(f"target is {needed}, not {target!r}")
    for i, n in zip(place, shape, strict=True):
        if not -n <= i < n:
            raise IndexError(f"target {target} is not among targets of shape {shape}")
    return tuple(int(i) for i in place)
