"""Pairwise similarities as training targets, and functions of similarity matrices.

Similarities of feature vectors (`linear`, `rbf`, `geodesic` and others), of binary vectors
(`simpson`, `tanimoto` and others, which also take `PackedBits`), of images (`patches`), of class
labels (`class_labels`) and from dissimilarities (`from_dissimilarities`). `center`, `scale`,
`standardize`, `min_max` and `combine` prepare them for training, and `spectrum` and
`non_metricity` analyze their eigenvalues.
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
from simec.similarities.images import Patches, patches
from simec.similarities.kernels import cosine, linear, polynomial, rbf
from simec.similarities.labels import class_labels
from simec.similarities.matrices import (
    Centerer,
    center,
    combine,
    fill_mean,
    from_dissimilarities,
    min_max,
    non_metricity,
    scale,
    spectrum,
    standardize,
)
from simec.similarities.packed_bits import PackedBits

__all__ = [
    "Centerer",
    "Geodesic",
    "PackedBits",
    "Patches",
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
    "min_max",
    "non_metricity",
    "patches",
    "polynomial",
    "rbf",
    "rogot_goldberg",
    "scale",
    "simpson",
    "sokal",
    "spectrum",
    "standardize",
    "tanimoto",
]
