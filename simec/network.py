"""The network of a Similarity Encoder: embedding network, last layer and decoder (Fig. 2.1)."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.array_file import encode_arrays
from corpora.checks import check_choice, check_flag, check_integer
from corpora.errors import ModelError
from corpora.files import StrPath, atomic_path
from corpora.saved_data import check_saved_array, check_saved_object
from simec.data.inputs import INTEGERS, DatasetInputs, as_array, check_form, is_dataset
from simec.types import Float64, InputKind


class ShiftedSoftplus(nn.Module):
    """``log(eˣ / 2 + 1 / 2)``, which is 0 at 0 (Schütt et al., 2018)."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function to each value."""
        return F.softplus(x) - math.log(2)


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
    "shifted_softplus": ShiftedSoftplus,
}

TargetActivation = str | tuple[float, float] | None
# errors of modules that do not accept a batch
REFUSED = ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError

PoolingMethod = str | Callable[[Any], Tensor] | None

# PyTorch's pool of threads does not survive a fork: a child that uses it waits forever
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


@dataclass(frozen=True)
class Layout:
    """Shapes of the data that an encoder is fitted to.

    Attributes
    ----------
    inputs : {"dense", "sparse", "identity", "ids"}
        "ids" are integers that a custom network looks up.
    n_features : int
        Number of features D; for the identity, its number of rows; 1 if a data set returns
        something other than tensors.
    targets : tuple of int
        Shape of a row of S: ``(n,)`` or ``(n, k)``.
    vector : bool
        Whether S was one-dimensional.
    """

    inputs: InputKind
    n_features: int
    targets: tuple[int, ...]
    vector: bool = False

    @classmethod
    def from_dict(cls, data: Any) -> Layout:
        """Restore a layout from the output of `to_dict`, which may have been saved as JSON.

        Raises
        ------
        ValueError, TypeError
            If it is not valid.
        """
        data = check_saved_object("layout", data, ("inputs", "n_features", "targets"))
        check_choice("inputs", data["inputs"], ("dense", "sparse", "identity", "ids"))
        targets = data["targets"]
        if not isinstance(targets, (list, tuple)) or len(targets) not in (1, 2):
            raise ValueError(f"targets must be one or two sizes, got {targets!r}")
        return cls(
            data["inputs"], check_integer("n_features", data["n_features"], 1),
            tuple(check_integer("a size of targets", n, 0) for n in targets),
            check_flag("vector", data.get("vector", False)),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


class SparseLinear(nn.Module):
    """A linear layer for sparse rows or rows of the identity; it reads only stored entries.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    generator : torch.Generator, optional
        For the initial weights; PyTorch's global one by default.

    Attributes
    ----------
    weight : Parameter of shape (in_features, out_features)
        The transpose of that of `torch.nn.Linear`: the weights of a feature are contiguous.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = nn.Parameter(torch.empty(in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None
        bound = math.sqrt(3 / in_features)
        nn.init.uniform_(self.weight, -bound, bound, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Transform a dense or CSR matrix of shape (b, in_features), or row numbers, (b,)."""
        if x.dtype == torch.int64:
            y = F.embedding(x, self.weight)
        elif x.layout == torch.sparse_csr:
            y = F.embedding_bag(
                x.col_indices(),
                self.weight,
                x.crow_indices()[:-1],
                mode="sum",
                per_sample_weights=x.values().to(self.weight.dtype),
            )
        else:
            y = x @ self.weight
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """Return the sizes, for ``repr``."""
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"


class LastLayer(nn.Module):
    """Multiplies embeddings by W_l, and applies an activation that bounds predictions.

    Parameters
    ----------
    n_components : int
        Length d of embeddings.
    targets : sequence of int
        Shape of a row of targets: ``(n,)``, or ``(n, k)`` for k relations.
    activation : "sigmoid", (low, high) or None
    generator : torch.Generator, optional
        For the initial weights; PyTorch's global one by default.

    Attributes
    ----------
    weight : Parameter of shape (d, n) or (d, n, k)
        W_l.
    """

    def __init__(
        self,
        n_components: int,
        targets: Sequence[int],
        activation: TargetActivation = None,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_components, *targets))
        nn.init.normal_(self.weight, std=1 / math.sqrt(n_components), generator=generator)
        if activation is None:
            self.low, self.high = -math.inf, math.inf
        elif isinstance(activation, str):
            self.low, self.high = 0.0, 1.0
        else:
            self.low, self.high = float(activation[0]), float(activation[1])

    @property
    def is_linear(self) -> bool:
        """Whether there is no activation."""
        return not math.isfinite(self.low)

    def linear(self, y: Tensor) -> Tensor:
        """Compute values before the activation, shape (b, n) or (b, n, k)."""
        d, *targets = self.weight.shape
        return (y @ self.weight.reshape(d, -1)).reshape(len(y), *targets)

    def forward(self, y: Tensor) -> Tensor:
        """Predict targets from embeddings of shape (b, d)."""
        return self.activate(self.linear(y))

    def activate(self, values: Tensor) -> Tensor:
        """Map real values to the range of the targets."""
        if self.is_linear:
            return values
        return self.low + (self.high - self.low) * torch.sigmoid(values)

    def deactivate(self, targets: Tensor) -> Tensor:
        """Invert the activation; targets near the ends of the range are clipped."""
        if self.is_linear:
            return targets
        share = (targets - self.low) / (self.high - self.low)
        return torch.logit(share.clamp(0.02, 0.98))


class Pooling(nn.Module):
    """Combines the embeddings of the parts of a point (atoms, tokens, patches) into one.

    A network with pooling returns, for a batch of b points, one of

    - a tensor of shape (b, t, d): t parts of each point;
    - a tensor of shape (b, t, d) and a bool mask of shape (b, t), True for parts that exist;
    - a tensor of shape (N, d) with the parts of all points, one point after the other, and the
      number of parts of each point, int64, of shape (b,).

    Parameters
    ----------
    method : "sum", "mean" or callable
        A callable takes the output of the network and returns a tensor of shape (b, d).
    """

    def __init__(self, method: str | Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.method = method

    def forward(self, output: Any) -> Tensor:
        """Return embeddings of shape (b, d)."""
        if callable(self.method):
            return self.method(output)
        parts, which = split_parts(output)
        if which is None:
            return parts.sum(1) if self.method == "sum" else parts.mean(1)
        if which.ndim == 2:
            mask = which[..., None]
            # parts that do not exist may hold anything, such as NaN
            total = parts.masked_fill(~mask, 0).sum(1)
            n_parts = mask.sum(1)
        else:
            total = torch.segment_reduce(parts.contiguous(), "sum", lengths=which, axis=0)
            n_parts = which[:, None]
        return total if self.method == "sum" else total / n_parts.clamp(min=1)

    def extra_repr(self) -> str:
        """Return the method, for ``repr``."""
        return repr(self.method)


def split_parts(output: Any) -> tuple[Tensor, Tensor | None]:
    """Split the output of a network into embeddings of parts, and a mask or numbers of parts.

    Raises
    ------
    TypeError, ValueError
        If it is not one of the forms that `Pooling` takes.
    """
    parts, which = output if isinstance(output, tuple) and len(output) == 2 else (output, None)
    if not isinstance(parts, Tensor) or not (which is None or isinstance(which, Tensor)):
        raise TypeError(
            "a network with pooling must return a tensor of the embeddings of parts, or a pair of "
            f"tensors, got {type(output).__name__}"
        )
    shapes = f"{tuple(parts.shape)}" + ("" if which is None else f" and {tuple(which.shape)}")
    by_mask = which is not None and which.dtype == torch.bool
    if which is None or by_mask:
        valid = parts.ndim == 3 and (which is None or which.shape == parts.shape[:2])
    else:
        valid = parts.ndim == 2 and which.ndim == 1 and not which.dtype.is_floating_point
        valid = valid and int(which.sum()) == len(parts)
    if not valid:
        raise ValueError(
            "a network with pooling must return parts of shape (b, t, d), these and a bool mask of "
            "shape (b, t), or parts of shape (N, d) and their number for each point, which add "
            f"up to N; got shape {shapes}"
        )
    return parts, which


def map_parts(function: Callable[[Tensor], Tensor], output: Any) -> Any:
    """Apply a function to the embeddings of parts in the output of a network.

    Parameters
    ----------
    function : callable
        From a tensor of shape (..., d) to one of shape (..., d').
    output : Tensor or tuple of two Tensors
        As for `Pooling`; or a tensor of shape (b, d).
    """
    if isinstance(output, tuple) and len(output) == 2:
        return function(output[0]), output[1]
    return function(output)


class PooledNetwork(nn.Module):
    """A network followed by pooling.

    Attributes
    ----------
    network : Module
    pooling : Pooling
    """

    def __init__(self, network: nn.Module, method: str | Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.network, self.pooling = network, Pooling(method)

    def forward(self, x: Any) -> Tensor:
        """Return embeddings of shape (b, d)."""
        embedded: Tensor = self.pooling(self.network(x))
        return embedded


class SimEcNetwork(nn.Module):
    """The full network, from features to predictions.

    Attributes
    ----------
    encoder : Module
        From features to embeddings of shape (b, d).
    last : LastLayer
    decoder : Module or None
        From embeddings back to features of shape (b, D).
    """

    def __init__(
        self, encoder: nn.Module, last: LastLayer, decoder: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.last = last
        self.decoder = decoder

    def forward(self, x: Tensor) -> Tensor:
        """Predict targets, shape (b, n) or (b, n, k)."""
        predicted: Tensor = self.last(self.encoder(x))
        return predicted


def perceptron(
    sizes: Sequence[int],
    activation: str,
    *,
    bias: bool = True,
    sparse: bool = False,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Build linear layers with activations between them and none at the end.

    Parameters
    ----------
    sizes : sequence of int
        Number of features, units of each hidden layer, and length of embeddings.
    activation : str
        One of `ACTIVATIONS`.
    bias : bool
        Whether the layers have biases.
    sparse : bool
        Whether the first layer takes sparse rows.
    generator : torch.Generator, optional
        For the initial weights; PyTorch's global one by default.
    """
    layers: list[nn.Module] = []
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        if layers:
            layers.append(ACTIVATIONS[activation]())
        if sparse and i == 0:
            layers.append(SparseLinear(n_in, n_out, bias=bias, generator=generator))
        else:
            layers.append(_dense_layer(n_in, n_out, bias=bias, generator=generator))
    return nn.Sequential(*layers)


def _dense_layer(
    n_in: int, n_out: int, *, bias: bool, generator: torch.Generator | None
) -> nn.Linear:
    """Build a `torch.nn.Linear` whose default initial weights are drawn from a generator."""
    layer: nn.Linear
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out, bias=bias)  # type: ignore[no-untyped-call]
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    if bias:
        bound = 1 / math.sqrt(n_in)
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer


def has_embedding(network: nn.Module) -> bool:
    """Whether a module contains an `torch.nn.Embedding`, which takes integers."""
    return any(isinstance(m, (nn.Embedding, nn.EmbeddingBag)) for m in network.modules())


def refusal_hint(network: nn.Module, x: Any, error: BaseException) -> str:
    """What to do about a batch that a module does not accept, for messages; may be empty.

    Parameters
    ----------
    network : Module
    x : Tensor or any other batch
    error : Exception
        Raised by the module.
    """
    if not isinstance(x, Tensor) or not has_embedding(network):
        return ""
    if x.dtype.is_floating_point:
        return "; nn.Embedding looks up integers: pass X as an array of integers"
    if isinstance(error, IndexError):
        return (
            "; increase num_embeddings of its nn.Embedding, or map unknown ids to one that is known"
        )
    return ""


def takes_ids(network: nn.Module, X: Any, device: torch.device) -> bool:
    """Whether X has integers that a custom network looks up, instead of computing with.

    Parameters
    ----------
    network : Module
        It is not changed.
    X : array, sparse matrix, tensor or Dataset
    device : torch.device
    """
    check_form(X)
    if not has_embedding(network) or sparse.issparse(X):
        return False
    if is_dataset(X):
        x = DatasetInputs(X, device, ids=True).batch(torch.arange(1))
    else:
        first = np.asarray(X[:1])
        if first.dtype.kind not in "iu":
            return False
        x = torch.as_tensor(first.astype(np.int64))
    if not isinstance(x, Tensor) or x.dtype not in INTEGERS:
        return False
    try:
        with torch.no_grad():
            copy.deepcopy(network).to(device).eval()(x.to(device).long())
    except IndexError:  # the id is out of range: reported when the network is checked
        return True
    except REFUSED:
        return False  # such as a network of images that looks up the positions of patches
    return True


def save_weights(network: nn.Module, path: StrPath) -> None:
    """Save the ``state_dict`` of a module to a safetensors file; a file of that name is replaced.

    Parameters
    ----------
    network : Module
    path : str or path

    Raises
    ------
    OSError
        If it cannot be written.
    """
    arrays = {name: as_array(value) for name, value in network.state_dict().items()}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        for block in encode_arrays(arrays):
            file.write(block)


def check_weights(
    weights: Mapping[str, npt.NDArray[Any]],
    layout: Layout,
    *,
    n_components: int,
    hidden_layers: Sequence[int],
    network: nn.Module | None,
    bias: bool,
    decoder: bool,
) -> None:
    """Raise ValueError unless saved weights have the size of a network, before one is built.

    Parameters
    ----------
    weights : mapping of str to array
        As in the state of a `SimEcNetwork`.
    layout, n_components, hidden_layers, network, bias, decoder
        As for `build`. Only the last layer of a custom network is checked.
    """
    check_saved_array("last.weight", weights, "float", (n_components, *layout.targets))
    if network is not None:
        return
    sizes = [layout.n_features, *map(int, hidden_layers), n_components]
    n_layers = (len(sizes) - 1) * (2 if decoder else 1)
    if n_layers > len(weights):
        raise ValueError(f"a network of {n_layers} layers needs more than {len(weights)} arrays")
    # as in `build`: the identity needs no biases
    has_bias = bias and not (layout.inputs == "identity" and len(sizes) == 2)
    n = sum((a + has_bias) * b for a, b in pairwise(sizes))
    if decoder:
        n += sum((a + bias) * b for a, b in pairwise(sizes[::-1]))
    n += n_components * math.prod(layout.targets)
    if n != (total := sum(array.size for array in weights.values())):
        raise ValueError(f"a network with layers of sizes {sizes} has {n} weights, got {total}")


def has_finite_weights(network: nn.Module) -> bool:
    """Whether all parameters are finite; buffers may be infinite, as masks of attention are."""
    return all(bool(p.isfinite().all()) for p in network.parameters()) and not any(
        bool(b.isnan().any()) for b in network.buffers()
    )


def check_saved_weights(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, custom: bool
) -> None:
    """Raise an error unless saved weights are those of a network.

    Parameters
    ----------
    tensors, expected : mapping of str to Tensor
        As for `check_tensors`.
    custom : bool
        Whether the network was passed by the user.

    Raises
    ------
    ModelError
        If names, shapes or types differ and the network was passed.
    ValueError
        If they differ otherwise, or weights are not finite.
    """

    def kinds(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
        return {name: value.shape for name, value in weights.items()}

    if custom and kinds(tensors) != kinds(expected):
        try:
            check_tensors("weights", tensors, expected)
        except ValueError as error:
            raise ModelError(
                "the network that was passed is not like the one that was saved, or the file is "
                f"damaged: {error}"
            ) from error
    check_tensors("weights", tensors, expected)


def check_tensors(what: str, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless saved tensors have the names, shapes and types of others.

    Parameters
    ----------
    what : str
        What they are, for errors.
    tensors, expected : mapping of str to Tensor
        bfloat16 is saved as float32.
    """
    if set(tensors) != set(expected):
        names = ", ".join(sorted(set(tensors) ^ set(expected)))
        raise ValueError(f"{what}: missing or unexpected arrays ({names})")
    for name, value in tensors.items():
        like = expected[name]
        dtype = torch.float32 if like.dtype == torch.bfloat16 else like.dtype
        if value.shape != like.shape or value.dtype != dtype:
            raise ValueError(
                f"{what}: {name} must be {dtype} of shape {tuple(like.shape)}, got {value.dtype} "
                f"of shape {tuple(value.shape)}"
            )
        # constants, such as masks of attention, may be infinite
        if not bool((torch.isfinite(value) | (value == like.to(value))).all()):
            raise ValueError(f"{what}: {name} has values that are not finite")


def check_optimizer(states: Mapping[int, Mapping[str, Tensor]], parameters: Sequence[Tensor],
                    known: Mapping[str, bool]) -> None:  # fmt: skip
    """Raise ValueError unless the saved state of an optimizer fits its parameters.

    Parameters
    ----------
    states : mapping of int to mappings of str to Tensor
        By the number of a parameter.
    parameters : sequence of Tensor
    known : mapping of str to bool
        Names of values, and whether they have the shape of the parameter; others are numbers.
    """
    for number, state in states.items():
        if not 0 <= number < len(parameters) or set(state) != set(known):
            raise ValueError("the state of the optimizer belongs to another network")
        parameter = parameters[number]
        check_tensors("optimizer", state, {
            name: torch.empty_like(parameter) if is_like else torch.zeros(())
            for name, is_like in known.items()
        })  # fmt: skip


def build(
    layout: Layout,
    seed: int,
    *,
    n_components: int,
    hidden_layers: Sequence[int],
    activation: str,
    network: nn.Module | None,
    pooling: PoolingMethod,
    bias: bool,
    decoder: bool | nn.Module,
    target_activation: TargetActivation,
) -> SimEcNetwork:
    """Build a network with random weights.

    PyTorch's global generator is not used, so that fits in several threads are reproducible.

    Parameters
    ----------
    layout : Layout
    seed : int
    n_components, hidden_layers, activation, network, bias, target_activation
        As in `simec.SimilarityEncoder`.
    decoder : bool
        Whether to add a decoder, with the layers of the embedding network in reverse order.

    Raises
    ------
    ValueError
        If `decoder` or `network` is set without features, or both are set.
    """
    generator = torch.Generator().manual_seed(seed)
    mirrored: nn.Module | None = None
    identity = layout.inputs == "identity"
    if network is not None:
        if identity:
            raise ValueError("a custom network needs features, but X is None")
        if decoder is True:
            raise ValueError(
                "decoder=True is not available with a custom network: pass a module, such as "
                "simec.pretraining.mirrored(network, X[:1])"
            )
        embedding = copy.deepcopy(network)
        if pooling is not None:
            embedding = PooledNetwork(embedding, copy.deepcopy(pooling))
        if isinstance(decoder, nn.Module):
            mirrored = copy.deepcopy(decoder)
    else:
        if decoder and identity:
            raise ValueError("decoder=True is not available without features: X is None")
        sizes = [layout.n_features, *map(int, hidden_layers), n_components]
        embedding = perceptron(
            sizes,
            activation,
            # each row of the identity has its own weights, so a bias would be redundant
            bias=bias and not (identity and len(sizes) == 2),
            sparse=layout.inputs != "dense",
            generator=generator,
        )
        if decoder:
            mirrored = perceptron(sizes[::-1], activation, bias=bias, generator=generator)
    last = LastLayer(n_components, layout.targets, target_activation, generator=generator)
    return SimEcNetwork(embedding, last, mirrored)


def is_linear_layer(layer: nn.Module) -> bool:
    """Whether a layer is a `torch.nn.Linear` or a `SparseLinear`."""
    return isinstance(layer, (nn.Linear, SparseLinear))


def is_linear(encoder: nn.Module) -> bool:
    """Whether an embedding network is a single linear layer."""
    return isinstance(encoder, nn.Sequential) and len(encoder) == 1 and is_linear_layer(encoder[0])


def set_weights(layer: nn.Module, W: Float64) -> None:
    """Set the weights of a layer, and its biases if it has any, from an array of shape (p, d).

    The last row of `W` holds the biases, if any.
    """
    with torch.no_grad():
        weights = torch.from_numpy(W)
        if layer.bias is not None:
            layer.bias.copy_(weights[-1])  # type: ignore[operator]
            weights = weights[:-1]
        layer.weight.copy_(  # type: ignore[operator]
            weights if isinstance(layer, SparseLinear) else weights.T
        )
