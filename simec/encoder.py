"""Similarity Encoders: embeddings that reproduce pairwise relations and extend to new points."""

from __future__ import annotations

import logging
import math
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from corpora.callbacks import CheckpointSchedule, as_callback
from corpora.checks import (
    ParameterError,
    check_choice,
    check_flag,
    check_integer,
    check_number,
    check_sizes,
)
from corpora.errors import ModelError, warn
from corpora.files import StrPath
from corpora.hub import HubModel
from corpora.interrupts import STOPPED, terminable
from corpora.model_folder import (
    FolderReader,
    FolderWriter,
    check_writable,
    open_folder,
    write_folder,
)
from corpora.saved_data import check_saved_object, saved_numbers, saved_seed, saved_strings
from simec.data.inputs import (
    DatasetInputs,
    Inputs,
    as_array,
    check_device,
    choose_device,
    chunks,
    dense,
    naming_ids,
    outputs_of,
    read_identity,
    read_inputs,
)
from simec.data.relations import (
    PairwiseSimilarities,
    Similarity,
    check_similarity,
    columns_config,
    columns_from_config,
    read_columns,
    relations,
)
from simec.data.targets import (
    NoTargets,
    SparseTargets,
    Targets,
    check_not_tiny,
    check_range,
    check_symmetric,
    read_targets,
)
from simec.linalg.checks import OVERFLOW, QUIET
from simec.linalg.factorization import finite
from simec.network import (
    ACTIVATIONS,
    REFUSED,
    Layout,
    PooledNetwork,
    PoolingMethod,
    SimEcNetwork,
    TargetActivation,
    build,
    check_saved_weights,
    check_weights,
    has_finite_weights,
    is_linear,
    refusal_hint,
    save_weights,
    takes_ids,
)
from simec.solvers.gradient import History, Schedule, Trainer, Validation, split_rows
from simec.solvers.initialization import Initializer
from simec.solvers.objective import LOSSES, VALIDATION_ERRORS, Loss, Objective
from simec.solvers.projection import find_basis
from simec.types import FloatArray

logger = logging.getLogger(__name__)

Self = TypeVar("Self", bound="SimilarityEncoder")

KIND = "simec.SimilarityEncoder"
FORMAT_VERSION = 3
CONFIG, WEIGHTS = "config.json", "weights.safetensors"
TRAINING, TRAINING_ARRAYS = "training.json", "training.safetensors"  # of checkpoints


class CustomPartError(ModelError):
    """A saved encoder has a custom part that was not passed.

    Parameters
    ----------
    path : path
        Folder of the encoder.
    part : str
        The parameter, such as "network".
    """

    def __init__(self, path: StrPath, part: str) -> None:
        super().__init__(f"{path} was saved with a custom {part}: pass {part}=")
        self.part = part


class SimilarityEncoder(
    HubModel,
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Learn embeddings of feature vectors that reproduce a given matrix of relations.

    A network maps features x to an embedding y, and ``y W_l`` approximates the corresponding row
    of the target matrix S (Fig. 2.1 of the thesis). With ``symmetric > 0``, products of
    embeddings also approximate S: ``S ≈ Y Yᵀ``.

    Parameters
    ----------
    n_components : int
        Dimension d of the embeddings.
    hidden_layers : sequence of int
        Sizes of the hidden layers; empty for a linear encoder.
    activation : {"tanh", "relu", "gelu", "elu", "softplus", "sigmoid"}
        Activation function of the hidden layers. The embedding layer is linear.
    network : torch.nn.Module, optional
        A custom embedding network that maps a batch of shape (b, ...) to embeddings of shape
        (b, d). The encoder trains a copy of it. Integer features stay integers if the network has
        an `torch.nn.Embedding` that takes them.
    pooling : {"sum", "mean"} or callable, optional
        For a custom network that returns the embeddings of the parts of a point, such as atoms,
        tokens or patches: how they become one embedding. `simec.network.Pooling` describes what
        the network may return.
    bias : bool
        Whether the layers of the embedding network have biases.
    target_activation : {"sigmoid"} or (low, high), optional
        Output activation: bounds predictions to (0, 1), or to (low, high).
    loss : {"mse", "mae", "huber", "bce", "cross_entropy"} or callable
        Loss, averaged over observed targets; "bce" needs ``target_activation="sigmoid"``. For
        "cross_entropy", a row of targets holds the probabilities of classes, and predictions are
        logits. A callable takes predictions and targets and returns the loss of each target.
    symmetric : float
        Weight of the penalty ``(S[:n, :n] - W_lᵀ W_l)²``, averaged over its entries.
    orthogonal : float
        Weight of the mean of ``(W_l W_lᵀ)²``, with the diagonal set to zero.
    l2 : float
        Weight of the sum of squared weights. The closed form for targets without missing entries
        penalizes the product ``W₁ W_l`` instead.
    l2_by_count : float
        Exponent p of a penalty that depends on the number of observed targets, for
        ``solver="exact"`` and targets with missing entries: `l2` is multiplied by
        (number / mean number)^p for each column of S and, if X is None, for each row. 0 applies
        the same penalty to all; 1 is the weighting of Zhou et al. (2008).
    n_targets : int, optional
        Use only the first `n_targets` columns of S.
    similarity : "class_labels" or callable, optional
        Compute S from labels of the points, which are passed in place of S, so that the encoder
        can be used in pipelines and cross-validation: `simec.similarities.class_labels`, or a
        function of the labels of b rows and of n columns that returns an array of shape (b, n).
        The columns are the first `n_targets` training points, by default all. For a given square
        S, see `simec.PairwiseSimilarities`.
    init : {"spectral", "random"}
        Initial weights: from a spectral decomposition of S, or random.
    solver : {"auto", "exact", "variational", "adam"}
        - "exact": the closed form, for linear encoders and squared errors.
        - "auto": Adam, starting from the closed form where it exists. For deep networks, the last
          two layers are set by a closed form at the end if that lowers the loss.
        - "adam": Adam only, starting from `init`.
        - "variational": variational Bayes, for X=None and targets with missing entries. It
          estimates the L2 penalty itself and ignores `l2` (see `simec.solvers.variational`).
    decoder : bool, float or torch.nn.Module
        Whether to also train a mirrored network that reconstructs features from embeddings. A
        number is the weight of its mean squared error. A custom network needs a custom decoder,
        such as `simec.pretraining.mirrored` returns; its weight is 1.
    batch_size : int
        Number of rows in a batch.
    max_iter : int
        Maximum number of epochs.
    learning_rate : float or mapping of str to float
        Initial learning rate of Adam. A mapping has the learning rates of parts of `module_`, by
        prefixes of the names of their parameters: ``{"encoder": 1e-4, "": 1e-3}`` trains the
        embedding network slowly. 0 freezes a part, and leaves its dropout and batch normalization
        in evaluation mode.
    decay : {"plateau", "cosine"}
        Halve the learning rate when the loss stalls, after 3 epochs or a quarter of
        `n_iter_no_change`, whichever is more; or let it fall to 0 over `max_iter` epochs, along
        half a period of a cosine.
    early_stopping : bool or str
        Hold out some rows (if X is None: some entries of S), and keep the weights with the lowest
        validation error. The error is the loss, or another one by its name: one of the names of
        `loss`, or "error_rate", the share of rows whose largest prediction is not that of the
        largest target.
    validation_fraction : float
        Fraction of the rows or entries that is held out.
    validation_interval : int
        Number of epochs between validations.
    n_iter_no_change : int
        Stop after this number of epochs without progress.
    tol : float
        Relative tolerance: an epoch, or an iteration of a closed form with missing entries, makes
        progress if it lowers the loss by more than this fraction.
    warm_start : bool
        Whether `fit` continues from the current weights.
    mixed_precision : bool or "auto"
        Whether matrix products are computed in bfloat16. "auto": only on a GPU.
    device : str or torch.device
        "auto" selects the GPU if there is one.
    random_state : int, RandomState or None
        Seed of the initial weights, held-out rows or entries, and batches. The same seed gives
        the same bits on the same machine with the same number of threads
        (``torch.get_num_threads()``): large sums are split between threads, so that another number
        rounds them differently.
    verbose : bool
        Show a progress bar with the loss, rows per second and the remaining time.

    Attributes
    ----------
    module_ : SimEcNetwork
        The network: ``module_.encoder``, ``module_.last``, ``module_.decoder``.
    network_ : torch.nn.Module
        The embedding network without pooling: the trained copy of `network`.
    layout_ : simec.network.Layout
        Shapes of the training data.
    device_ : torch.device
    n_iter_ : int
        Number of epochs of the last fit; 1 for a closed form.
    loss_curve_, validation_curve_ : list of float
        Training objective and validation error of each epoch.
    best_loss_ : float
        Validation error of the weights that were kept, or their training objective if nothing was
        held out.
    n_features_in_ : int
        Number of features; the number of rows of S if X was None.
    feature_names_in_ : array of str
        Names of the features, if X was a data frame.
    columns_ : array of shape (n,) or (n, k), or None
        Labels of the columns of S, with `similarity`; their row numbers in
        `simec.PairwiseSimilarities`; None for other targets.

    References
    ----------
    F. Horn (2020). Similarity Encoders. Chapter 2.

    Examples
    --------
    >>> import numpy as np
    >>> from simec import SimilarityEncoder
    >>> X = np.random.default_rng(0).standard_normal((50, 5))
    >>> S = X[:, :2] @ X[:, :2].T
    >>> encoder = SimilarityEncoder(2, symmetric=1.0, solver="exact").fit(X[:40], S[:40, :40])
    >>> new = encoder.predict_similarity(X[40:])
    >>> bool(np.allclose(new, S[40:, 40:], atol=1e-3))
    True
    """

    loss_curve_: list[float]
    validation_curve_: list[float]

    def __init__(
        self,
        n_components: int = 2,
        *,
        hidden_layers: Sequence[int] = (),
        activation: str = "tanh",
        network: nn.Module | None = None,
        pooling: PoolingMethod = None,
        bias: bool = True,
        target_activation: TargetActivation = None,
        loss: Loss = "mse",
        symmetric: float = 0.0,
        orthogonal: float = 0.0,
        l2: float = 0.0,
        l2_by_count: float = 0.0,
        n_targets: int | None = None,
        similarity: Similarity = None,
        init: Literal["spectral", "random"] = "spectral",
        solver: Literal["auto", "exact", "variational", "adam"] = "auto",
        decoder: bool | float | nn.Module = False,
        batch_size: int = 256,
        max_iter: int = 200,
        learning_rate: float | Mapping[str, float] = 1e-3,
        decay: Literal["plateau", "cosine"] = "plateau",
        early_stopping: bool | str = False,
        validation_fraction: float = 0.1,
        validation_interval: int = 1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        mixed_precision: bool | Literal["auto"] = "auto",
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.hidden_layers = hidden_layers
        self.activation = activation
        self.network = network
        self.pooling = pooling
        self.bias = bias
        self.target_activation = target_activation
        self.loss = loss
        self.symmetric = symmetric
        self.orthogonal = orthogonal
        self.l2 = l2
        self.l2_by_count = l2_by_count
        self.n_targets = n_targets
        self.similarity = similarity
        self.init = init
        self.solver = solver
        self.decoder = decoder
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.decay = decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.validation_interval = validation_interval
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.mixed_precision = mixed_precision
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    # Training

    def fit(
        self: Self,
        X: Any,
        S: Any = None,
        *,
        mask: Any = None,
        last_layer: Any = None,
        validation: tuple[Any, Any] | None = None,
        callbacks: Any = (),
        checkpoint: StrPath | None = None,
        checkpoint_minutes: float = 10,
        checkpoint_epochs: int | None = None,
        resume_from: StrPath | None = None,
    ) -> Self:
        """Fit the encoder.

        An error that is raised before training begins leaves the encoder unchanged.

        Parameters
        ----------
        X : array or CSR matrix of shape (m, D), tensor, or Dataset; or None
            Features; an array of shape (m, ...) for a custom `network`. None stands for the
            identity matrix: S is factorized without features. A Dataset contains features, or
            pairs of features and targets; `simec.data.inputs.DatasetInputs` describes its
            optional ``collate_fn``, for features other than tensors.
        S : array of shape (m, n) or (m, n, k), sparse matrix, tensor, callable, or Targets
            Targets: similarities or other relations, of k kinds. NaN entries, and entries that a
            sparse matrix does not store, are missing. A callable takes an array of row numbers of
            shape (b,) and returns the targets of these rows, of shape (b, n). A vector is treated
            as a single column. `simec.SparseTargets` adds weights of errors, and
            `simec.MixedTargets` combines several kinds of targets. None with a decoder: train an
            auto-encoder. With `similarity`, labels of shape (m,) or (m, k) instead;
            `simec.PairwiseSimilarities` are cut in rows and columns.
        mask : bool array of the shape of S, optional
            True where S is observed.
        last_layer : array of shape (d, n) or (d, n, k), optional
            A fixed W_l, such as the transposed embeddings of other points; see `fit_columns`.
        validation : tuple of (X, S), optional
            Validation data for early stopping, instead of held-out rows.
        callbacks : callable, object with ``on_epoch_end``, or iterable of these
            Called with the encoder after each epoch; its weights and losses are those of that
            epoch. Training stops if a callback returns True; the best weights are kept. Closed
            forms call them once, at the end.
        checkpoint : path, optional
            Folder to save the encoder to: periodically during training, when it is interrupted
            (Ctrl-C), and at the end. `load` reads it like any saved encoder.
        checkpoint_minutes : float
            Minutes between checkpoints, which are saved at the end of an epoch.
        checkpoint_epochs : int, optional
            Number of epochs between checkpoints, in addition to those by time.
        resume_from : path, optional
            Continue an interrupted run from its checkpoint, on the same data. The checkpoint's
            parameters, weights and fixed last layer replace those of the encoder, except `device`
            and `verbose`; a custom network or loss must be set on the encoder. On the same
            CPU, the result is bit-identical to that of an uninterrupted run.

        Raises
        ------
        ValueError
            If parameters are out of range, shapes do not match, X has NaN, magnitudes exceed 1e15
            or are all below 1e-15, S is not symmetric with ``symmetric > 0``, or `resume_from`
            belongs to a run on other data.
        ModelError, FileNotFoundError
            If `resume_from` cannot be read.
        OSError
            If `checkpoint` cannot be written.
        KeyboardInterrupt, SystemExit
            On Ctrl-C; with `checkpoint`, also on SIGTERM and SIGHUP, with the exit status of
            shells (143, 129). The encoder then has the best weights so far, and the checkpoint
            has the state after the last complete epoch.

        Warns
        -----
        UserWarning
            If a row or column of S has no observed entry, S is constant, or `n_components`
            exceeds the maximum rank of the predictions.
        ConvergenceWarning
            If the loss is still falling after `max_iter` epochs (unless a cosine decay ends
            there), or training diverges.
        """
        run = _Run(callbacks, checkpoint, checkpoint_minutes, checkpoint_epochs)
        with nullcontext() if checkpoint is None else terminable():
            with np.errstate(**QUIET), _unchanged_if_refused(self, run):
                self._fit(X, S, mask, last_layer, validation, run, resume_from)
                self._check_finite(run)
            if checkpoint is not None:
                self.save(checkpoint)
        return self

    def _fit(
        self,
        X: Any,
        S: Any,
        mask: Any,
        last_layer: Any,
        held_out: tuple[Any, Any] | None,
        run: _Run,
        resume_from: StrPath | None,
    ) -> None:
        if resume_from is not None:
            run.resumed = self._resume(resume_from)
        _check_parameters(self)
        began = time.perf_counter()
        S = self._relations(S, reset=True)
        seed, inputs, targets = self._read(X, S, mask, reset=True)
        if run.resumed is not None:
            seed, last_layer = run.resumed.seed, run.resumed.last_layer
        if self.symmetric:
            check_symmetric(targets)
        layout = self._layout_of(inputs, targets, S)
        # closed forms do not start from the current weights
        closed = self.solver in ("exact", "variational")
        warm = self.warm_start and hasattr(self, "module_") and not closed and not run.resumed
        run.identify(seed, inputs, targets, layout)
        if warm:
            self._check_same(layout)
        else:
            if last_layer is None:  # its size determines n_components
                self._warn_of_rank(layout, len(targets))
            self._build(layout, seed)
            if inputs is not None and self.network is not None:
                self._check_network(inputs)
        targets, rows, validation = self._hold_out(inputs, targets, seed, held_out, layout)
        if last_layer is not None:
            self._fix_last_layer(last_layer)
        inputs = self._identity(None) if inputs is None else inputs
        if not closed:
            check_not_tiny(targets)
        if closed:
            self._initialize(inputs, targets, rows, fixed=last_layer is not None)
            self.best_loss_ = self._objective().evaluate(self.module_, inputs, targets, rows)
            self.n_iter_ = 1
            run.training = True
            run.notify(self)
        else:
            with naming_ids(inputs):
                self._train(inputs, targets, rows, validation, seed, run, warm=warm)
        logger.info(
            "fitted %d rows and %d targets in %.1f s: loss %.6g", len(rows),
            math.prod(layout.targets), time.perf_counter() - began, self.best_loss_,
        )  # fmt: skip

    def partial_fit(self: Self, X: Any, S: Any = None, *, mask: Any = None) -> Self:
        """Train for one epoch on a set of rows, starting from the current weights.

        Parameters
        ----------
        X, S, mask
            As for `fit`; S must have the same columns in every call. For an encoder without
            features, X is None for all rows, or an array of row numbers.
        """
        with np.errstate(**QUIET), _unchanged_if_refused(self):
            _check_parameters(self)
            new = not hasattr(self, "module_")
            S = self._relations(S, reset=new)
            seed, inputs, targets = self._read(X, S, mask, reset=new)
            if self.symmetric:
                check_symmetric(targets)
            rows = torch.arange(len(targets))
            if new:
                layout = self._layout_of(inputs, targets, S)
                self._warn_of_rank(layout, len(targets))
                self._build(layout, seed)
                if inputs is not None and self.network is not None:
                    self._check_network(inputs)
            self._check_targets(targets)
            inputs = self._identity(None) if inputs is None else inputs
            if not hasattr(self, "_trainer"):
                schedule = self._schedule()
                schedule.check(self.module_)
                if new:
                    with schedule.frozen(self.module_):
                        self._initialize(inputs, targets, rows, fixed=False)
                self._trainer = self._new_trainer(schedule, seed)
        with self._trainer.schedule.frozen(self.module_):
            history = self._trainer.fit(inputs, targets, rows, epochs=1)
        self.loss_curve_ = [*self.loss_curve_, *history.losses]
        self.best_loss_ = min(self.loss_curve_, default=history.best_loss)
        self.n_iter_ += 1
        return self

    def fit_columns(self, X2: Any, S: Any, X: Any = None, **parameters: Any) -> SimilarityEncoder:
        """Fit a second encoder that embeds the columns of S in the space of this encoder.

        It is trained on Sᵀ with the embeddings of X as its fixed last layer, so that
        ``transform(X) @ second.transform(X2).T`` approximates S (thesis, Sec. 2.2).

        Parameters
        ----------
        X2 : array or CSR matrix of shape (n, P)
            Features of the columns.
        S : array, tensor or sparse matrix of shape (m, n)
            Targets, as for `fit`.
        X : array or CSR matrix of shape (m, D), or None
            Features of the rows.
        **parameters
            Parameters of the second encoder; the others are those of this one, except
            ``symmetric=0``, ``n_targets=None``, ``similarity=None`` and ``network=None``.

        Returns
        -------
        SimilarityEncoder
            The second encoder, fitted.
        """
        second = {
            **self.get_params(deep=False),
            "symmetric": 0.0, "n_targets": None, "similarity": None, "network": None, **parameters,
        }  # fmt: skip
        if not hasattr(S, "T") or getattr(S, "ndim", 2) != 2:
            raise ValueError(
                f"S must be a matrix, because its transpose is used, got {type(S).__name__}"
            )
        return type(self)(**second).fit(X2, S.T, last_layer=self._embed(X).T)

    def fit_second(self, X2: Any, S: Any, X: Any = None, **parameters: Any) -> SimilarityEncoder:
        """Deprecated: use `fit_columns`."""
        warn("fit_second is deprecated, use fit_columns", DeprecationWarning)
        return self.fit_columns(X2, S, X, **parameters)

    # Predictions

    def transform(self, X: Any) -> FloatArray:
        """Compute embeddings.

        Parameters
        ----------
        X : array or CSR matrix of shape (m, D), tensor, or Dataset
            Features. For an encoder without features: None for all rows of S, or an array of row
            numbers.

        Returns
        -------
        float32 array of shape (m, d)

        Notes
        -----
        A forked process computes with one thread, because PyTorch's threads do not survive a fork.
        """
        return self._embed(X)

    def predict(self, X: Any = None) -> FloatArray:
        """Predict targets, ``Y W_l``.

        Parameters
        ----------
        X : as for `transform`

        Returns
        -------
        float32 array of shape (m, n) or (m, n, k); (m,) if S was a vector
        """
        predicted = self._apply(X, self._fitted())
        return predicted[:, 0] if self.layout_.vector else predicted

    def predict_similarity(self, X1: Any = None, X2: Any = None) -> FloatArray:
        """Compute products of embeddings, ``Y₁ Y₂ᵀ``.

        Parameters
        ----------
        X1, X2 : as for `transform`
            If X2 is None, the similarities between the rows of X1 are computed.

        Returns
        -------
        float32 array of shape (m₁, m₂)
        """
        Y1 = self._embed(X1)
        Y2 = Y1 if X2 is None else self._embed(X2)
        last = self._fitted().last
        with np.errstate(**QUIET):
            similarities: FloatArray = last.activate(torch.from_numpy(Y1 @ Y2.T)).numpy()
        return finite("outputs", similarities)

    def inverse_transform(self, Y: Any) -> FloatArray:
        """Reconstruct features from embeddings with the decoder.

        Parameters
        ----------
        Y : array of shape (m, d)

        Returns
        -------
        float32 array of shape (m, D)

        Raises
        ------
        RuntimeError
            If the encoder was fitted without a decoder.
        ValueError
            If Y has a different shape.
        """
        decoder = self._fitted().decoder
        if decoder is None:
            raise RuntimeError("the encoder has no decoder: fit with decoder=True")
        Y = np.asarray(Y, np.float32)
        if Y.ndim != 2 or Y.shape[1] != self._n_features_out:
            raise ValueError(f"Y must have shape (m, {self._n_features_out}), got shape {Y.shape}")
        if not np.isfinite(Y).all():
            raise ValueError("Y contains NaN or infinity")
        device = next(decoder.parameters()).device
        with torch.inference_mode():
            return finite(
                "outputs", np.asarray(decoder(torch.tensor(Y, device=device)).cpu().numpy())
            )

    def score(self, X: Any, S: Any = None, *, mask: Any = None) -> float:
        """Return the coefficient of determination (R²) of the predictions of observed targets.

        For an auto-encoder without targets: that of the reconstructed features.

        Parameters
        ----------
        X, S, mask
            As for `fit`.

        Returns
        -------
        float
            At most 1; 0 if every prediction is the mean of S.
        """
        module = self._fitted()
        _, inputs, targets = self._read(X, self._relations(S, reset=False), mask, reset=False)
        self._check_targets(targets)
        assert inputs is not None
        n = total = squares = errors = 0.0
        with torch.inference_mode():
            for rows in chunks(len(targets), math.prod(targets.shape), inputs.chunk):
                x, (values, observed) = inputs.batch(rows), targets.batch(rows)
                if module.decoder is not None and not math.prod(targets.shape):
                    values = dense(x)
                    predicted = module.decoder(module.encoder(x))
                else:
                    predicted = module(x)
                residuals = (predicted - values).double()
                values = values.double()
                weights = torch.ones_like(values) if observed is None else observed.double()
                n += float(weights.sum())
                total += float((weights * values).sum())
                squares += float((weights * values.square()).sum())
                errors += float((weights * residuals.square()).sum())
        variance = squares - total**2 / max(n, 1)
        return 1 - errors / variance if variance > 0 else float(errors == 0)

    def inputs(self, X: Any) -> Inputs:
        """Check features as `transform` does, and return them as batches.

        Parameters
        ----------
        X : as for `transform`

        Returns
        -------
        simec.data.inputs.Inputs
            Its ``batch(rows)`` is the input of ``module_.encoder``.
        """
        self._fitted()
        if self.layout_.inputs == "identity":
            return self._identity(X)
        return self._features(X, reset=False)

    @property
    def network_(self) -> nn.Module:
        """The embedding network without pooling."""
        if not hasattr(self, "module_"):
            raise AttributeError("network_ is available after fit")
        encoder = self.module_.encoder
        return encoder.network if isinstance(encoder, PooledNetwork) else encoder

    # On disk

    def save_network(self, path: StrPath) -> None:
        """Save the weights of `network_` as a plain ``state_dict``, in a safetensors file.

        ``network.load_state_dict(safetensors.torch.load_file(path))`` loads them into a module
        like `network`.

        Parameters
        ----------
        path : str or path
            File. A file of that name is replaced.

        Raises
        ------
        NotFittedError
            If the encoder was not fitted.
        OSError
            If `path` cannot be written.
        """
        self._fitted()
        save_weights(self.network_, path)

    def save(self, path: StrPath) -> None:
        """Save the encoder to a folder (safetensors and JSON), completely or not at all.

        Parameters
        ----------
        path : str or path
            Folder. An encoder that was saved there is replaced.

        Raises
        ------
        NotFittedError
            If the encoder was not fitted.
        OSError
            If `path` cannot be written, or holds something other than an encoder.
        """
        self._fitted()
        with write_folder(path, KIND, FORMAT_VERSION) as folder:
            self.write_to(folder)

    @classmethod
    def load(
        cls: type[Self],
        path: StrPath,
        *,
        network: nn.Module | None = None,
        pooling: Callable[[Any], Tensor] | None = None,
        decoder: nn.Module | None = None,
        loss: Callable[..., Any] | None = None,
        similarity: Callable[..., Any] | None = None,
        device: str | torch.device | None = None,
        verify: bool = False,
    ) -> Self:
        """Load an encoder from a folder written by `save`.

        Parameters
        ----------
        path : str or path
            Folder.
        network : torch.nn.Module, optional
            The custom embedding network, if there was one: only its weights are saved.
        pooling : callable, optional
            The custom pooling, if there was one.
        decoder : torch.nn.Module, optional
            The custom decoder, if there was one: only its weights are saved.
        loss : callable, optional
            The custom loss, if there was one.
        similarity : callable, optional
            The function that computed targets from labels, if there was one.
        device : str or torch.device, optional
            Replaces the device parameter of the saved encoder.
        verify : bool
            Verify the checksums of all files, not only of those that are read.

        Raises
        ------
        FileNotFoundError
            If the folder does not exist.
        ModelError
            If the folder is not a saved encoder, is damaged, or was saved by a newer version.
        ValueError
            If the saved encoder has a custom network, loss or similarity that is not passed.
        """
        with open_folder(
            path, KIND, FORMAT_VERSION, verify=verify, what="Similarity Encoder"
        ) as folder:
            return cls.read_from(
                folder, network=network, pooling=pooling, decoder=decoder, loss=loss,
                similarity=similarity, device=device,
            )  # fmt: skip

    def write_to(self, folder: FolderWriter) -> None:
        """Write the encoder to an open folder, such as a subfolder of another model.

        Parameters
        ----------
        folder : corpora.model_folder.FolderWriter
        """
        weights = self._fitted().state_dict()
        folder.write_json(CONFIG, self._config(), indent=1)
        folder.write_arrays(WEIGHTS, {name: as_array(value) for name, value in weights.items()})

    @classmethod
    def read_from(
        cls: type[Self],
        folder: FolderReader,
        *,
        network: nn.Module | None = None,
        pooling: Callable[[Any], Tensor] | None = None,
        decoder: nn.Module | None = None,
        loss: Callable[..., Any] | None = None,
        similarity: Callable[..., Any] | None = None,
        device: str | torch.device | None = None,
    ) -> Self:
        """Read an encoder written by `write_to`.

        Parameters
        ----------
        folder : corpora.model_folder.FolderReader
        network, pooling, decoder, loss, similarity, device
            As for `load`.

        Raises
        ------
        ModelError, ValueError
            As `load`.
        """
        if device is not None:
            check_device(device)
        config = folder.read_json(CONFIG, limit=None)  # it may have the names of features
        with folder.checking(CONFIG):
            custom = {
                "network": network, "pooling": pooling, "decoder": decoder, "loss": loss,
                "similarity": similarity,
            }  # fmt: skip
            encoder, layout = cls._from_parameters(folder.path, config, custom, device)
        encoder.device_ = choose_device(encoder.device)
        weights = folder.read_arrays(WEIGHTS)
        with folder.checking(WEIGHTS):
            check_weights(
                weights, layout, n_components=encoder.n_components,
                hidden_layers=encoder.hidden_layers, network=encoder.network,
                bias=bool(encoder.bias), decoder=bool(_decoder(encoder.decoder)),
            )  # fmt: skip
            encoder._build(layout, 0)
            tensors = {name: torch.from_numpy(value) for name, value in weights.items()}
            for name, module in encoder.module_.named_modules():
                if hasattr(module, "complete_weights"):  # saved by an earlier version
                    module.complete_weights(tensors, f"{name}.")
            check_saved_weights(
                tensors, encoder.module_.state_dict(), custom=encoder.network is not None
            )
            encoder.module_.load_state_dict(tensors)
        with folder.checking(CONFIG):
            encoder._set_saved_history(config)
        return encoder

    def _config(self) -> dict[str, Any]:
        """Return parameters, layout and training history as plain data."""
        parameters = self.get_params(deep=False)
        parameters["network"] = self.network is not None
        for name in ("pooling", "decoder", "loss", "similarity"):
            if callable(parameters[name]):
                parameters[name] = _CUSTOM
        if isinstance(self.learning_rate, Mapping):
            parameters["learning_rate"] = dict(self.learning_rate)
        if not isinstance(self.random_state, Integral):
            parameters["random_state"] = None
        names = getattr(self, "feature_names_in_", None)
        return {
            "parameters": parameters,
            "layout": self.layout_.to_dict(),
            "feature_names": None if names is None else [str(name) for name in names],
            "columns": columns_config(self.columns_),
            "losses": list(self.loss_curve_),
            "validation": list(self.validation_curve_),
            "best_loss": self.best_loss_ if math.isfinite(self.best_loss_) else None,
            "n_iter": self.n_iter_,
        }

    @classmethod
    def _from_parameters(
        cls: type[Self],
        path: Path,
        config: Any,
        custom: Mapping[str, Any],
        device: str | torch.device | None,
    ) -> tuple[Self, Layout]:
        """Create an encoder without weights, and its layout, from a saved configuration."""
        config = check_saved_object("the configuration", config, _SAVED)
        parameters = check_saved_object("parameters", config["parameters"])
        parameters = {**cls().get_params(), "network": False, **parameters}
        is_custom = {name: parameters[name] == _CUSTOM for name in custom}
        is_custom["network"] = check_flag("network", parameters["network"])
        is_custom["loss"] |= parameters["loss"] is None  # written by earlier versions
        for name, value in custom.items():
            if is_custom[name]:
                if value is None:
                    raise CustomPartError(path, name)
                parameters[name] = value
        if not is_custom["network"]:
            parameters["network"] = None
        parameters["random_state"] = saved_seed(parameters["random_state"])
        for name in ("hidden_layers", "target_activation"):
            if isinstance(parameters[name], list):
                parameters[name] = tuple(parameters[name])
        if device is not None:
            parameters["device"] = device
        encoder = cls(**parameters)
        _check_parameters(encoder)
        return encoder, Layout.from_dict(config["layout"])

    def _set_saved_history(self, config: dict[str, Any]) -> None:
        """Set the history of training and the names of features and columns of a saved model."""
        self.loss_curve_ = saved_numbers("losses", config["losses"])
        self.validation_curve_ = saved_numbers("validation", config["validation"])
        best_loss = config["best_loss"]
        self.best_loss_ = (
            math.inf if best_loss is None else saved_numbers("best_loss", [best_loss])[0]
        )
        self.n_iter_ = check_integer("n_iter", config["n_iter"], 0)
        if config["feature_names"] is not None:
            names = saved_strings("feature_names", config["feature_names"], self.n_features_in_)
            self.feature_names_in_ = np.array(names, object)
        # missing in files of earlier versions
        self.columns_ = columns_from_config(config.get("columns"), self.layout_.targets[0])

    # Steps of training

    def _read(
        self, X: Any, S: Any, mask: Any, *, reset: bool
    ) -> tuple[int, Inputs | None, Targets]:
        """Draw a seed, and read features (None for the identity) and targets."""
        seed = int(check_random_state(self.random_state).randint(1 << 31))
        inputs: Inputs | None = None
        if not reset:
            inputs = self.inputs(X)
        else:
            self.device_ = choose_device(self.device)
            if X is not None:
                inputs = self._features(X, reset=True)
        return seed, inputs, self._read_targets(S, inputs, mask)

    def _relations(self, S: Any, *, reset: bool) -> Any:
        """Compute targets from labels, or cut them from a square matrix; return others as is."""
        if self.similarity is None and not isinstance(S, PairwiseSimilarities):
            if reset:
                self.columns_ = None
            return S
        if reset:
            self.columns_ = read_columns(self.similarity, S, self.n_targets)
        return relations(self.similarity, S, self.columns_)

    def _read_targets(self, S: Any, inputs: Inputs | None, mask: Any) -> Targets:
        # a plain auto-encoder needs no targets
        pairs = isinstance(inputs, DatasetInputs) and inputs.has_targets
        if S is None and self.decoder and inputs is not None and not pairs:
            return NoTargets(len(inputs), self.device_)
        targets = read_targets(S, inputs, self.n_targets, mask, self.device_)
        check_range(targets, self.loss)
        return targets

    def _features(self, X: Any, *, reset: bool) -> Inputs:
        if reset:
            ids = self.network is not None and takes_ids(self.network, X, self.device_)
        else:
            ids = self.layout_.inputs == "ids"
        inputs = read_inputs(
            self, X, self.device_, reset=reset, custom=self.network is not None, ids=ids
        )
        if ids and not reset and inputs.kind != "ids":
            raise ValueError("the network was trained on integer ids: X must contain integers")
        return inputs

    def _identity(self, X: Any) -> Inputs:
        return read_identity(X, self.layout_.n_features, self.device_)

    @staticmethod
    def _layout_of(inputs: Inputs | None, targets: Targets, S: Any) -> Layout:
        ndim = np.ndim(S) if isinstance(S, (list, tuple)) else len(getattr(S, "shape", ()))
        vector = ndim == 1 and not isinstance(S, Targets)  # the shape of Targets is that of a row
        if inputs is None:
            return Layout("identity", len(targets), targets.shape, vector)
        return Layout(inputs.kind, inputs.n_features, targets.shape, vector)

    def _warn_of_rank(self, layout: Layout, n_rows: int) -> None:
        """Warn if there are more components than the maximum rank of predictions."""
        # an auto-encoder has no targets, and the size of a custom network is given
        if self.network is not None or not math.prod(layout.targets):
            return
        bounds = {"rows of S": n_rows, "targets": math.prod(layout.targets)}
        linear = self.network is None and not len(self.hidden_layers)
        if linear and layout.inputs != "identity":
            name = "features, bias included" if self.bias else "features"
            bounds[name] = layout.n_features + bool(self.bias)
        name = min(bounds, key=lambda key: bounds[key])
        if self.n_components > bounds[name]:
            warn(
                f"n_components={self.n_components} is more than the number of {name}, "
                f"{bounds[name]}: more components cannot increase the rank of predictions"
            )

    def _build(self, layout: Layout, seed: int) -> None:
        """Build a new network and reset the training history."""
        self.layout_ = layout
        self.n_features_in_ = layout.n_features
        self.module_ = build(
            layout, seed,
            n_components=int(self.n_components), hidden_layers=self.hidden_layers,
            activation=self.activation, network=self.network, pooling=self.pooling,
            bias=bool(self.bias), decoder=_decoder(self.decoder),
            target_activation=self.target_activation,
        ).to(self.device_)  # fmt: skip
        self.loss_curve_, self.validation_curve_ = [], []
        self.best_loss_, self.n_iter_ = math.inf, 0
        self.__dict__.pop("_trainer", None)

    def _check_same(self, layout: Layout) -> None:
        """Raise ValueError if `warm_start` cannot continue with the current network."""
        old = self.layout_
        size = tuple(self.module_.last.weight.shape)
        needed = (self.n_components, *layout.targets)
        for name, before, now in (
            ("features", old.n_features, layout.n_features),
            ("kind of features", old.inputs == "identity", layout.inputs == "identity"),
            ("components and targets", size, needed),
        ):
            if before != now:
                raise ValueError(
                    f"warm_start=True continues with the current network, but its {name} "
                    f"were {before}, and now are {now}: use warm_start=False"
                )

    def _check_network(self, inputs: Inputs) -> None:
        """Raise ValueError if a custom network does not return embeddings of length d."""
        self.module_.eval()
        network, decoder = self.module_.encoder, self.module_.decoder
        x = inputs.batch(torch.arange(1))
        shape = f"shape {tuple(x.shape)} and {x.dtype}" if isinstance(x, Tensor) else ""
        try:
            with torch.no_grad():
                y = network(x)
        except REFUSED as error:
            raise ValueError(
                f"network does not accept a batch of {shape or type(x).__name__}: {error}"
                f"{refusal_hint(network, x, error)}"
            ) from error
        got = tuple(y.shape) if isinstance(y, Tensor) else type(y).__name__
        if got != (1, self.n_components):
            hint = "set n_components" if isinstance(y, Tensor) and y.ndim == 2 else "set pooling"
            raise ValueError(
                f"network must return an array of shape (1, {self.n_components}) for one row, got "
                f"{'shape ' if isinstance(y, Tensor) else ''}{got}: {hint}"
            )
        if y.dtype != torch.float32:
            raise ValueError(
                f"network must return float32 embeddings, got {y.dtype}: use network.float(), or "
                "return y.float(); mixed_precision=True computes in bfloat16"
            )
        if decoder is None:
            return
        try:
            with torch.no_grad():
                x2 = decoder(y)
        except REFUSED as error:
            raise ValueError(
                f"decoder does not accept embeddings of shape {tuple(y.shape)}: {error}"
            ) from error
        if not isinstance(x, Tensor) or not isinstance(x2, Tensor) or x2.shape != x.shape:
            expected = tuple(x.shape) if isinstance(x, Tensor) else "a tensor of features"
            found = tuple(x2.shape) if isinstance(x2, Tensor) else type(x2).__name__
            raise ValueError(f"decoder must return {expected} for one row, got {found}")

    def _check_targets(self, targets: Targets) -> None:
        if targets.shape != self.layout_.targets:
            raise ValueError(
                f"rows of S must have shape {self.layout_.targets} as in fit, got {targets.shape}"
            )

    def _fix_last_layer(self, last_layer: Any) -> None:
        weight = self.module_.last.weight
        W_l = torch.as_tensor(np.asarray(last_layer, np.float32))
        if W_l.shape != weight.shape:
            raise ValueError(
                f"last_layer must have shape {tuple(weight.shape)} (components, targets), got "
                f"{tuple(W_l.shape)}"
            )
        with torch.no_grad():
            weight.copy_(W_l)
        weight.requires_grad_(False)

    def _hold_out(
        self,
        inputs: Inputs | None,
        targets: Targets,
        seed: int,
        given: tuple[Any, Any] | None,
        layout: Layout,
    ) -> tuple[Targets, Tensor, Validation | None]:
        """Return targets and rows for training, and the validation data."""
        rows = torch.arange(len(targets))
        loss = self.early_stopping if isinstance(self.early_stopping, str) else None
        if given is not None:
            return targets, rows, self._read_validation(inputs, given, layout, loss)
        if not self.early_stopping:
            return targets, rows, None
        if inputs is None:
            random = np.random.default_rng(seed)
            training, validation = targets.hold_out(
                self.validation_fraction, random, symmetric=bool(self.symmetric)
            )
            identity = read_identity(None, layout.n_features, self.device_)
            return training, rows, Validation(identity, validation, rows, loss)
        training_rows, validation_rows = split_rows(len(targets), self.validation_fraction, seed)
        for part in (training_rows, validation_rows):
            if not targets.has_observed(part):
                raise ValueError(
                    "S has too few observed entries for a validation part: use early_stopping=False"
                )
        return targets, training_rows, Validation(inputs, targets, validation_rows, loss)

    def _read_validation(
        self, inputs: Inputs | None, given: Any, layout: Layout, loss: str | None
    ) -> Validation:
        """Read validation data passed to `fit`."""
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise ParameterError(f"validation must be a pair (X, S), got {type(given).__name__}")
        if inputs is None:
            raise ValueError("validation needs features, but X is None: use early_stopping=True")
        if not self.early_stopping:
            raise ValueError(
                "validation is only used with early_stopping=True or the name of a loss"
            )
        X, S = given
        held_out = read_inputs(
            self, X, self.device_, reset=False, custom=self.network is not None,
            ids=layout.inputs == "ids",
        )  # fmt: skip
        targets = self._read_targets(self._relations(S, reset=False), held_out, None)
        if targets.shape != layout.targets:
            raise ValueError(
                f"rows of the validation targets must have shape {layout.targets} like those of "
                f"S, got {targets.shape}"
            )
        return Validation(held_out, targets, torch.arange(len(targets)), loss)

    def _initialize(self, inputs: Inputs, targets: Targets, rows: Tensor, *, fixed: bool) -> bool:
        """Set the initial weights; return whether predictions now approximate the targets."""
        began = time.perf_counter()
        if not math.prod(targets.shape):
            return False
        initializer = Initializer(
            self.module_, inputs, targets, rows, self._objective(), fixed=fixed, tol=self.tol
        )
        approximate = True
        if self.solver == "variational":
            initializer.set_variational(progress=bool(self.verbose))
        elif self.solver != "adam" and initializer.is_linear:
            initializer.set_optimum()
            if initializer.ignored_missing and self.solver == "exact":
                raise ValueError(
                    "solver='exact' needs targets in memory if some are missing: pass S as an "
                    "array or a sparse matrix, or use solver='auto'"
                )
        elif self.init == "spectral":
            approximate = initializer.set_spectral()
        else:
            approximate = False
            if self.network is not None:
                initializer.scale_last_layer()
        logger.info("initialized weights in %.1f s", time.perf_counter() - began)
        return approximate

    def _train(
        self,
        inputs: Inputs,
        targets: Targets,
        rows: Tensor,
        validation: Validation | None,
        seed: int,
        run: _Run,
        *,
        warm: bool,
    ) -> None:
        """Train from initial or current weights, and finally set the last layers in closed form."""
        last, objective = self.module_.last, self._objective()
        fixed = not last.weight.requires_grad
        # solver="adam" is Adam only; a linear network starts from the optimum
        deep = self.solver == "auto" and not is_linear(self.module_.encoder)
        same_error = validation is None or validation.loss in (None, "mse")
        basis = find_basis(targets, rows, last, objective) if deep and same_error else None
        projected = targets if basis is None else basis.project(targets, self.device_)
        if validation is not None and basis is not None:
            same = validation.targets is targets
            held_out = projected if same else basis.project(validation.targets, self.device_)
            validation = replace(validation, targets=held_out)
        original, schedule = last.weight, self._schedule()
        schedule.check(self.module_)
        projection = nullcontext() if basis is None else basis.in_place(last)
        with projection, schedule.frozen(self.module_):
            resumed = run.resumed
            started = warm or (
                resumed is None and self._initialize(inputs, projected, rows, fixed=fixed)
            )
            self._trainer = trainer = self._new_trainer(schedule, seed)
            if resumed is not None:
                resumed.restore(trainer)
            finish: Callable[[], object] | None = None
            if deep:
                final = Initializer(self.module_, inputs, projected, rows, objective, fixed=fixed)
                finish = final.set_last_layers if final.has_optimal_last_layers else None

            def full_last_layer() -> AbstractContextManager[None]:
                return nullcontext() if basis is None else basis.expanded(last, original)

            def take_snapshot() -> None:
                self._set_history(trainer.history)
                numbers, arrays = trainer.state()
                weights = {name.removeprefix("best."): value for name, value in arrays.items()
                           if name.startswith("best.")}  # fmt: skip
                if basis is not None:
                    A = torch.from_numpy(weights["last.weight"]).to(self.device_)
                    W_l = original if fixed else basis.expand(A).reshape(original.shape)
                    weights["last.weight"] = as_array(W_l)
                run.snapshot = self._config(), weights, {"numbers": numbers, "fixed": fixed}, arrays

            def on_epoch() -> bool:
                self._set_history(trainer.history)
                with full_last_layer():
                    stop = run.notify(self)
                if run.checkpoint is not None:
                    take_snapshot()
                    if not stop and run.is_due(len(trainer.history.losses)):
                        run.save()
                return stop

            run.training = True
            try:
                trainer.fit(
                    inputs, projected, rows, validation, started=started, finish=finish,
                    on_start=None if run.checkpoint is None else take_snapshot,
                    on_epoch=on_epoch, resume=resumed is not None,
                )  # fmt: skip
            except STOPPED:
                run.save()
                raise
            finally:
                self._set_history(trainer.history)
        if basis is not None:
            # the state of its optimizer is that of a projected last layer
            del self._trainer

    def _check_finite(self, run: _Run) -> None:
        """Raise ValueError if weights are not finite; the encoder is restored then."""
        if not has_finite_weights(self.module_):
            run.training = False
            raise ValueError(OVERFLOW)

    def _set_history(self, history: History) -> None:
        self.loss_curve_, self.validation_curve_ = history.losses, history.validation
        self.best_loss_, self.n_iter_ = history.best_loss, max(1, len(history.losses))

    def _resume(self, path: StrPath) -> _Resumed:
        """Read a checkpoint and replace the parameters by those of its run."""
        with open_folder(path, KIND, FORMAT_VERSION, what="Similarity Encoder") as folder:
            if TRAINING not in folder.names:
                raise ValueError(
                    f"{folder.path} is a model, but not a checkpoint of an interrupted run: to "
                    "continue training, load it and fit it with warm_start=True"
                )
            loss = self.loss if callable(self.loss) else None
            saved = self.read_from(
                folder, network=self.network, loss=loss, device=self.device,
                pooling=self.pooling if callable(self.pooling) else None,
                similarity=self.similarity if callable(self.similarity) else None,
                decoder=self.decoder if isinstance(self.decoder, nn.Module) else None,
            )  # fmt: skip
            state, arrays = folder.read_json(TRAINING), folder.read_arrays(TRAINING_ARRAYS)
            with folder.checking(TRAINING):
                keys = ("fixed", "seed", "fingerprint", "numbers")
                state = check_saved_object("the state", state, keys)
                fixed = check_flag("fixed", state["fixed"])
                resumed = _Resumed(
                    folder, saved.layout_,
                    check_integer("seed", state["seed"], 0, 2**31 - 1),
                    check_integer("fingerprint", state["fingerprint"], 0, 2**32 - 1),
                    as_array(saved.module_.last.weight) if fixed else None,
                    check_saved_object("numbers", state["numbers"]), arrays,
                )  # fmt: skip
        parameters = saved.get_params(deep=False)
        del parameters["device"], parameters["verbose"]
        if parameters["random_state"] is None:
            del parameters["random_state"]
        self.set_params(**parameters)
        return resumed

    def _objective(self) -> Objective:
        return Objective(
            self.loss, float(self.symmetric), float(self.orthogonal), float(self.l2),
            1.0 if isinstance(self.decoder, nn.Module) else float(self.decoder),
            float(self.l2_by_count),
        )  # fmt: skip

    def _schedule(self) -> Schedule:
        mixed = self.mixed_precision
        rates = self.learning_rate
        rates = {str(k): float(v) for k, v in rates.items()} if isinstance(rates, Mapping) else {
            "": float(rates)}  # fmt: skip
        largest = max(rates.values())
        return Schedule(
            int(self.batch_size), int(self.max_iter), largest, float(self.tol),
            int(self.n_iter_no_change),
            self.device_.type == "cuda" if mixed == "auto" else bool(mixed), bool(self.verbose),
            tuple((name, rate / largest) for name, rate in rates.items()), self.decay,
            int(self.validation_interval),
        )  # fmt: skip

    def _new_trainer(self, schedule: Schedule, seed: int) -> Trainer:
        return Trainer(
            self.module_, self._objective(), schedule, seed, self.device_,
            custom=self.network is not None or callable(self.loss),
        )  # fmt: skip

    def _fitted(self) -> SimEcNetwork:
        check_is_fitted(self, "module_")
        return self.module_

    def _embed(self, X: Any) -> FloatArray:
        return self._apply(X, self._fitted().encoder)

    def _apply(self, X: Any, network: Callable[[Tensor], Tensor]) -> FloatArray:
        inputs = self.inputs(X)
        self.module_.eval()
        return outputs_of(network, inputs)

    # For scikit-learn

    @property
    def _n_features_out(self) -> int:
        return int(self._fitted().last.weight.shape[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        # outputs are always float32
        tags.transformer_tags.preserves_dtype = []
        tags.non_deterministic = False
        return tags

    def __getstate__(self) -> dict[str, Any]:
        # the optimizer's state is only kept for `partial_fit` in the same process
        state = dict(super().__getstate__())
        state.pop("_trainer", None)
        return state


@dataclass
class _Resumed:
    """State of an interrupted run, read from its checkpoint."""

    folder: FolderReader
    layout: Layout
    seed: int
    fingerprint: int
    last_layer: FloatArray | None  # set if the last layer is fixed
    numbers: dict[str, Any]
    arrays: dict[str, Any]

    def restore(self, trainer: Trainer) -> None:
        """Set the state of a trainer to that of the interrupted run."""
        with self.folder.checking(TRAINING_ARRAYS):
            trainer.restore(self.numbers, self.arrays)


class _Run:
    """Callbacks and checkpoints of one call to `fit`.

    Attributes
    ----------
    checkpoint : path or None
    resumed : _Resumed or None
    snapshot : tuple or None
        Configuration, best weights, and the state of training: plain data and arrays.
    training : bool
        Whether training has begun; errors restore the encoder before then.
    """

    def __init__(
        self, callbacks: Any, checkpoint: StrPath | None, minutes: float, epochs: int | None
    ) -> None:
        self._notify = as_callback(callbacks) if callbacks else None
        self._schedule: CheckpointSchedule | None = None
        if checkpoint is not None:
            self._schedule = CheckpointSchedule(minutes, epochs)
            check_writable(checkpoint, KIND)
        self.checkpoint = checkpoint
        self.resumed: _Resumed | None = None
        self.snapshot: tuple[dict[str, Any], ...] | None = None
        self.training = False
        self._identity: dict[str, Any] = {}

    def identify(self, seed: int, inputs: Inputs | None, targets: Targets, layout: Layout) -> None:
        """Compute the run's seed and data fingerprint; compare it with the run to resume.

        Raises
        ------
        ValueError
            If the data differ.
        """
        if self.checkpoint is None and self.resumed is None:
            return
        fingerprint = _fingerprint(inputs, targets)
        self._identity = {"seed": seed, "fingerprint": fingerprint}
        if self.resumed is None:
            return
        if (self.resumed.layout, self.resumed.fingerprint) != (layout, fingerprint):
            raise ValueError(
                "resume_from needs the data of the interrupted run, but X or the targets differ: "
                "pass the same data, or fit without resume_from"
            )

    def notify(self, encoder: SimilarityEncoder) -> bool:
        """Call the callbacks; return whether to stop."""
        return self._notify is not None and self._notify(encoder)

    def is_due(self, epoch: int) -> bool:
        """Whether a checkpoint must be saved after this epoch."""
        return self._schedule is not None and self._schedule.is_due(epoch)

    def save(self) -> None:
        """Save the last snapshot, if there is one."""
        if self.checkpoint is None or self._schedule is None or self.snapshot is None:
            return
        config, weights, state, arrays = self.snapshot
        began = time.monotonic()
        with write_folder(self.checkpoint, KIND, FORMAT_VERSION) as folder:
            folder.write_json(CONFIG, config, indent=1)
            folder.write_arrays(WEIGHTS, weights)
            folder.write_json(TRAINING, {**self._identity, **state})
            folder.write_arrays(TRAINING_ARRAYS, arrays)
        self._schedule.written()
        logger.info("saved checkpoint in %.1f s", time.monotonic() - began)


def _fingerprint(inputs: Inputs | None, targets: Targets) -> int:
    """Checksum of the number of rows and of a sample of rows, as far as they are in memory."""
    n_rows = len(targets)
    rows = torch.linspace(0, n_rows - 1, min(n_rows, 64), dtype=torch.float64).long()
    checksum = zlib.crc32(str(n_rows).encode())
    parts: list[Tensor] = []
    if inputs is not None and not isinstance(inputs, DatasetInputs):
        x = inputs.batch(rows)
        parts += [x] if x.layout == torch.strided else [x.values(), x.col_indices()]
    if targets.in_memory or isinstance(targets, SparseTargets):
        parts += [part for part in targets.batch(rows) if part is not None]
    for part in parts:
        checksum = zlib.crc32(as_array(part).tobytes(), checksum)
    return checksum


@contextmanager
def _unchanged_if_refused(encoder: SimilarityEncoder, run: _Run | None = None) -> Iterator[None]:
    """Restore an encoder's attributes if an exception is raised before training begins."""
    before, random_state = dict(encoder.__dict__), encoder.random_state
    generator = random_state if isinstance(random_state, np.random.RandomState) else None
    position = None if generator is None else generator.get_state()
    try:
        yield
    except Exception as error:
        if run is None or not run.training:
            encoder.__dict__.clear()
            encoder.__dict__.update(before)
            if generator is not None and position is not None:
                generator.set_state(position)
        if isinstance(error, np.linalg.LinAlgError):
            raise ValueError(OVERFLOW) from error
        raise


_CUSTOM = "custom"  # what a saved configuration has for a callable or module


def _decoder(decoder: Any) -> bool | nn.Module:
    return decoder if isinstance(decoder, nn.Module) else bool(decoder)


# entries of a saved configuration
_SAVED = (
    "parameters", "layout", "feature_names", "losses", "validation", "best_loss", "n_iter",
)  # fmt: skip


def _check_parameters(encoder: SimilarityEncoder) -> None:
    """Raise ValueError or TypeError if a parameter is out of range or has the wrong type."""
    e = encoder
    for name in (
        "n_components", "batch_size", "max_iter", "n_iter_no_change", "validation_interval"
    ):  # fmt: skip
        check_integer(name, getattr(e, name), 1)
    if e.n_targets is not None:
        check_integer("n_targets", e.n_targets, 1)
    layers = check_sizes("hidden_layers", e.hidden_layers)
    for name in ("bias", "warm_start"):
        check_flag(name, getattr(e, name))
    if isinstance(e.early_stopping, str):
        if e.early_stopping not in VALIDATION_ERRORS:
            raise ParameterError(
                "early_stopping must be True, False, or the name of an error "
                f"({', '.join(VALIDATION_ERRORS)}), got {e.early_stopping!r}"
            )
        if e.early_stopping == "bce" and e.loss != "bce":
            raise ValueError("early_stopping='bce' needs loss='bce'")
    else:
        check_flag("early_stopping", e.early_stopping)
    check_device(e.device)
    check_random_state(e.random_state)
    for name in ("symmetric", "orthogonal", "l2", "l2_by_count", "tol", "decoder"):
        value = getattr(e, name)
        if isinstance(value, nn.Module):
            continue
        check_number(name, float(value) if isinstance(value, (bool, np.bool_)) else value, 0)
    _check_rates(e.learning_rate)
    check_choice("decay", e.decay, ("plateau", "cosine"))
    if not 0 < check_number("validation_fraction", e.validation_fraction, 0) < 1:
        raise ValueError(
            f"validation_fraction must be between 0 and 1, got {e.validation_fraction!r}"
        )
    if e.similarity is not None:
        check_similarity(e.similarity)
    check_choice("activation", e.activation, ACTIVATIONS)
    check_choice("init", e.init, ("spectral", "random"))
    check_choice("solver", e.solver, ("auto", "exact", "variational", "adam"))
    if not isinstance(e.mixed_precision, (bool, np.bool_)) and e.mixed_precision != "auto":
        raise ValueError(
            f"mixed_precision must be True, False or 'auto', got {e.mixed_precision!r}"
        )
    if e.network is not None:
        if not isinstance(e.network, nn.Module):
            raise ParameterError(
                f"network must be a torch.nn.Module, got {type(e.network).__name__}"
            )
        if len(layers):
            raise ValueError(
                "hidden_layers cannot be combined with a custom network: set only one of them"
            )
    elif isinstance(e.decoder, nn.Module):
        raise ValueError("a custom decoder needs a custom network: use decoder=True")
    if e.pooling is not None:
        if e.network is None:
            raise ValueError("pooling needs a custom network, which returns embeddings of parts")
        if not callable(e.pooling):
            check_choice("pooling", e.pooling, ("sum", "mean"))
    _check_loss(e.loss, e.target_activation)
    linear = e.network is None and not len(layers)
    closed = e.solver in ("exact", "variational")
    if closed and not (linear and e.loss == "mse" and not e.decoder):
        raise ValueError(
            f"solver={e.solver!r} needs a linear network (hidden_layers=(), network=None), "
            "loss='mse' and decoder=False: change them or use solver='auto'"
        )
    if e.l2_by_count and e.solver != "exact":
        raise ValueError(
            f"l2_by_count needs solver='exact', got solver={e.solver!r}: use l2_by_count=0, or "
            "solver='exact'"
        )


def _check_rates(rates: Any) -> None:
    if not isinstance(rates, Mapping):
        check_number("learning_rate", rates, 0, above=True)
        return
    for name, rate in rates.items():
        if not isinstance(name, str):
            raise ParameterError(f"learning_rate must have names of parts as keys, got {name!r}")
        check_number(f"learning_rate[{name!r}]", rate, 0)
    if not any(rates.values()):
        raise ValueError("learning_rate must be > 0 for at least one part")


def _check_loss(loss: Loss, activation: TargetActivation) -> None:
    if not callable(loss) and loss not in LOSSES:
        names = ", ".join(map(repr, LOSSES))
        raise ValueError(f"loss must be one of {names}, or a callable, got {loss!r}")
    if activation is not None and not (isinstance(activation, str) and activation == "sigmoid"):
        try:
            low, high = (float(bound) for bound in activation)
            valid = math.isfinite(low) and math.isfinite(high) and low < high
        except (TypeError, ValueError):
            valid = False
        if not valid:
            raise ValueError(
                "target_activation must be None, 'sigmoid' or (low, high) with low < high, got "
                f"{activation!r}"
            )
    if loss == "cross_entropy" and activation is not None:
        raise ValueError("loss='cross_entropy' needs target_activation=None: it takes logits")
    if loss == "bce" and not isinstance(activation, str):
        raise ValueError("loss='bce' needs target_activation='sigmoid'")
