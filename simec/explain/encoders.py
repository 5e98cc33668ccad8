"""Explanations of the predictions and similarities of encoders (thesis, Sec. 5.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from simec.data.inputs import DatasetInputs, Inputs, SparseInputs, is_dataset
from simec.encoder import SimilarityEncoder
from simec.explain.canonize import copied, restricted, run
from simec.explain.composites import DEFAULT, check_composite
from simec.explain.explanation import Explanation, SimilarityExplanation
from simec.explain.parts import PooledInput, explain_parts, find_pooling
from simec.explain.propagation import as_tensor, example_of, relevances


@torch.inference_mode(False)
def explain_prediction(
    encoder: Any,
    x: Any,
    target: int | tuple[int, int],
    *,
    composite: Any = DEFAULT,
    names: Sequence[str] | None = None,
) -> Explanation:
    """Explain an encoder's prediction of a target, such as one user's rating of a movie.

    Parameters
    ----------
    encoder : SimilarityEncoder, torch.nn.Module or PretrainedRegressor
        A module must map a batch to predictions of shape (b, n). If the embeddings of the parts
        of an input (atoms, tokens, patches) are pooled by sum or mean, parts have the relevances:
        their exact shares of the prediction. A regressor is explained if it has such a pooling;
        of a `PretrainedClassifier`, pass ``encoder_``, whose values are the logits of classes.
    x : array or CSR matrix of shape (1, D), array of shape (D,) or (1, ...), or Dataset
        One input, as for `transform`, such as ``molecules[k]``.
    target : int or (int, int)
        Column of S, or (column, relation) if S has several relations.
    composite : str or zennit.core.Composite
        Rules of layers; see `relevances` and `COMPOSITES`. For linear encoders a closed form is
        used, if the composite's rule for dense layers is "epsilon". Relevances of parts do not
        depend on it.
    names : sequence of str, optional
        Names of features; by default those of the data that the encoder was fitted on, or
        ``x.part_names`` for parts.

    Returns
    -------
    Explanation
        Its value is the prediction before the output activation: for ratings bounded to (1, 5),
        the argument of the sigmoid. For a sparse row, relevances are sparse and only stored
        features have one.

    Raises
    ------
    NoRuleError
        If LRP has no rule for a layer; the message names the layer and alternatives.
    ValueError
        If x is not a single input with the encoder's features, the encoder was fitted without
        features, or the composite is unknown.
    IndexError
        If the target does not exist.
    """
    check_composite(composite)
    if isinstance(encoder, RegressorMixin) and find_pooling(getattr(encoder, "module_", None)):
        explanation = explain_parts(encoder, x, target, _part_names(x, names))
        return replace(explanation, title=f"target {target}: {explanation.value:.3g}")
    one = _read(encoder, x, names, "x")
    if isinstance(encoder, nn.Module):
        outputs = one.outputs()
        weights = torch.zeros_like(outputs)
        weights[_index(target, tuple(outputs.shape))] = 1
    else:
        W_l = encoder.module_.last.weight.detach()
        weights = W_l[(slice(None), *_index(target, tuple(W_l.shape[1:])))]
    explanation = one.explain(weights, composite)
    return replace(explanation, title=f"target {target}: {explanation.value:.3g}")


@torch.inference_mode(False)
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
    """Explain the similarity of two inputs: the scalar product of their embeddings.

    Each input is explained with the embedding of the other one as the last layer. So the features
    of both inputs have relevances, and those of each input sum to the similarity. With pooling by
    sum or mean, parts such as atoms have relevances, see `explain_prediction`.

    Parameters
    ----------
    encoder : SimilarityEncoder or torch.nn.Module
        A module must map a batch to embeddings of shape (b, d).
    x1, x2 : arrays or CSR matrices of shape (1, D), arrays of shape (D,) or (1, ...), or Datasets
        One input each, as for `transform`, such as ``molecules[k]``.
    second : SimilarityEncoder or torch.nn.Module, optional
        Encoder of x2, with embeddings in the same space; see `SimilarityEncoder.fit_columns`.
        By default `encoder`.
    composite : str or zennit.core.Composite
        Rules of layers; see `relevances` and `COMPOSITES`.
    names, second_names : sequence of str, optional
        Names of the features of x1 and of x2. With one encoder, `names` applies to both.

    Returns
    -------
    SimilarityExplanation
        Its value is the scalar product, before any output activation.

    Raises
    ------
    NoRuleError, ValueError
        As for `explain_prediction`, and if embeddings have different lengths.
    """
    check_composite(composite)
    one = _read(encoder, x1, names, "x1")
    if second is None:
        two = _read(encoder, x2, second_names or names, "x2")
    else:
        two = _read(second, x2, second_names, "x2")
    y1, y2 = one.outputs(), two.outputs()
    if y1.shape != y2.shape:
        raise ValueError(
            f"x1 has an embedding of length {len(y1)}, and x2 one of length {len(y2)}: both "
            "encoders must have the same embedding space, see SimilarityEncoder.fit_columns"
        )
    return SimilarityExplanation(
        replace(one.explain(y2, composite), title="first"),
        replace(two.explain(y1, composite), title="second"),
    )


@dataclass(frozen=True)
class _Input:
    """One input, and the network that embeds it.

    Attributes
    ----------
    network : Module
        Maps `values` to outputs.
    values : Tensor of shape (1, ...)
        Features; for a sparse row, only the stored ones.
    columns : Tensor of shape (p,), or None
        Columns of the stored features of a sparse row.
    n_features : int
    names : sequence of str or None
    """

    network: nn.Module
    values: Tensor
    columns: Tensor | None
    n_features: int
    names: Sequence[str] | None

    @classmethod
    def read(cls, encoder: Any, x: Any, names: Sequence[str] | None, argument: str) -> _Input:
        """Check an input as its encoder does; `argument` is its name in errors."""
        if hasattr(x, "to_frame"):  # one row of a data frame
            x = x.to_frame().T
        elif not (
            sparse.issparse(x) or isinstance(x, Tensor) or hasattr(x, "columns") or is_dataset(x)
        ):
            x = np.asarray(x)
        x = x[None] if getattr(x, "ndim", 2) == 1 else x
        if isinstance(encoder, nn.Module):
            network, batch = encoder, _batch(encoder, x)
        elif isinstance(encoder, SimilarityEncoder):
            check_is_fitted(encoder, "module_")
            network = encoder.module_.encoder
            if encoder.layout_.inputs == "identity":
                raise ValueError(
                    "the encoder was fitted without features, so there is nothing to attribute a "
                    "value to: fit it with features X"
                )
            inputs = encoder.inputs(x)
            batch = inputs.batch(torch.arange(len(inputs)))
            names = getattr(encoder, "feature_names_in_", None) if names is None else names
        else:
            hint = ": pass its attribute encoder_" if hasattr(encoder, "encoder_") else ""
            raise TypeError(
                "encoder must be a SimilarityEncoder or a torch.nn.Module, got "
                f"{type(encoder).__name__}{hint}"
            )
        if not isinstance(batch, Tensor):
            raise ValueError(
                f"{argument} has a batch of {type(batch).__name__} instead of a tensor, which is "
                "only explained by its parts: use a network with pooling='sum' or 'mean'"
            )
        if len(batch) != 1:
            raise ValueError(
                f"{argument} must be one row, got {len(batch)} rows: explain one at a time"
            )
        n_features = int(np.prod(batch.shape[1:]))
        if batch.layout == torch.strided:
            return cls(copied(network, batch), batch, None, n_features, names)
        columns = batch.col_indices()
        values = batch.values()[None]
        network = copied(restricted(network, columns), values)
        return cls(network, values, columns, n_features, names)

    def outputs(self) -> Tensor:
        """Return the network's output of shape (d,): an embedding, or a module's predictions."""
        with torch.no_grad():
            return run(self.network, self.values)[0]

    def explain(self, weights: Tensor, composite: Any) -> Explanation:
        """Explain the scalar product of the outputs with weights."""
        value = float(self.outputs().double() @ weights.double())
        R: Any = relevances(self.network, self.values, weights, composite=composite)[0]
        total = float(R.sum(dtype=np.float64))
        x: Any = np.asarray(self.values[0].detach().cpu().numpy())
        if self.columns is not None:
            columns = self.columns.cpu().numpy()
            indices = np.zeros_like(columns), columns
            R, x = (sparse.csr_matrix((a, indices), (1, self.n_features)) for a in (R, x))
        bias = math.nan if composite == "gradient" else value - total
        return Explanation(R, value, bias, x, self.names)


def _read(encoder: Any, x: Any, names: Sequence[str] | None, argument: str) -> _Input | PooledInput:
    """Check an input as its encoder does; `argument` is its name in errors."""
    if isinstance(encoder, SimilarityEncoder):
        check_is_fitted(encoder, "module_")
        network = encoder.module_.encoder
    else:
        network = encoder
    if find_pooling(network) is None:
        return _Input.read(encoder, x, names, argument)
    inputs: Inputs
    if isinstance(encoder, SimilarityEncoder):
        if not is_dataset(x) and np.ndim(x) == 1:
            x = np.asarray(x)[None]
        inputs = encoder.inputs(x)
    elif is_dataset(x):
        inputs = DatasetInputs(x, example_of(network).device, ids=True)
    else:
        return _Input.read(encoder, x, names, argument)
    if len(inputs) != 1:
        raise ValueError(
            f"{argument} must be one row, got {len(inputs)} rows: explain one at a time"
        )
    return PooledInput.read(network, inputs.batch(torch.arange(1)), _part_names(x, names))


def _part_names(x: Any, names: Sequence[str] | None) -> Sequence[str] | None:
    return getattr(x, "part_names", None) if names is None else names


def _batch(network: nn.Module, x: Any) -> Any:
    """Convert features to a tensor, or the batch of a data set, for a custom module."""
    example = example_of(network)
    if is_dataset(x):
        inputs = DatasetInputs(x, example.device, ids=True)
        return inputs.batch(torch.arange(len(inputs)))
    if sparse.issparse(x):
        return SparseInputs(x, example.device).batch(torch.arange(x.shape[0]))
    return as_tensor(x, example, "x")


def _index(target: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Check the index of a target among predictions of the given shape."""
    index = tuple(target) if isinstance(target, (tuple, list)) else (target,)
    if len(index) != len(shape) or any(not isinstance(i, Integral) for i in index):
        needed = "an integer" if len(shape) == 1 else "a pair (target, relation)"
        raise ValueError(f"target must be {needed}, got {target!r}")
    for i, n in zip(index, shape, strict=True):
        if not -n <= i < n:
            raise IndexError(f"target {target} is out of range for targets of shape {shape}")
    return tuple(int(i) for i in index)
