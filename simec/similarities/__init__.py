"""Pairwise similarities to learn from, and what to do to matrices of them.

Of feature vectors (`linear`, `rbf`, `geodesic` and others), of binary vectors (`simpson`,
`tanimoto` and others), of classes (`class_labels`) or of given dissimilarities
(`from_dissimilarities`); then `center`, `scale` and `combine` them, and look at their
`spectrum`.
"""

from simec.similarities.coefficients import (
    jaccard,
    kulczynski,
    mcconnaughey,
    rogot_goldberg,
    simpson,
    sokal,
    tanimoto,
)
from simec.similarities.geodesics import Geodesic, geodesic
from simec.similarities.kernels import class_labels, cosine, linear, polynomial, rbf
from simec.similarities.matrices import (
    Centerer,
    center,
    combine,
    fill_mean,
    from_dissimilarities,
    non_metricity,
    scale,
    spectrum,
)

__all__ = [
    "Centerer",
    "Geodesic",
    "center",
    "class_labels",
    "combine",
    "cosine",
    "fill_mean",
    "from_dissimilarities",
    "geodesic",
    "jaccard",
    "kulczynski",
    "linear",
    "mcconnaughey",
    "non_metricity",
    "polynomial",
    "rbf",
    "rogot_goldberg",
    "scale",
    "simpson",
    "sokal",
    "spectrum",
    "tanimoto",
]
