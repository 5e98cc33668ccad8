"""Contrastive pre-training of image networks, as a rival of pre-training on similarities.

The loss is lightly's (extra ``contrastive``), training is that of `simec.SimilarityEncoder`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from corpora.checks import ParameterError, check_integer, check_number, check_sizes, shown
from simec.data.targets import Batch, Targets
from simec.encoder import SimilarityEncoder
from simec.network import perceptron

__all__ = ["TwoViews", "augment_images", "pretrain_contrastive"]

_SAMPLE = 2  # items that show the size of embeddings


class TwoViews(Dataset[Tensor]):
    """Two random views of each image, drawn anew each time.

    Parameters
    ----------
    X : array or tensor of shape (m, channels, h, w)
        Images.
    augment : callable
        Takes a float32 tensor of images, (b, channels, h, w), and returns a random view of each,
        drawn with PyTorch's global generator (the encoder seeds it). See `augment_images`.
    """

    def __init__(self, X: Any, augment: Callable[[Tensor], Tensor]) -> None:
        if not callable(augment):
            raise ParameterError(f"augment must be a callable, got {shown(augment)}")
        self.X = torch.as_tensor(X)
        if self.X.ndim != 4:
            raise ValueError(f"X must have shape (m, channels, h, w), got {tuple(self.X.shape)}")
        self.augment = augment

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, row: int) -> Tensor:
        """Return two views, shape (2, channels, h, w)."""
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: Sequence[int]) -> Tensor:
        """Return two views of each image, shape (b, 2, channels, h, w)."""
        images = self.X[torch.as_tensor(rows)].float()
        return torch.stack([self.augment(images), self.augment(images)], dim=1)

    def collate_fn(self, items: Tensor | Sequence[Tensor]) -> Tensor:
        """Return a batch."""
        return items if isinstance(items, Tensor) else torch.stack(list(items))


def augment_images(
    images: Tensor, *, smallest: float = 0.2, jitter: float = 0.4, gray: float = 0.2
) -> Tensor:
    """Return a random view of each image: a resized crop, mirrored or not, with other colors.

    A short form of the augmentations of Chen et al. (2020), for all images at once.

    Parameters
    ----------
    images : float tensor of shape (b, channels, h, w)
    smallest : float
        Smallest share of the area of an image in a crop, from 0 to 1. The ratio of its sides is
        from 3/4 to 4/3 of the image's.
    jitter : float
        Range of random changes of channels: each is multiplied by 1 ± `jitter`, and shifted by
        ± `jitter` standard deviations of the batch.
    gray : float
        Probability that an image becomes gray.

    Returns
    -------
    tensor of the same shape
    """
    b, channels = images.shape[:2]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(shape, device=images.device, dtype=images.dtype) * (high - low) + low

    area, ratio = uniform(smallest, 1, b), uniform(-1, 1, b).mul(math.log(4 / 3) / 2).exp()
    width, height = (area.sqrt() * ratio).clamp(max=1), (area.sqrt() / ratio).clamp(max=1)
    theta = images.new_zeros(b, 2, 3)
    theta[:, 0, 0] = width * torch.randint(2, (b,), device=images.device).mul(2).sub(1)
    theta[:, 1, 1] = height
    theta[:, 0, 2] = uniform(-1, 1, b) * (1 - width)
    theta[:, 1, 2] = uniform(-1, 1, b) * (1 - height)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    views = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    shape = b, channels, 1, 1
    views = views * uniform(1 - jitter, 1 + jitter, *shape)
    views = views + uniform(-jitter, jitter, *shape) * images.std()
    is_gray = uniform(0, 1, b, 1, 1, 1) < gray
    return torch.where(is_gray, views.mean(dim=1, keepdim=True), views)


def pretrain_contrastive(
    network: nn.Module,
    views: Dataset[Any],
    *,
    projection: Sequence[int] = (128, 64),
    temperature: float = 0.5,
    batch_size: int = 256,
    random_state: int | np.random.RandomState | None = None,
    **parameters: Any,
) -> nn.Module:
    """Train a copy of a network so that two views of an image have similar embeddings (SimCLR).

    As in Chen et al. (2020), views are compared after a projection, which is discarded.

    Parameters
    ----------
    network : torch.nn.Module
        Maps images of shape (b, ...) to embeddings of shape (b, d).
    views : Dataset
        Items are two views of an image, shape (2, ...); see `TwoViews`.
    projection : sequence of int
        Sizes of the layers of the projection, with ReLU between them; may be empty.
    temperature : float
        Of lightly's NTXentLoss.
    batch_size : int
        Number of images in a batch, each compared with all others.
    random_state : int, RandomState or None
        Seed of the projection's initial weights, views and batches.
    **parameters
        Others of `simec.SimilarityEncoder`, such as `max_iter`, `learning_rate` and `verbose`.

    Returns
    -------
    torch.nn.Module
        A trained copy of the network, as `simec.pretraining.PretrainedClassifier` takes it.

    Raises
    ------
    ImportError
        If lightly is not installed, or cannot be imported.
    ValueError
        If parameters are out of range, or items are not pairs of views.
    """
    try:
        from lightly.loss import NTXentLoss
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision of another PyTorch
        raise ImportError(
            "contrastive pre-training needs lightly: pip install similarity-encoders[contrastive] "
            f"({error})"
        ) from error
    if not isinstance(network, nn.Module):
        raise ParameterError(f"network must be a torch.nn.Module, got {shown(network)}")
    check_integer("batch_size", batch_size, 2)
    sizes = check_sizes("projection", projection)
    loss = NTXentLoss(temperature=check_number("temperature", temperature, 0, above=True))
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    model = _ViewsNetwork(network, sizes, _sample(views), seed)
    n = 2 * model.size
    encoder = SimilarityEncoder(
        n, network=model, loss=_LossOfHalves(loss, batch_size), init="random", solver="adam",
        batch_size=batch_size, random_state=seed, **parameters,
    )  # fmt: skip
    with torch.random.fork_rng([]):  # views of validation are drawn from the global generator
        torch.manual_seed(seed)
        encoder.fit(views, _NoTargets(len(views), n), last_layer=np.eye(n, dtype=np.float32))  # type: ignore[arg-type]
    trained: Any = encoder.network_
    embedding: nn.Module = trained.network
    return embedding


class _ViewsNetwork(nn.Module):
    """Embeds two views of each image, and projects the embeddings.

    Parameters
    ----------
    network : Module
    projection : tuple of int
    sample : tensor of shape (b, 2, ...)
    seed : int
        For the initial weights of the projection.
    """

    def __init__(
        self, network: nn.Module, projection: tuple[int, ...], sample: Tensor, seed: int
    ) -> None:
        super().__init__()
        self.network = network
        mode = network.training
        with torch.no_grad():
            embedded = network.eval()(sample[:, 0])
        network.train(mode)
        if not isinstance(embedded, Tensor) or embedded.ndim != 2:
            raise ValueError("network must return a tensor of shape (b, d): add a pooling to it")
        sizes = embedded.shape[1], *projection
        self.size = sizes[-1]
        generator = torch.Generator().manual_seed(seed)
        self.projection = perceptron(sizes, "relu", generator=generator)

    def forward(self, views: Tensor) -> Tensor:
        """Return projections of both views side by side, shape (b, 2 k)."""
        b = len(views)
        # all first views, then all second ones
        projected = self.projection(self.network(views.transpose(0, 1).flatten(0, 1)))
        return torch.cat([projected[:b], projected[b:]], dim=1)


class _LossOfHalves:
    """A loss of two views, for predictions with both side by side.

    Parameters
    ----------
    loss : callable
        Takes two tensors of shape (b, k), and returns a mean.
    batch_size : int
        Larger batches, as for validation, are split: the loss depends on their size.
    """

    def __init__(self, loss: Callable[[Tensor, Tensor], Tensor], batch_size: int) -> None:
        self.loss, self.batch_size = loss, batch_size

    def __call__(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return the mean loss in the shape of the targets."""
        parts = predicted.tensor_split(math.ceil(len(predicted) / self.batch_size))
        losses = [self.loss(*part.chunk(2, dim=1)) * len(part) for part in parts]
        return (torch.stack(losses).sum() / len(predicted)).expand(target.shape)


class _NoTargets(Targets):
    """Targets for losses that do not use them.

    Parameters
    ----------
    m, n : int
        Numbers of rows and columns.
    """

    complete = True

    def __init__(self, m: int, n: int) -> None:
        self._m, self.shape = m, (n,)

    def __len__(self) -> int:
        return self._m

    def batch(self, rows: Tensor) -> Batch:
        """Return zeros."""
        return torch.zeros(len(rows), *self.shape, device=rows.device), None


def _sample(views: Any) -> Tensor:
    """Return the first items of a data set of views."""
    if not isinstance(views, Dataset) or not hasattr(views, "__len__"):
        raise ParameterError(
            "views must be a map-style data set of pairs of views, such as TwoViews(X, "
            f"augment_images), got {shown(views)}"
        )
    if len(views) < _SAMPLE:
        raise ValueError(f"views must have at least {_SAMPLE} items, got {len(views)}")
    items = [views[i] for i in range(_SAMPLE)]
    if not all(isinstance(item, Tensor) and item.ndim > 1 and len(item) == 2 for item in items):
        shapes = [getattr(item, "shape", type(item).__name__) for item in items]
        raise ValueError(f"items of views must be tensors of shape (2, ...), got {shapes[0]}")
    return torch.stack(items).float()
