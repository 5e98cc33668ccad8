"""Embeddings of elements by their period and group in the periodic table (Fig. 6.27)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from corpora.checks import check_integer
from simec.molecules.elements import SYMBOLS

__all__ = ["PeriodGroupEmbedding", "period_and_group"]

_NOBLE_GASES = (2, 10, 18, 36, 54, 86, 118)


def period_and_group(Z: int) -> tuple[int, int]:
    """Return the period (1 to 7) and group (1 to 18) of an element by its atomic number.

    All lanthanides and actinides are in group 3.

    Raises
    ------
    ValueError
        If there is no such element.
    """
    Z = check_integer("Z", Z, 1, len(SYMBOLS) - 1)
    period = next(k for k, last in enumerate(_NOBLE_GASES, 1) if last >= Z)
    first = _NOBLE_GASES[period - 2] + 1 if period > 1 else 1
    from_left, from_right = Z - first + 1, 18 - (_NOBLE_GASES[period - 1] - Z)
    if from_left <= 2 and Z != 2:
        return period, from_left
    # periods 6 and 7 have 14 more elements than the 16 groups after the second
    return period, max(from_right, 3)


class PeriodGroupEmbedding(nn.Module):
    """Concatenates an embedding of an element's period with one of its group.

    Used as ``SchNet(128, embedding=PeriodGroupEmbedding(128))`` (PG-SchNet). An element that did
    not occur in training has a meaningful embedding if others of its period, and others of its
    group, did. All lanthanides have the same embedding, and so have all actinides.

    Parameters
    ----------
    n_features : int, default 128
        Length of the concatenated embedding.
    n_period : int, optional
        Length of the part for the period; half of `n_features` by default.

    Attributes
    ----------
    period, group : Embedding
        With 8 and 19 rows; row 0 is for padding.
    """

    def __init__(self, n_features: int = 128, n_period: int | None = None) -> None:
        super().__init__()
        n_features = check_integer("n_features", n_features, 2)
        if n_period is None:
            n_period = n_features // 2
        n_period = check_integer("n_period", n_period, 1, n_features - 1)
        self.period = nn.Embedding(len(_NOBLE_GASES) + 1, n_period, padding_idx=0)
        self.group = nn.Embedding(18 + 1, n_features - n_period, padding_idx=0)
        places = [(0, 0), *(period_and_group(Z) for Z in range(1, len(SYMBOLS)))]
        self.places: Tensor
        self.register_buffer("places", torch.tensor(places), persistent=False)

    def forward(self, Z: Tensor) -> Tensor:
        """Return embeddings of shape (n, n_features) for atomic numbers of shape (n,)."""
        period, group = self.places[Z].unbind(-1)
        return torch.cat([self.period(period), self.group(group)], dim=-1)
