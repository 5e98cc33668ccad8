"""Random views of images as inputs of a network in training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.checks import ParameterError, check_flag, check_integer, shown

__all__ = ["RandomViews", "shift_images"]


class RandomViews(nn.Module):
    """A network that sees another random view of each image every time, in training alone.

    Pre-training with it teaches the network that views of an image are similar to the same images:
    the targets stay those of the images themselves.
    ``SimilarityEncoder(d, network=RandomViews(network, shift_images)).fit(X, S).network_.network``
    is the trained network without the views.

    Parameters
    ----------
    network : torch.nn.Module
        Maps images of shape (b, channels, h, w) to embeddings.
    augment : callable
        Takes a tensor of images, (b, channels, h, w), and returns a random view of each, drawn
        with PyTorch's global generator, which Similarity Encoders seed for each epoch:
        `shift_images`, or `augment_images` for larger changes.

    Attributes
    ----------
    network : torch.nn.Module
    """

    def __init__(self, network: nn.Module, augment: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        if not isinstance(network, nn.Module):
            raise ParameterError(f"network must be a torch.nn.Module, got {shown(network)}")
        if not callable(augment):
            raise ParameterError(f"augment must be a callable, got {shown(augment)}")
        self.network = network
        self.augment = augment

    def forward(self, images: Tensor) -> Tensor:
        """Return the network's output for views in training, and for the images otherwise."""
        output: Tensor = self.network(self.augment(images) if self.training else images)
        return output


def shift_images(images: Tensor, *, pixels: int = 2, mirror: bool = True) -> Tensor:
    """Shift each image at random, and mirror every second one on average.

    Parameters
    ----------
    images : tensor of shape (b, channels, h, w)
    pixels : int
        Largest shift in each direction, less than h and w. The opposite edge is filled by
        reflection.
    mirror : bool
        Exchange left and right with a probability of 1/2.

    Returns
    -------
    tensor of the same shape
    """
    if images.ndim != 4:
        raise ValueError(f"images must have shape (b, channels, h, w), got {tuple(images.shape)}")
    b, _, height, width = images.shape
    check_integer("pixels", pixels, 0, min(height, width) - 1)
    device = images.device
    if check_flag("mirror", mirror):
        mirrored = torch.rand(b, 1, 1, 1, device=device) < 0.5
        images = torch.where(mirrored, images.flip(3), images)
    if not pixels:
        return images
    padded = F.pad(images, (pixels,) * 4, mode="reflect")
    top, left = torch.randint(2 * pixels + 1, (2, b, 1), device=device)
    rows = top + torch.arange(height, device=device)
    columns = left + torch.arange(width, device=device)
    batch = torch.arange(b, device=device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[batch, rows[:, :, None], columns[:, None, :]].permute(
        0, 3, 1, 2
    )
