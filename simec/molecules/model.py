"""SchNet as a model on disk, with all that is needed to apply it to files of molecules."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from corpora.checks import check_choice, check_flag, check_integer, check_number
from corpora.errors import ModelError, warn
from corpora.files import StrPath
from corpora.model_folder import FolderReader, open_folder, write_folder
from corpora.saved_data import check_saved_object, saved_strings
from simec.encoder import FORMAT_VERSION as ENCODER_VERSION
from simec.encoder import KIND as ENCODER_KIND
from simec.encoder import SimilarityEncoder
from simec.molecules.elements import SYMBOLS
from simec.molecules.molecules import Molecules
from simec.molecules.period_group import PeriodGroupEmbedding
from simec.molecules.schnet import SchNet

if TYPE_CHECKING:
    from simec.pretraining import PretrainedClassifier, PretrainedRegressor

__all__ = ["Conformers", "MoleculeModel", "SchNetParameters"]

KIND = "simec.MoleculeModel"
FORMAT_VERSION = 1
CONFIG = "config.json"
_SAVED = "network", "conformers", "elements", "properties"


@dataclass(frozen=True)
class SchNetParameters:
    """Parameters of `SchNet`.

    Attributes
    ----------
    n_features, n_interactions, n_gaussians : int
    cutoff : float
        In angstrom.
    period_group : bool
        Embed elements by their period and group (`PeriodGroupEmbedding`).
    """

    n_features: int = 128
    n_interactions: int = 3
    cutoff: float = 5.0
    n_gaussians: int = 25
    period_group: bool = False

    def network(self, seed: int = 0) -> SchNet:
        """Create the network with random weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            embedding = PeriodGroupEmbedding(self.n_features) if self.period_group else None
            return SchNet(
                self.n_features, self.n_interactions, self.cutoff, self.n_gaussians,
                embedding=embedding,
            )  # fmt: skip

    @classmethod
    def from_saved(cls, config: Any) -> SchNetParameters:
        """Restore what was saved; ValueError if it is invalid."""
        saved = check_saved_object("network", config, tuple(asdict(cls())))
        return cls(
            check_integer("n_features", saved["n_features"], 1),
            check_integer("n_interactions", saved["n_interactions"], 0),
            check_number("cutoff", saved["cutoff"], 0, above=True),
            check_integer("n_gaussians", saved["n_gaussians"], 2),
            check_flag("period_group", saved["period_group"]),
        )


@dataclass(frozen=True)
class Conformers:
    """Where the geometries of training came from, as for `read_molecules`.

    Attributes
    ----------
    geometry : {"file", "generate"}
    optimize : bool
    seed : int
    """

    geometry: Literal["file", "generate"] = "file"
    optimize: bool = False
    seed: int = 0

    @classmethod
    def from_saved(cls, config: Any) -> Conformers:
        """Restore what was saved; ValueError if it is invalid."""
        saved = check_saved_object("conformers", config, tuple(asdict(cls())))
        check_choice("geometry", saved["geometry"], ("file", "generate"))
        return cls(
            saved["geometry"],
            check_flag("optimize", saved["optimize"]),
            check_integer("seed", saved["seed"], 0),
        )


class MoleculeModel:
    """A pre-trained or fine-tuned SchNet, which can be saved and loaded as a whole.

    Parameters
    ----------
    estimator : SimilarityEncoder, PretrainedRegressor or PretrainedClassifier
        Fitted, with the network of `network`.
    network : SchNetParameters
    conformers : Conformers
        Predictions are for geometries of the same origin.
    elements : sequence of int
        Atomic numbers that occurred in training.
    properties : sequence of str
        Names of the predicted properties.
    """

    def __init__(
        self,
        estimator: SimilarityEncoder | PretrainedRegressor | PretrainedClassifier,
        network: SchNetParameters,
        *,
        conformers: Conformers,
        elements: Any,
        properties: Any = (),
    ) -> None:
        self.estimator: Any = estimator
        self.network = network
        self.conformers = conformers
        self.elements = sorted({int(z) for z in elements})
        self.properties = [str(name) for name in properties]

    @property
    def is_fine_tuned(self) -> bool:
        """Whether the model predicts properties."""
        return not isinstance(self.estimator, SimilarityEncoder)

    @property
    def is_classifier(self) -> bool:
        """Whether the model predicts classes."""
        return hasattr(self.estimator, "predict_proba")

    def check_elements(self, molecules: Molecules) -> None:
        """Warn of elements that did not occur in training.

        Parameters
        ----------
        molecules : Molecules
        """
        new = np.setdiff1d(molecules.elements, self.elements)
        if len(new) and not self.network.period_group:
            symbols = ", ".join(SYMBOLS[z] for z in new)
            n = int(np.logical_or.reduceat(np.isin(molecules.Z, new), molecules.offsets[:-1]).sum())
            warn(
                f"{n:,} of {len(molecules):,} molecules contain elements that did not occur in "
                f"training ({symbols}): predictions for them are not meaningful. Period and group "
                "embeddings (period_group=True) extend to new elements"
            )

    def predict(self, molecules: Molecules) -> dict[str, Any]:
        """Predict the properties of molecules.

        Parameters
        ----------
        molecules : Molecules
            Of length m.

        Returns
        -------
        dict of str to array of shape (m,)
            The properties. Of a classifier also the probability of each class, such as
            "p(active=1)".

        Warns
        -----
        UserWarning
            If elements did not occur in training.

        Raises
        ------
        ValueError
            If the model was pre-trained only.
        """
        if not self.is_fine_tuned:
            raise ValueError(
                "the model was pre-trained on similarities only: fine-tune it on a property first"
            )
        self.check_elements(molecules)
        predicted = np.asarray(self.estimator.predict(molecules))
        if not self.is_classifier:
            columns = predicted.reshape(len(molecules), len(self.properties)).T
            return dict(zip(self.properties, columns, strict=True))
        (name,) = self.properties
        probabilities = self.estimator.predict_proba(molecules).T
        named = zip(self.estimator.classes_, probabilities, strict=True)
        return {name: predicted, **{f"p({name}={kind:g})": column for kind, column in named}}

    def save(self, path: StrPath) -> None:
        """Save the model to a folder (safetensors and JSON), completely or not at all.

        Parameters
        ----------
        path : str or path
            Folder. A model that was saved there is replaced.

        Raises
        ------
        OSError
            If `path` cannot be written, or holds something else.
        """
        config = {
            "network": asdict(self.network), "conformers": asdict(self.conformers),
            "elements": self.elements, "properties": self.properties,
        }  # fmt: skip
        with write_folder(path, KIND, FORMAT_VERSION) as folder:
            folder.write_json(CONFIG, config, indent=1)
            for name, (kind_of_estimator, kind, version) in _places().items():
                if isinstance(self.estimator, kind_of_estimator):
                    self.estimator.write_to(folder.folder(name, kind, version))

    @classmethod
    def load(cls, path: StrPath, *, device: str | torch.device | None = None) -> MoleculeModel:
        """Load a model from a folder written by `save`.

        Parameters
        ----------
        path : str or path
            Folder.
        device : str or torch.device, optional
            Replaces the device parameter of the saved estimator.

        Raises
        ------
        FileNotFoundError
            If the folder does not exist.
        ModelError
            If the folder holds something else, is damaged, or was saved by a newer version.
        """
        with open_folder(path, KIND, FORMAT_VERSION, what="model of molecules") as folder:
            config = folder.read_json(CONFIG)
            with folder.checking(CONFIG):
                saved = check_saved_object("the configuration", config, _SAVED)
                parameters = SchNetParameters.from_saved(saved["network"])
                conformers = Conformers.from_saved(saved["conformers"])
                elements = [
                    check_integer("elements", z, 1, len(SYMBOLS) - 1) for z in saved["elements"]
                ]
                properties = saved_strings("properties", saved["properties"])
            estimator = _read_estimator(folder, parameters.network(), device)
        return cls(
            estimator, parameters, conformers=conformers, elements=elements, properties=properties
        )


def _places() -> dict[str, tuple[Any, str, int]]:
    """Return class, kind and format version of each estimator by the name of its folder."""
    from simec.pretraining import PretrainedClassifier, PretrainedRegressor
    from simec.pretraining.finetuning import FORMAT_VERSION as TUNED_VERSION

    return {
        "encoder": (SimilarityEncoder, ENCODER_KIND, ENCODER_VERSION),
        "regressor": (PretrainedRegressor, PretrainedRegressor.kind, TUNED_VERSION),
        "classifier": (PretrainedClassifier, PretrainedClassifier.kind, TUNED_VERSION),
    }


def _read_estimator(
    folder: FolderReader, network: SchNet, device: str | torch.device | None
) -> Any:
    for name, (kind_of_estimator, kind, version) in _places().items():
        if name in folder.folders:
            nested = folder.folder(name, kind, version)
            return kind_of_estimator.read_from(nested, network=network, device=device)
    raise ModelError(
        f"{folder.path} has no estimator: it has {', '.join(folder.folders) or 'no folders'}"
    )
