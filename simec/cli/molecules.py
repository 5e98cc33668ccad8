"""``simec molecules``: pre-train SchNet on similarities, fine-tune it on labels, and apply it."""

from __future__ import annotations

import csv
import io
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpora.cli.app import fail, report, report_warnings
from corpora.cli.options import Out, option, output_file, output_folder, takes_options
from corpora.interrupts import STOPPED, exit_status
from corpora.output import open_output
from simec.cli.options import names_options, require_device, with_options
from simec.lazy import import_package

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from simec.molecules import Molecules
    from simec.molecules.model import Conformers

molecules = typer.Typer(
    no_args_is_help=True,
    help="Train a network for molecules on similarities, which need no labels, and fine-tune it on "
    "few labels. Files are SDF, XYZ, or CSV and lines with SMILES.",
)

_KIND = "simec.MoleculeModel"
_READING = "Reading molecules"
_NETWORK = "Network"
_TRAINING = "Training"


class Format(str, Enum):
    """Format of a file of molecules."""

    auto = "auto"
    sdf = "sdf"
    xyz = "xyz"
    smiles = "smiles"
    csv = "csv"


class Similarity(str, Enum):
    """A similarity of molecules."""

    rogot_goldberg = "rogot_goldberg"
    mcconnaughey = "mcconnaughey"
    sokal = "sokal"
    tanimoto = "tanimoto"
    kulczynski = "kulczynski"
    simpson = "simpson"
    fchl19 = "fchl19"
    nfchl19 = "nfchl19"
    fchl18 = "fchl18"
    nfchl18 = "nfchl18"


class PoolingOption(str, Enum):
    """How embeddings of atoms become one of the molecule."""

    sum = "sum"
    mean = "mean"


class Start(str, Enum):
    """Initial weights of the last layer in fine-tuning."""

    random = "random"
    ridge = "ridge"


Source = Annotated[
    Path,
    typer.Argument(
        metavar="MOLECULES",
        help="SDF, XYZ, SMILES or CSV file, also compressed; a CSV file has a column of SMILES.",
    ),
]
Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Folder written by simec molecules finetune.")
]
Device = Annotated[str, option("cpu, cuda, or auto: a GPU if available.")]
Seed = Annotated[int, option("Random seed: the same seed gives the same model.", min=0)]
Progress = Annotated[bool, typer.Option("--progress/--no-progress", help="Show progress bars.")]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Continue the interrupted run of OUT, with its parameters and the same molecules.",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Start from scratch, and delete the interrupted run of OUT."),
]


@dataclass
class MoleculeOptions:
    """Command-line options for reading molecules."""

    format: Annotated[
        Format, option("Format of the files; auto goes by their suffixes.", panel=_READING)
    ] = Format.auto
    smiles_column: Annotated[
        str | None,
        option("Column of SMILES in a CSV file.", panel=_READING, show_default="by its name"),
    ] = None
    skip_errors: Annotated[
        bool,
        typer.Option(
            "--skip-errors",
            help="Leave out invalid molecules and count them, instead of stopping at the first.",
            rich_help_panel=_READING,
        ),
    ] = False
    encoding: Annotated[str, option("Encoding of text files.", panel=_READING)] = "utf-8"

    def read(
        self, path: Path, conformers: Conformers, *, properties: Any = (), progress: bool
    ) -> Molecules:
        """Read the molecules of a file."""
        from simec.molecules import read_molecules

        return read_molecules(
            path, format=self.format.value, smiles_column=self.smiles_column,
            properties=properties, geometry=conformers.geometry, optimize=conformers.optimize,
            seed=conformers.seed, skip_errors=self.skip_errors, encoding=self.encoding,
            progress=progress,
        )  # fmt: skip


@dataclass
class ConformerOptions:
    """Command-line options for the geometries of molecules."""

    generate: Annotated[
        bool,
        typer.Option(
            "--generate",
            help="Generate the geometries of SDF files from the bonds, as those of SMILES always "
            "are.",
            rich_help_panel=_READING,
        ),
    ] = False
    optimize: Annotated[
        bool,
        typer.Option(
            "--optimize",
            help="Relax generated geometries in the force field MMFF94.",
            rich_help_panel=_READING,
        ),
    ] = False
    conformer_seed: Annotated[
        int, option("Random seed of generated geometries.", panel=_READING, min=0)
    ] = 0

    def conformers(self) -> Conformers:
        """Return the options as they are saved with a model."""
        from simec.molecules.model import Conformers

        geometry = "generate" if self.generate else "file"
        return Conformers(geometry, self.optimize, self.conformer_seed)  # type: ignore[arg-type]


@dataclass
class NetworkOptions:
    """Command-line options of SchNet."""

    dimensions: Annotated[
        int, option("Length of the embeddings of atoms.", panel=_NETWORK, min=2)
    ] = 128
    interactions: Annotated[int, option("Number of interaction blocks.", panel=_NETWORK, min=0)] = 3
    cutoff: Annotated[
        float, option("Largest distance of interacting atoms in angstrom.", panel=_NETWORK)
    ] = 5.0
    gaussians: Annotated[
        int, option("Number of Gaussians that describe a distance.", panel=_NETWORK, min=2)
    ] = 25
    period_group: Annotated[
        bool,
        typer.Option(
            "--period-group",
            help="Embed elements by their period and group, so that the network extends to "
            "elements that do not occur in training.",
            rich_help_panel=_NETWORK,
        ),
    ] = False

    def parameters(self) -> Any:
        """Return the parameters of the network."""
        from simec.molecules.model import SchNetParameters

        return SchNetParameters(
            self.dimensions, self.interactions, self.cutoff, self.gaussians, self.period_group
        )


@molecules.command()
@names_options
@takes_options(MoleculeOptions, "reading")
@takes_options(ConformerOptions, "geometry")
@takes_options(NetworkOptions, "schnet")
def pretrain(
    source: Source,
    out: Annotated[
        Path,
        output_folder("Folder to write the network to.", "--out", kind=_KIND, metavar="NETWORK"),
    ],
    reading: MoleculeOptions,
    geometry: ConformerOptions,
    schnet: NetworkOptions,
    similarity: Annotated[
        list[Similarity] | None,
        option(
            "Similarity to train on: coefficients of topological fingerprints, or FCHL kernels "
            "(nfchl: normalized by the numbers of atoms). Can be repeated.",
            show_default="rogot_goldberg, unless --property is passed",
        ),
    ] = None,
    property: Annotated[
        list[str] | None,
        option(
            "Property in MOLECULES to train on as well, such as one that is cheap to compute. Can "
            "be repeated.",
            metavar="NAME",
        ),
    ] = None,
    hueckel: Annotated[
        bool,
        typer.Option(
            "--hueckel",
            help="Train on results of extended Hückel theory as well, 2 ms a molecule.",
        ),
    ] = False,
    targets: Annotated[
        int,
        option("Number of random molecules to which all others are compared.", min=1),
    ] = 1000,
    pooling: Annotated[
        PoolingOption,
        option("How the embedding of a molecule is computed from those of its atoms."),
    ] = PoolingOption.sum,
    epochs: Annotated[int, option("Number of epochs.", panel=_TRAINING, min=1)] = 10,
    batch_size: Annotated[
        int, option("Number of molecules in a batch.", panel=_TRAINING, min=1)
    ] = 100,
    learning_rate: Annotated[float, option("Initial learning rate.", panel=_TRAINING)] = 1e-3,
    checkpoint_minutes: Annotated[
        float,
        option("Minutes between checkpoints, next to NETWORK.", panel=_TRAINING, min=0),
    ] = 10,
    resume: Resume = False,
    overwrite: Overwrite = False,
    device: Device = "auto",
    seed: Seed = 1,
    progress: Progress = True,
) -> None:
    """Train a network to predict similarities of molecules, without labels.

    \b
      simec molecules pretrain all.sdf --out net --hueckel
      simec molecules pretrain smiles.csv --out net --similarity nfchl19 --similarity sokal
    """  # noqa: D301
    _require(device)
    from sklearn.exceptions import ConvergenceWarning

    from simec import SimilarityEncoder
    from simec.molecules import MoleculeModel

    run = _Run(out, resume, overwrite)
    conformers, parameters = geometry.conformers(), schnet.parameters()
    names = list(property or ())
    chosen = similarity or ([] if names else [Similarity.rogot_goldberg])
    with report_warnings(_with_options), warnings.catch_warnings():
        # the number of epochs is fixed
        warnings.filterwarnings("ignore", "the loss was still falling", ConvergenceWarning)
        read = reading.read(source, conformers, properties=names, progress=progress)
        read = read.with_cutoff(parameters.cutoff)
        S, n_columns = _similarities(
            read, [each.value for each in chosen], names, hueckel, targets, seed, progress, device
        )
        encoder = SimilarityEncoder(
            parameters.n_features, network=parameters.network(seed), pooling=pooling.value,
            solver="adam", decay="cosine", max_iter=epochs, n_iter_no_change=epochs,
            batch_size=batch_size, learning_rate=learning_rate, device=device, random_state=seed,
            verbose=progress,
        )  # fmt: skip
        run.fit(encoder, read, S, checkpoint_minutes=checkpoint_minutes)
        model = MoleculeModel(encoder, parameters, conformers=conformers, elements=read.elements)
        model.save(out)
    run.finish()
    _table({
        "molecules": f"{len(read):,}", "targets": f"{n_columns:,}", "epochs": f"{encoder.n_iter_}",
        "loss": f"{encoder.best_loss_:.4f}", "saved": str(out),
    })  # fmt: skip


@molecules.command()
@names_options
@takes_options(MoleculeOptions, "reading")
@takes_options(ConformerOptions, "geometry")
@takes_options(NetworkOptions, "schnet")
def finetune(
    source: Source,
    property: Annotated[
        list[str],
        option(
            "Property to predict: a column of the CSV file, or a data item of the SDF file. Can "
            "be repeated; molecules that lack one are not used.",
            metavar="NAME",
        ),
    ],
    out: Annotated[
        Path,
        output_folder("Folder to write the model to.", "--out", kind=_KIND, metavar="MODEL"),
    ],
    reading: MoleculeOptions,
    geometry: ConformerOptions,
    schnet: NetworkOptions,
    network: Annotated[
        Path | None,
        option(
            "Folder written by simec molecules pretrain. Its network and geometries replace the "
            "options for them.",
            metavar="NETWORK",
            show_default="a network that is not pre-trained",
        ),
    ] = None,
    properties_file: Annotated[
        Path | None,
        option(
            "CSV file with the properties, matched by the ids of the molecules.",
            metavar="FILE",
            show_default="they are in MOLECULES",
        ),
    ] = None,
    id_column: Annotated[
        str | None, option("Column of ids in --properties-file.", show_default="by its name")
    ] = None,
    validation: Annotated[
        Path | None,
        option(
            "File of further molecules with the property, for early stopping.",
            metavar="FILE",
            show_default="a tenth of MOLECULES is held out",
        ),
    ] = None,
    early_stopping: Annotated[
        bool,
        typer.Option(
            "--early-stopping/--no-early-stopping",
            help="Hold out molecules, and keep the epoch with the lowest error on them; if not, "
            "all are used in training, for a fixed number of --epochs.",
        ),
    ] = True,
    unlabelled: Annotated[
        Path | None,
        option(
            "File of many molecules: the network is trained on what a regression on several "
            "similarities, fitted on the labels, predicts for them. Usually more accurate with "
            "few labels.",
            metavar="FILE",
            show_default="the network is trained on the labels",
        ),
    ] = None,
    classes: Annotated[
        bool,
        typer.Option("--classes", help="The property is the number of a class, such as 0 or 1."),
    ] = False,
    pooling: Annotated[
        PoolingOption | None,
        option(
            "sum for properties that grow with the size of a molecule, such as energies; mean for "
            "others.",
            show_default="as in pre-training, else sum",
        ),
    ] = None,
    init: Annotated[
        Start,
        option(
            "Initial weights of the last layer; ridge fits them to the labels, which changes a "
            "pre-trained network less at first."
        ),
    ] = Start.random,
    epochs: Annotated[
        int | None,
        option(
            "Largest number of epochs.",
            panel=_TRAINING,
            min=1,
            show_default="400, or 8 with --unlabelled",
        ),
    ] = None,
    patience: Annotated[
        int,
        option("Stop after this many epochs without progress.", panel=_TRAINING, min=1),
    ] = 60,
    batch_size: Annotated[
        int | None,
        option(
            "Number of molecules in a batch.",
            panel=_TRAINING,
            min=1,
            show_default="25, or 100 with --unlabelled",
        ),
    ] = None,
    learning_rate: Annotated[float, option("Initial learning rate.", panel=_TRAINING)] = 1e-3,
    network_learning_rate: Annotated[
        float | None,
        option(
            "Learning rate of the pre-trained network, if it differs from that of the head.",
            panel=_TRAINING,
            show_default="--learning-rate",
        ),
    ] = None,
    checkpoint_minutes: Annotated[
        float,
        option("Minutes between checkpoints, next to MODEL.", panel=_TRAINING, min=0),
    ] = 10,
    resume: Resume = False,
    overwrite: Overwrite = False,
    device: Device = "auto",
    seed: Seed = 1,
    progress: Progress = True,
) -> None:
    """Train a network to predict a property, from a pre-trained one and few labels.

    \b
      simec molecules finetune labelled.csv --property gap --network net --out gap.model
      simec molecules finetune labelled.csv --property gap --unlabelled all.sdf --out gap.model
      simec molecules finetune a.sdf --properties-file a.csv --property gap --out gap.model
    """  # noqa: D301
    _require(device)
    from simec.molecules import MoleculeModel, molecular_similarities
    from simec.pretraining import (
        PretrainedClassifier,
        PretrainedRegressor,
        SimilarityRegressor,
    )

    if network is not None and out.resolve() == network.resolve():
        raise ValueError("--out must not be the folder of --network, which would be replaced")
    run = _Run(out, resume, overwrite)
    names = list(dict.fromkeys(property))
    if classes and len(names) > 1:
        raise ValueError("--classes needs one --property: train a model for each")
    if validation is not None and not early_stopping:
        raise ValueError("--validation is for early stopping: leave out --no-early-stopping")
    if classes and unlabelled is not None:
        raise ValueError("--unlabelled needs a numeric property: leave out --classes")
    pretrained = None if network is None else MoleculeModel.load(network, device=device)
    conformers = geometry.conformers() if pretrained is None else pretrained.conformers
    parameters = schnet.parameters() if pretrained is None else pretrained.network
    with report_warnings(_with_options):
        labelled = [
            _labelled(
                reading, path, conformers, names, properties_file, id_column, progress
            ).with_cutoff(parameters.cutoff)
            for path in (source, validation)
            if path is not None
        ]
        pairs = [(each, _labels(each, names, classes)) for each in labelled]
        if early_stopping and validation is None:
            pairs = _split(*pairs[0], seed, classes)
        points, targets = pairs[0]
        _check_values(targets.reshape(len(points), -1), names)
        held_out = pairs[1] if early_stopping else None
        if unlabelled is not None:
            regressor = SimilarityRegressor(molecular_similarities, verbose=progress)
            regressor.fit(points, targets)
            points = reading.read(unlabelled, conformers, progress=progress)
            points = points.with_cutoff(parameters.cutoff)
            targets = regressor.predict(points)
        if epochs is None:
            epochs = 400 if unlabelled is None else 8
        if batch_size is None:
            batch_size = 25 if unlabelled is None else 100
        make = PretrainedClassifier if classes else PretrainedRegressor
        base = parameters.network(seed) if pretrained is None else pretrained.estimator
        default = "sum" if pretrained is None else None
        estimator = make(
            base, pooling=default if pooling is None else pooling.value, init=init.value,
            max_iter=epochs, n_iter_no_change=patience, batch_size=batch_size,
            learning_rate=learning_rate, network_learning_rate=network_learning_rate,
            early_stopping=early_stopping, device=device, random_state=seed, verbose=progress,
        )  # fmt: skip
        run.fit(
            estimator, points, targets, validation=held_out,
            checkpoint_minutes=checkpoint_minutes,
        )  # fmt: skip
        elements = {
            *points.elements,
            *labelled[0].elements,
            *([] if pretrained is None else pretrained.elements),
        }
        model = MoleculeModel(
            estimator, parameters, conformers=conformers, elements=elements, properties=names
        )
        model.save(out)
    run.finish()
    rows = {"molecules": f"{len(points):,}", "epochs": f"{estimator.n_iter_}"}
    if held_out is not None:
        rows |= _errors(estimator, *held_out, names, classes)
    _table({**rows, "saved": str(out)})


@molecules.command()
@names_options
@takes_options(MoleculeOptions, "reading")
def predict(
    model: Model,
    source: Source,
    reading: MoleculeOptions,
    out: Out = "-",
    device: Device = "auto",
    progress: Progress = True,
) -> None:
    """Predict the properties of molecules, as CSV with their ids and SMILES.

    \b
      simec molecules predict gap.model new.smi --out gap.csv
    """  # noqa: D301
    _require(device)
    from simec.molecules import MoleculeModel

    loaded = MoleculeModel.load(model, device=device)
    with report_warnings(_with_options):
        read = reading.read(source, loaded.conformers, progress=progress)
        read = read.with_cutoff(loaded.network.cutoff)
        predicted = loaded.predict(read)
    columns: dict[str, Any] = {} if read.ids is None else {"id": read.ids}
    if read.smiles is not None:
        columns["smiles"] = read.smiles
    if not columns:
        columns["molecule"] = range(len(read))
    rows = zip(*columns.values(), *(values.tolist() for values in predicted.values()), strict=True)
    with open_output(out) as write:
        for row in ([*columns, *predicted], *rows):
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerow(row)
            write(text.getvalue().encode())


@molecules.command()
@names_options
@takes_options(MoleculeOptions, "reading")
def explain(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="Folder written by simec molecules finetune or pretrain."
        ),
    ],
    source: Source,
    reading: MoleculeOptions,
    out: Annotated[
        Path,
        output_file("SVG file to write: the molecule, atoms colored.", "--out", metavar="FILE"),
    ],
    molecule: Annotated[
        str, option("The molecule: its id, or its number in MOLECULES, from 0.", metavar="ID")
    ] = "0",
    similar_to: Annotated[
        str | None,
        option(
            "Another molecule of MOLECULES: show which atoms of both make the embeddings of a "
            "pre-trained network similar.",
            metavar="ID",
        ),
    ] = None,
    property: Annotated[
        str | None,
        option("Property of a fine-tuned model.", metavar="NAME", show_default="the first"),
    ] = None,
    hydrogens: Annotated[
        bool,
        typer.Option(
            "--hydrogens/--no-hydrogens",
            help="Draw hydrogens; if not, their relevances are added to those of their neighbors.",
        ),
    ] = True,
    values: Annotated[
        bool, typer.Option("--values", help="Show the relevances next to the atoms.")
    ] = False,
    device: Device = "auto",
    progress: Progress = True,
) -> None:
    """Draw which atoms raise (red) or lower (blue) a predicted property, or a similarity.

    \b
      simec molecules explain gap.model new.smi --molecule 3 --out gap.svg
      simec molecules explain net all.sdf --molecule 3 --similar-to 5 --out similar.svg
    """  # noqa: D301
    _require(device)
    from simec.explain import explain_prediction, explain_similarity
    from simec.molecules import MoleculeModel, draw_relevances
    from simec.molecules.drawing import side_by_side

    loaded = MoleculeModel.load(model, device=device)
    if loaded.is_fine_tuned != (similar_to is None):
        raise ValueError(
            f"{model} was fine-tuned: leave out --similar-to, which needs a pre-trained network"
            if loaded.is_fine_tuned
            else f"{model} was pre-trained only: pass --similar-to, or fine-tune it on a property"
        )
    if loaded.is_classifier:
        raise ValueError("only models of numeric properties and pre-trained networks are explained")
    target = 0
    if property is not None:
        if property not in loaded.properties:
            raise ValueError(
                f"{model} does not predict {property!r}: choose one of "
                f"{', '.join(loaded.properties) or 'none'}"
            )
        target = loaded.properties.index(property)
    with report_warnings(_with_options):
        read = reading.read(source, loaded.conformers, progress=progress)
        read = read.with_cutoff(loaded.network.cutoff)
        chosen = [read[_number(read, each)] for each in (molecule, similar_to) if each is not None]
        for each in chosen:
            loaded.check_elements(each)
        if len(chosen) == 2:
            both = explain_similarity(loaded.estimator, *chosen)
            explanations, what = [both.first, both.second], "similarity"
        else:
            explanations = [explain_prediction(loaded.estimator, chosen[0], target)]
            what = loaded.properties[target]
    drawings = [
        draw_relevances(
            each, explanation, hydrogens=hydrogens, values=values,
            title=f"{_name(each)}: {what} {explanation.value:.4g}",
        )
        for each, explanation in zip(chosen, explanations, strict=True)
    ]  # fmt: skip
    with open_output(out) as write:
        write(side_by_side(drawings))


def _require(device: str) -> None:
    """Raise ImportError if PyTorch is missing, and ValueError if it does not find a device."""
    import_package("torch", "networks for molecules", "molecules")
    require_device(device)


def _with_options(message: str) -> str:
    """Replace arguments of functions by options in a message."""
    return with_options(message).replace("learning_rate", "--learning-rate")


class _Run:
    """Checkpoints of a training run: a folder next to the output, until the run is complete."""

    def __init__(self, out: Path, resume: bool, overwrite: bool) -> None:
        from corpora.model_folder import check_writable, read_kind
        from simec.encoder import KIND

        self._folder = out.parent / f"{out.name}.checkpoint"
        if resume and overwrite:
            raise ValueError(
                "--resume continues a run and --overwrite replaces it: pass one of them"
            )
        check_writable(self._folder, KIND)
        exists = read_kind(self._folder) == KIND
        if resume and not exists:
            raise ValueError(f"there is no interrupted run to resume: {self._folder} is missing")
        if exists and not resume and not overwrite:
            raise ValueError(
                f"{self._folder} holds an interrupted run: continue it with --resume, or delete "
                "it with --overwrite"
            )
        self._resumed = self._folder if resume else None

    def fit(self, estimator: Any, *data: Any, **options: Any) -> None:
        """Fit an estimator; if it is interrupted, end the program."""
        try:
            estimator.fit(*data, checkpoint=self._folder, resume_from=self._resumed, **options)
        except STOPPED as error:
            if not self._folder.exists():
                fail("interrupted before there was anything to save", exit_status(error))
            fail(
                f"interrupted after {estimator.n_iter_} epochs; saved to {self._folder}. To "
                "continue, run the same command with --resume",
                exit_status(error),
            )

    def finish(self) -> None:
        """Delete the checkpoint."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _similarities(
    read: Molecules, similarities: list[str], properties: list[str], hueckel: bool,
    n_targets: int, seed: int, progress: bool, device: str,
) -> tuple[Any, int]:  # fmt: skip
    """Compute standardized targets; return them and their number."""
    import numpy as np

    from simec.data.targets import MixedTargets
    from simec.molecules import hueckel_targets
    from simec.similarities import standardize

    rows = np.random.default_rng(seed).permutation(len(read))[:n_targets]
    functions = [_function(name) for name in similarities]
    parts = {
        name: standardize(function(read, rows, progress))
        for name, function in zip(similarities, functions, strict=True)
    }
    for name in properties:
        values = read.properties[name]
        _check_values(values[np.isfinite(values), None], [name])
        parts[name] = standardize(values[:, None])
    if hueckel:
        parts["extended Hückel theory"] = hueckel_targets(read, progress=progress)
    n_columns = sum(part.shape[1] for part in parts.values())
    if len(parts) == 1:
        return next(iter(parts.values())), n_columns
    return MixedTargets(parts, device=device), n_columns


def _function(name: str) -> Callable[[Molecules, npt.NDArray[np.int64], bool], Any]:
    """Return a function of molecules and the numbers of targets."""
    import numpy as np

    from simec import similarities
    from simec.molecules import FCHL18, FCHL19, fingerprints

    if "fchl" in name:
        kernel: Any = FCHL18 if name.endswith("18") else FCHL19

        def fchl(read: Molecules, rows: npt.NDArray[np.int64], progress: bool) -> Any:
            compute = kernel(read[rows], normalize=name.startswith("n"))
            return compute(read, progress=progress).astype(np.float32)

        return fchl

    def coefficient(read: Molecules, rows: npt.NDArray[np.int64], progress: bool) -> Any:
        bits = fingerprints(read, progress=progress)
        return getattr(similarities, name)(bits, bits[rows], dtype=np.float32)

    return coefficient


def _table(rows: dict[str, str]) -> None:
    for name, value in rows.items():
        typer.echo(f"{name:11} {value}")


def _labelled(
    reading: MoleculeOptions, path: Path, conformers: Conformers, names: list[str],
    properties_file: Path | None, id_column: str | None, progress: bool,
) -> Molecules:  # fmt: skip
    """Read molecules that have all properties; report how many lack one."""
    import numpy as np

    from simec.molecules import add_properties

    if properties_file is None:
        if id_column is not None:
            raise ValueError("--id-column needs --properties-file")
        read = reading.read(path, conformers, properties=names, progress=progress)
    else:
        read = reading.read(path, conformers, progress=progress)
        add_properties(read, properties_file, names, id_column=id_column, encoding=reading.encoding)
    complete = np.all([np.isfinite(read.properties[name]) for name in names], axis=0)
    if complete.all():
        return read
    if not complete.any():
        raise ValueError(f"{path}: no molecule has all of the properties {', '.join(names)}")
    report(f"{path}: {int((~complete).sum()):,} of {len(read):,} molecules lack a property")
    return read[complete]


def _labels(read: Molecules, names: list[str], classes: bool) -> Any:
    """Return the properties of molecules, shape (m,) or (m, k); classes as integers."""
    import numpy as np

    values = np.stack([read.properties[name] for name in names], axis=1)
    if not classes:
        return values[:, 0] if len(names) == 1 else values
    whole = values[:, 0].astype(np.int64)
    fractions = np.flatnonzero(whole != values[:, 0])
    if len(fractions):
        at = int(fractions[0])
        raise ValueError(
            f"{read.label(at)}: {names[0]} must be the number of a class with --classes, got "
            f"{values[at, 0]:g}"
        )
    return whole


def _check_values(values: npt.NDArray[Any], names: list[str]) -> None:
    """Raise ValueError if there are too few values of a property, or all are equal."""
    import numpy as np

    for name, column in zip(names, values.T, strict=True):
        if len(column) < 2:
            raise ValueError(
                f"training needs at least 2 molecules with the property {name!r}, got {len(column)}"
            )
        if np.ptp(column) == 0:
            raise ValueError(
                f"the property {name!r} has no variance: it is {column[0]:g} for all "
                f"{len(column):,} molecules in training, from which nothing can be learned"
            )


def _errors(
    estimator: Any, held_out: Molecules, y: Any, names: list[str], classes: bool
) -> dict[str, str]:
    """Return the accuracy, or the error of each property, by its name."""
    import numpy as np

    where = f"on {len(held_out):,} held out"
    if classes:
        return {"accuracy": f"{estimator.score(held_out, y):.4f} {where}"}
    wrong = np.abs(np.asarray(estimator.predict(held_out)) - y).reshape(len(y), -1).mean(axis=0)
    return {f"MAE {name}": f"{error:.4g} {where}" for name, error in zip(names, wrong, strict=True)}


def _split(read: Molecules, y: Any, seed: int, classes: bool) -> list[tuple[Molecules, Any]]:
    """Hold out a tenth of the molecules for validation, classes in proportion."""
    import numpy as np

    from simec.pretraining.points import split_points

    strata = np.unique(y, return_inverse=True)[1] if classes else None
    rows, rest = split_points(len(read), 0.1, seed, strata)
    return [(read[rows], y[rows]), (read[rest], y[rest])]


def _number(read: Molecules, text: str) -> int:
    """Return the number of the molecule with an id, or a number."""
    if read.ids is not None and text in read.ids:
        return int((read.ids == text).argmax())
    if text.isdecimal() and int(text) < len(read):
        return int(text)
    raise ValueError(
        f"molecule {text!r} not found: pass an id, or a number from 0 to {len(read) - 1}"
    )


def _name(molecule: Molecules) -> str:
    """Return the id, SMILES or formula of one molecule."""
    names = molecule.ids if molecule.ids is not None else molecule.smiles
    return molecule.formula(0) if names is None else str(names[0])
