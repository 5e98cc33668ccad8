"""Fine-tuning of a pre-trained network on labels, as scikit-learn estimators (Sec. 6.1, 6.2)."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from corpora.callbacks import as_callback
from corpora.checks import (
    ParameterError,
    check_choice,
    check_flag,
    check_integer,
    check_number,
    check_sizes,
)
from corpora.errors import ModelError, cut_middle, warn
from corpora.files import StrPath
from corpora.model_folder import FolderReader, FolderWriter, open_folder, write_folder
from corpora.saved_data import check_saved_object, saved_seed, saved_strings
from simec.data.inputs import (
    Inputs,
    as_array,
    check_device,
    check_form,
    choose_device,
    is_dataset,
    outputs_of,
    read_inputs,
)
from simec.data.targets import DenseTargets
from simec.encoder import FORMAT_VERSION as ENCODER_VERSION
from simec.encoder import KIND as ENCODER_KIND
from simec.encoder import SimilarityEncoder
from simec.linalg.checks import QUIET
from simec.network import (
    ACTIVATIONS,
    REFUSED,
    PooledNetwork,
    PoolingMethod,
    SparseLinear,
    check_saved_weights,
    refusal_hint,
    save_weights,
    takes_ids,
)
from simec.pretraining.head import FineTuned, RidgeHead
from simec.pretraining.labels import Classes, Values
from simec.pretraining.points import n_points, select, split_labels, split_points
from simec.types import Float64, FloatArray

__all__ = ["FineTuning", "PretrainedClassifier", "PretrainedRegressor"]

Self = TypeVar("Self", bound="FineTuning")

FORMAT_VERSION = 1
CONFIG, ARRAYS, ENCODER, PRETRAINED = "config.json", "arrays.safetensors", "encoder", "pretrained"
CUSTOM = "custom"  # stands for a callable in a saved configuration
_NETWORK = "network."  # prefix of the names of weights, with head="ridge"
_PART = "encoder.network"  # prefix of the names of the network's parameters in training
# entries of a saved configuration
_SAVED = "parameters", "pooling", "width", "last", "ids", "n_features", "feature_names", "labels"


class FineTuning(BaseEstimator):  # type: ignore[misc]
    """What `PretrainedClassifier` and `PretrainedRegressor` have in common."""

    encoder_: SimilarityEncoder | None
    ridge_: RidgeHead | None
    labels_: Any  # Classes or Values

    kind: str  # of the folders that `save` writes
    _what: str
    _labels: type[Classes] | type[Values]
    _loss: str

    def __init__(
        self,
        network: nn.Module | SimilarityEncoder | FineTuning,
        *,
        head: Sequence[int] | Literal["ridge"] = (),
        activation: str = "tanh",
        init: Literal["random", "ridge"] = "random",
        pooling: PoolingMethod = None,
        loss: str | Callable[[Tensor, Tensor], Tensor] | None = None,
        learning_rate: float = 1e-3,
        network_learning_rate: float | Mapping[str, float] | None = None,
        freeze: bool = False,
        l2: float = 0.0,
        batch_size: int = 32,
        max_iter: int = 300,
        early_stopping: bool | str = True,
        validation_fraction: float = 0.1,
        validation_interval: int = 1,
        n_iter_no_change: int = 50,
        tol: float = 1e-4,
        mixed_precision: bool | Literal["auto"] = "auto",
        device: str | torch.device = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.network = network
        self.head = head
        self.activation = activation
        self.init = init
        self.pooling = pooling
        self.loss = loss
        self.learning_rate = learning_rate
        self.network_learning_rate = network_learning_rate
        self.freeze = freeze
        self.l2 = l2
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.validation_interval = validation_interval
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.mixed_precision = mixed_precision
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    # Training

    def fit(
        self: Self,
        X: Any,
        y: Any = None,
        *,
        validation: tuple[Any, Any] | None = None,
        callbacks: Any = (),
        checkpoint: StrPath | None = None,
        checkpoint_minutes: float = 10,
        checkpoint_epochs: int | None = None,
        resume_from: StrPath | None = None,
    ) -> Self:
        """Train a head on labels, and fine-tune a copy of the network.

        An error that is raised before training begins leaves the estimator unchanged.

        Parameters
        ----------
        X : array of shape (m, ...), tensor, data frame or map-style Dataset
            Points, in any form that `simec.SimilarityEncoder.fit` takes with a custom network.
        y : array of shape (m,), or (m, k) for k values to predict
            Labels. They can be omitted if X is a data set of pairs of features and labels.
        validation : tuple of (X, y), optional
            Labelled points for early stopping. By default `validation_fraction` of the points is
            held out, classes in proportion. ``head="ridge"`` uses all points, and ignores it.
        callbacks : callable, object with ``on_epoch_end``, or iterable of these
            Called with the estimator after each epoch; it predicts with the weights of that
            epoch. Training stops if one returns True; the best weights are kept.
        checkpoint, checkpoint_minutes, checkpoint_epochs, resume_from
            As for `simec.SimilarityEncoder.fit`: a checkpoint is a Similarity Encoder. To resume,
            pass the same data and parameters, including `random_state`.

        Warns
        -----
        UserWarning
            If ``freeze=True``.
        ConvergenceWarning
            If the loss is still falling after `max_iter` epochs.

        Raises
        ------
        ValueError
            If X, y or a parameter is invalid.
        """
        # attributes are set on a copy, and on the estimator when training begins
        new = copy.copy(self)
        notify = as_callback(callbacks) if callbacks else None
        with np.errstate(**QUIET):
            new._check_parameters()
            X, own_labels = split_labels(X)
            y = own_labels if y is None else y
            if y is None:
                raise ValueError(
                    f"{type(self).__name__} requires y to be passed, but the target y is None"
                )
            new.labels_, labels = self._labels.learn(y, n_points(X))
            seed = int(check_random_state(self.random_state).randint(1 << 31))
            new.device_ = choose_device(self.device)
            inputs, module, n_outputs = new._build(X, seed)
            new.module_, new.encoder_, new.ridge_ = module, None, None
            if isinstance(self.head, str):
                new._fit_ridge(inputs, labels)
                self.__dict__.update(vars(new))
                return self
            sizes = new._sizes(inputs)
            held_out: tuple[Any, Any] | None = None
            if validation is not None:
                X_val, y_val = new._read_validation(validation)
                sizes_val = new._sizes(new._inputs(X_val))
            elif self.early_stopping:
                rows, rest = split_points(
                    len(labels), float(self.validation_fraction), seed, new.labels_.strata(labels)
                )
                X_val, y_val, sizes_val = select(X, rest), labels[rest], sizes[rest]
                X, labels, sizes = select(X, rows), labels[rows], sizes[rows]
            new.labels_.fit(labels, sizes)
            if validation is not None or self.early_stopping:
                held_out = X_val, new._targets(y_val, sizes_val)
            last_layer = None
            if self.init == "ridge":
                Y = new._apply(new._inputs(X), module).astype(np.float64)
                values = new.labels_.targets(labels, sizes).astype(np.float64)
                module.set_last(RidgeHead.start(Y, values, classes=not new.labels_.uses_sizes))
                n_outputs = values.shape[1]
                last_layer = np.eye(n_outputs)  # the module has the last layer
            new.encoder_ = encoder = new._new_encoder(module, n_outputs, seed)

            def update() -> None:
                new.module_ = encoder.module_.encoder
                self.__dict__.update(vars(new))

            def on_epoch(_: SimilarityEncoder) -> bool:
                update()
                return notify is not None and notify(self)

            try:
                encoder.fit(
                    X, new._targets(labels, sizes), validation=held_out, last_layer=last_layer,
                    callbacks=() if notify is None else on_epoch, checkpoint=checkpoint,
                    checkpoint_minutes=checkpoint_minutes, checkpoint_epochs=checkpoint_epochs,
                    resume_from=resume_from,
                )  # fmt: skip
            finally:
                if hasattr(encoder, "module_"):  # not if the data were refused
                    update()
        return self

    # Predictions

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Predict labels."""
        raise NotImplementedError

    def embed(self, X: Any) -> FloatArray:
        """Compute the embeddings of points by the fine-tuned network, pooled, without the head.

        Parameters
        ----------
        X : as for `fit`

        Returns
        -------
        float32 array of shape (m, d)
        """
        check_is_fitted(self, "module_")
        return self._apply(self._inputs(X), self.module_.embed)

    # On disk

    def save(self, path: StrPath) -> None:
        """Save the estimator to a folder (safetensors and JSON), completely or not at all.

        Of a custom network only the weights are saved, and `load` needs a network like it.

        Parameters
        ----------
        path : str or path
            Folder. An estimator of the same class that was saved there is replaced.

        Raises
        ------
        NotFittedError
            If the estimator was not fitted.
        OSError
            If `path` cannot be written, or holds something else.
        """
        check_is_fitted(self, "module_")
        with write_folder(path, self.kind, FORMAT_VERSION) as folder:
            self.write_to(folder)

    def write_to(self, folder: FolderWriter) -> None:
        """Write the estimator to an open folder, such as a subfolder of another model.

        Parameters
        ----------
        folder : corpora.model_folder.FolderWriter
            Of this `kind`.
        """
        check_is_fitted(self, "module_")
        parameters = self.get_params(deep=False)
        del parameters["network"]
        for name in ("pooling", "loss"):
            if callable(parameters[name]):
                parameters[name] = CUSTOM
        method = None if self.module_.pooling is None else self.module_.pooling.method
        if not isinstance(self.random_state, Integral):
            parameters["random_state"] = None
        if isinstance(self.network_learning_rate, Mapping):
            parameters["network_learning_rate"] = dict(self.network_learning_rate)
        names = getattr(self, "feature_names_in_", None)
        config = {
            "parameters": parameters,
            "pooling": CUSTOM if callable(method) else method,
            "width": self.module_.width,
            "last": None if self.module_.last is None else self.module_.last.in_features,
            "ids": self.takes_ids_,
            "n_features": self.n_features_in_,
            "feature_names": None if names is None else [str(name) for name in names],
            "labels": self.labels_.config(),
        }
        arrays = dict(self.labels_.arrays())
        if self.ridge_ is not None:
            arrays |= self.ridge_.arrays()
            weights = self.module_.network.state_dict()
            arrays |= {f"{_NETWORK}{name}": as_array(value) for name, value in weights.items()}
        folder.write_json(CONFIG, config, indent=1)
        folder.write_arrays(ARRAYS, arrays)
        if self.encoder_ is not None:
            self.encoder_.write_to(folder.folder(ENCODER, ENCODER_KIND, ENCODER_VERSION))
        if isinstance(self.network, SimilarityEncoder) and self.network.network is None:
            inner = folder.folder(PRETRAINED, ENCODER_KIND, ENCODER_VERSION)
            self.network.write_to(inner)

    @classmethod
    def load(
        cls: type[Self],
        path: StrPath,
        *,
        network: nn.Module | SimilarityEncoder | FineTuning | None = None,
        pooling: Callable[[Any], Tensor] | None = None,
        loss: Callable[..., Any] | None = None,
        device: str | torch.device | None = None,
        verify: bool = False,
    ) -> Self:
        """Load an estimator from a folder written by `save`.

        Parameters
        ----------
        path : str or path
            Folder.
        network : Module or fitted estimator, optional
            A network like the one that was fine-tuned; its weights are replaced. It is not needed
            if that was a Similarity Encoder without a custom network.
        pooling, loss : callable, optional
            The custom pooling and loss, if there were any.
        device : str or torch.device, optional
            Replaces the device parameter of the saved estimator.
        verify : bool
            Verify the checksums of all files, not only of those that are read.

        Raises
        ------
        FileNotFoundError
            If the folder does not exist.
        ModelError
            If the folder holds something else, such as an estimator of the other class, is
            damaged, or was saved by a newer version; or if a custom network, pooling or loss was
            saved and is not passed.
        """
        with open_folder(path, cls.kind, FORMAT_VERSION, verify=verify, what=cls._what) as folder:
            return cls.read_from(folder, network=network, pooling=pooling, loss=loss, device=device)

    def save_network(self, path: StrPath) -> None:
        """Save the weights of `network_` as a plain ``state_dict``, in a safetensors file.

        Parameters
        ----------
        path : str or path
            As for `simec.SimilarityEncoder.save_network`.
        """
        save_weights(self.network_, path)

    @property
    def network_(self) -> nn.Module:
        """The fine-tuned network, without head and pooling: the trained copy of `network`."""
        if not hasattr(self, "module_"):
            raise AttributeError("network_ is available after fit")
        network: nn.Module = self.module_.network
        return network

    @property
    def n_iter_(self) -> int:
        """Number of epochs; 1 for ``head="ridge"``."""
        check_is_fitted(self, "module_")
        return 1 if self.encoder_ is None else self.encoder_.n_iter_

    @property
    def loss_curve_(self) -> list[float]:
        """Loss of each epoch, on the scale of standardized labels."""
        check_is_fitted(self, "module_")
        return [] if self.encoder_ is None else self.encoder_.loss_curve_

    @property
    def validation_curve_(self) -> list[float]:
        """Validation errors, one for each `validation_interval` epochs."""
        check_is_fitted(self, "module_")
        return [] if self.encoder_ is None else self.encoder_.validation_curve_

    # For scikit-learn

    def __sklearn_clone__(self: Self) -> Self:
        # a clone of a fitted estimator would lose the pre-trained weights
        parameters = {
            name: copy.deepcopy(value) if name == "network" else clone(value, safe=False)
            for name, value in self.get_params(deep=False).items()
        }
        return type(self)(**parameters)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.non_deterministic = False
        return tags

    # Steps of training

    def _check_parameters(self) -> None:
        """Check the parameters that the Similarity Encoder does not check."""
        network, _ = self._source()
        if not isinstance(self.head, str):
            check_sizes("head", self.head)
        elif self.head != "ridge":
            raise ValueError(f"head must be a sequence of sizes, or 'ridge', got {self.head!r}")
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("init", self.init, ("random", "ridge"))
        check_flag("freeze", self.freeze)
        if not 0 < check_number("validation_fraction", self.validation_fraction, 0) < 1:
            raise ValueError(
                f"validation_fraction must be between 0 and 1, got {self.validation_fraction!r}"
            )
        check_number("learning_rate", self.learning_rate, 0, above=True)
        rates = self.network_learning_rate
        if rates is None:
            pass
        elif self.freeze:
            raise ValueError("network_learning_rate cannot be combined with freeze=True")
        elif isinstance(rates, Mapping):
            names = [name for name, _ in network.named_parameters()]
            for prefix, rate in rates.items():
                check_number(f"network_learning_rate[{prefix!r}]", rate, 0)
                if not isinstance(prefix, str) or not any(
                    prefix in ("", name) or name.startswith(f"{prefix}.") for name in names
                ):
                    raise ValueError(
                        f"network_learning_rate has the prefix {prefix!r}, with which no parameter "
                        f"of network begins: they are {cut_middle(', '.join(names))}"
                    )
        else:
            check_number("network_learning_rate", rates, 0, above=True)
        if isinstance(self.head, str):
            if self.freeze or rates is not None:
                raise ValueError(
                    "head='ridge' does not train the network: use freeze=False and "
                    "network_learning_rate=None"
                )
        elif self.freeze:
            warn(
                "freeze=True keeps the weights of the network. Its layers may depend on those that "
                "it was trained with and that the head replaces (co-adaptation), so that training "
                "all weights is generally better: compare with freeze=False, and a smaller "
                "network_learning_rate"
            )

    def _source(self) -> tuple[nn.Module, PoolingMethod]:
        """Return the network to fine-tune, and its pooling; neither is a copy."""
        network, pooling = self.network, self.pooling
        if isinstance(network, (SimilarityEncoder, FineTuning)):
            check_is_fitted(network, "module_")
            if isinstance(network, SimilarityEncoder):
                if network.layout_.inputs == "identity":
                    raise ValueError(
                        "network is a Similarity Encoder without features (X was None), which "
                        "cannot embed new points: fit it with features"
                    )
                whole = network.module_.encoder
                own = whole.pooling if isinstance(whole, PooledNetwork) else None
            else:
                own = network.module_.pooling
            if pooling is None and own is not None:
                pooling = own.method
            network = network.network_
        elif not isinstance(network, nn.Module):
            raise ParameterError(
                "network must be a torch.nn.Module or a fitted SimilarityEncoder, got "
                f"{type(network).__name__}"
            )
        if pooling is not None and not callable(pooling):
            check_choice("pooling", pooling, ("sum", "mean"))
        return network, pooling

    def _build(self, X: Any, seed: int) -> tuple[Inputs, FineTuned, int]:
        """Read features, and build the network; return also the length of its outputs."""
        network, pooling = copy.deepcopy(self._source())
        network = network.to(self.device_).eval()
        self.takes_sparse_ = any(isinstance(m, SparseLinear) for m in network.modules())
        self.takes_ids_ = takes_ids(network, X, self.device_)
        inputs = self._inputs(X, reset=True)
        x = inputs.batch(torch.arange(1))
        # lazy layers draw their weights when they get the first batch
        is_lazy = _is_lazy(network)
        with torch.random.fork_rng(enabled=is_lazy):
            if is_lazy:
                torch.manual_seed(seed)
            output = self._run("network", network, x)
        head = () if isinstance(self.head, str) else check_sizes("head", self.head)
        width = 0
        if len(head):
            parts = output[0] if isinstance(output, tuple) and len(output) == 2 else output
            if not isinstance(parts, Tensor) or parts.ndim < 2:
                raise ValueError(
                    "a head with hidden layers needs a network that returns a tensor of embeddings "
                    f"of points or parts, got {_shape(parts)}: use head=()"
                )
            width = parts.shape[-1]
        generator = torch.Generator().manual_seed(seed)
        module = FineTuned(
            network, pooling, head, self.activation, width=width, generator=generator
        ).to(self.device_).eval()  # fmt: skip
        if pooling is None and not (isinstance(output, Tensor) and output.shape[:-1] == (1,)):
            raise ValueError(
                "network must return embeddings of shape (b, d) for b points, got "
                f"{_shape(output)} for one point: set pooling if these are parts of the point"
            )
        y = self._run("network with pooling", module, x)
        if not isinstance(y, Tensor) or y.ndim != 2 or len(y) != 1:
            raise ValueError(
                f"pooling must return embeddings of shape (b, d), got {_shape(y)} for one point"
            )
        return inputs, module, y.shape[1]

    def _run(self, what: str, module: nn.Module, x: Any) -> Any:
        """Apply a module to one point; ValueError if it does not accept it."""
        try:
            with torch.no_grad():
                return module(x)
        except REFUSED as error:
            raise ValueError(
                f"{what} does not accept a batch of {_shape(x)}: {error}"
                f"{refusal_hint(module, x, error)}"
            ) from error

    def _inputs(self, X: Any, *, reset: bool = False) -> Inputs:
        """Read features; with `reset`, learn their number and names."""
        check_form(X)
        if sparse.issparse(X) and not self.takes_sparse_:
            raise ValueError(
                "X is sparse, which the network does not support: pass X.toarray(), or a "
                "SimilarityEncoder that was fitted to sparse features"
            )
        shape = getattr(X, "shape", (0, 0))
        if isinstance(X, (list, tuple)) and np.ndim(X[:1]) == 1:
            shape = (len(X),)
        if len(shape) == 1 and not (self.takes_ids_ or is_dataset(X)):
            raise ValueError(
                f"X must have two dimensions or more, got shape {tuple(shape)}. Reshape your data: "
                "X.reshape(-1, 1) for one feature, X.reshape(1, -1) for one point"
            )
        inputs = read_inputs(self, X, self.device_, reset=reset, custom=True, ids=self.takes_ids_)
        if reset:
            self.n_features_in_ = inputs.n_features
        elif self.takes_ids_ and inputs.kind != "ids":
            raise ValueError("the network was trained on integer ids: X must contain integers")
        return inputs

    def _sizes(self, inputs: Inputs) -> Float64:
        """Return the numbers of parts of points if they are summed, or ones; shape (m, 1)."""
        if self.module_.is_sum and self.labels_.uses_sizes:
            return self._apply(inputs, self.module_.pooled)[:, -1:].astype(np.float64)
        return np.ones((len(inputs), 1))

    def _targets(self, labels: npt.NDArray[Any], sizes: Float64) -> DenseTargets:
        targets = torch.from_numpy(self.labels_.targets(labels, sizes))
        return DenseTargets(targets, None, self.device_)

    def _apply(self, inputs: Inputs, function: Callable[[Any], Tensor]) -> FloatArray:
        self.module_.eval()
        return outputs_of(function, inputs)

    def _outputs(self, X: Any) -> tuple[Float64, Float64]:
        """Return predictions of targets, shape (m, k), and the numbers of parts, (m, 1)."""
        check_is_fitted(self, "module_")
        Y = self._apply(self._inputs(X), self.module_.pooled).astype(np.float64)
        sizes = Y[:, -1:]
        if self.ridge_ is not None:
            return self.ridge_.predict(Y), sizes
        assert self.encoder_ is not None
        W = as_array(self.encoder_.module_.last.weight).astype(np.float64)
        if self.module_.last is not None:
            W = as_array(self.module_.last.weight).astype(np.float64).T @ W
        return Y @ W, sizes

    def _fit_ridge(self, inputs: Inputs, labels: npt.NDArray[Any]) -> None:
        Y = self._apply(inputs, self.module_).astype(np.float64)
        sizes = np.ones((len(Y), 1))  # the number of parts is a feature
        self.labels_.fit(labels, sizes)
        targets = self.labels_.targets(labels, sizes)
        self.ridge_ = RidgeHead.fit(Y, targets, alpha_per_target=self.labels_.uses_sizes)

    def _read_validation(self, validation: Any) -> tuple[Any, npt.NDArray[Any]]:
        if not isinstance(validation, (tuple, list)) or len(validation) != 2:
            raise ParameterError(
                f"validation must be a pair (X, y), got {type(validation).__name__}"
            )
        X, y = validation
        n = n_points(X)
        if not n:
            raise ValueError("validation has no points: pass at least one, or use validation=None")
        X, own_labels = split_labels(X)
        return X, self.labels_.read(own_labels if y is None else y, n, "y of validation")

    def _new_encoder(self, module: FineTuned, n_outputs: int, seed: int) -> SimilarityEncoder:
        rate: Any = self.learning_rate
        network_rate = self.network_learning_rate
        if any(True for _ in module.network.parameters()):
            if self.freeze:
                rate = {"": rate, _PART: 0.0}
            elif isinstance(network_rate, Mapping):
                rate = {"": rate} | {
                    f"{_PART}.{prefix}".rstrip("."): value for prefix, value in network_rate.items()
                }
            elif network_rate is not None:
                rate = {"": rate, _PART: network_rate}
        return SimilarityEncoder(
            n_outputs, network=module, loss=self._loss if self.loss is None else self.loss,
            solver="adam", init="random", l2=self.l2, batch_size=self.batch_size,
            max_iter=self.max_iter, learning_rate=rate, early_stopping=self.early_stopping,
            validation_interval=self.validation_interval, n_iter_no_change=self.n_iter_no_change,
            tol=self.tol, mixed_precision=self.mixed_precision, device=self.device,
            random_state=seed, verbose=self.verbose,
        )  # fmt: skip

    @classmethod
    def read_from(
        cls: type[Self],
        folder: FolderReader,
        *,
        network: Any = None,
        pooling: Any = None,
        loss: Any = None,
        device: Any = None,
    ) -> Self:
        """Read an estimator written by `write_to`.

        Parameters
        ----------
        folder : corpora.model_folder.FolderReader
        network, pooling, loss, device
            As for `load`.

        Raises
        ------
        ModelError
            As `load`.
        """
        if device is not None:
            check_device(device)
        if network is None and PRETRAINED in folder.folders:
            inner = folder.folder(PRETRAINED, ENCODER_KIND, ENCODER_VERSION)
            network = SimilarityEncoder.read_from(inner, device=device)
        if network is None:
            raise ModelError(f"{folder.path} was saved with a custom network: pass network=")
        if _is_lazy(network):
            raise ModelError("network has lazy layers: apply it to a batch before it is passed")
        config = folder.read_json(CONFIG, limit=None)  # it may have the names of features
        arrays = folder.read_arrays(ARRAYS)
        with folder.checking(CONFIG):
            config = check_saved_object("the configuration", config, _SAVED)
            parameters = check_saved_object("parameters", config["parameters"])
            method = config["pooling"]
            if method is not None:
                check_choice("pooling", method, ("sum", "mean", CUSTOM))
            for name, value in (("pooling", pooling), ("loss", loss)):
                if CUSTOM in (parameters.get(name), method if name == "pooling" else None):
                    if value is None:
                        raise ModelError(
                            f"{folder.path} was saved with a custom {name}: pass {name}="
                        )
                    parameters[name] = value
            if method == CUSTOM:
                method = pooling
            parameters["random_state"] = saved_seed(parameters.get("random_state"))
            if isinstance(parameters.get("head"), list):
                parameters["head"] = tuple(parameters["head"])
            if device is not None:
                parameters["device"] = device
            estimator = cls(network, **parameters)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                estimator._check_parameters()
            estimator.labels_ = cls._labels.from_saved(config["labels"], arrays)
            estimator.device_ = choose_device(estimator.device)
            estimator.takes_ids_ = check_flag("ids", config["ids"])
            estimator.n_features_in_ = check_integer("n_features", config["n_features"], 1)
            if config["feature_names"] is not None:
                names = saved_strings(
                    "feature_names", config["feature_names"], estimator.n_features_in_
                )
                estimator.feature_names_in_ = np.array(names, object)
            modules = estimator._source()[0].modules()
            estimator.takes_sparse_ = any(isinstance(m, SparseLinear) for m in modules)
            width = check_integer("width", config["width"], 0, 1 << 24)
            head = () if isinstance(estimator.head, str) else estimator.head
            module = FineTuned(
                copy.deepcopy(estimator._source()[0]), copy.deepcopy(method), head,
                estimator.activation, width=width,
            )  # fmt: skip
            if config["last"] is not None:
                n_outputs = check_integer("last", config["last"], 1, 1 << 24)
                module.set_last(np.zeros((n_outputs, estimator.labels_.n_targets)))
        estimator.encoder_, estimator.ridge_ = None, None
        if ENCODER in folder.folders:
            inner = folder.folder(ENCODER, ENCODER_KIND, ENCODER_VERSION)
            estimator.encoder_ = SimilarityEncoder.read_from(
                inner, network=module, loss=loss, device=device
            )
            module = cast(FineTuned, estimator.encoder_.module_.encoder)
        else:
            with folder.checking(ARRAYS):
                weights = {
                    name.removeprefix(_NETWORK): torch.from_numpy(value)
                    for name, value in arrays.items() if name.startswith(_NETWORK)
                }  # fmt: skip
                check_saved_weights(weights, module.network.state_dict(), custom=True)
                module.network.load_state_dict(weights)
                estimator.ridge_ = RidgeHead.from_saved(arrays, estimator.labels_.n_targets)
        estimator.module_ = module.to(estimator.device_).eval()
        return estimator


def _labels_of(X: Any, y: Any) -> Any:
    """Return y, or the labels of a data set of pairs if it is None."""
    y = split_labels(X)[1] if y is None else y
    if y is None:
        raise ValueError("y is None: pass the labels of X")
    return y


def _is_lazy(network: Any) -> bool:
    return isinstance(network, nn.Module) and any(
        isinstance(parameter, UninitializedParameter) for parameter in network.parameters()
    )


def _shape(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"shape {tuple(value.shape)} and {value.dtype}"
    return type(value).__name__


def _has_probabilities(estimator: Any) -> bool:
    if isinstance(estimator.head, str):
        raise AttributeError("ridge regression (head='ridge') has no probabilities of classes")
    return True


class PretrainedClassifier(ClassifierMixin, FineTuning):  # type: ignore[misc]
    """Classify points by a pre-trained network that is fine-tuned on few labels (Sec. 6.1).

    A head with hidden layers of given sizes, or a linear one, is put on the embeddings of the
    network, and both are trained. The estimator trains a copy: the network that is passed does not
    change.

    Parameters
    ----------
    network : torch.nn.Module, fitted SimilarityEncoder, or fitted estimator of this package
        The pre-trained network. A module maps a batch of shape (b, ...) to embeddings of shape
        (b, d), or to those of parts, see `pooling`.
    head : sequence of int or "ridge"
        Sizes of hidden layers of the head, which are applied to each part of a point before
        pooling (Fig. 6.6). Empty for a linear head. "ridge" leaves the network as it is, and fits
        a ridge regression on its standardized embeddings (and numbers of parts, if they are
        summed) in closed form; leave-one-out validation selects the penalty. With a network that
        was not trained, it is a control for the benefit of pre-training.
    activation : str
        Activation function of the hidden layers of the head, as in `simec.SimilarityEncoder`.
    init : {"random", "ridge"}
        Initial weights of the last layer of the head: random, or fitted to the training points by
        ridge regression (logistic regression for classes), which changes the network less at
        first (Kumar et al., 2022).
    pooling : {"sum", "mean"} or callable, optional
        For networks that return the embeddings of the parts of a point, as in
        `simec.SimilarityEncoder`. By default that of `network`, if it is an estimator.
    loss : {"cross_entropy"} or callable, optional
        Cross-entropy by default. A callable takes logits and one-hot targets, both of shape
        (b, k), and returns the loss of each entry.
    learning_rate : float
        Initial learning rate of Adam. It is halved when the validation error stalls.
    network_learning_rate : float or mapping of str to float, optional
        Learning rate of the network, if it is not that of the head. A mapping has the rates of
        its parts, by prefixes of the names of their parameters in `network`; 0 freezes a part.
    freeze : bool
        Train only the head. The network stays in evaluation mode, without dropout and with the
        statistics that batch normalization has saved. It is generally not recommended (thesis,
        footnote 1 of chapter 6), and warns.
    l2 : float
        Weight of the sum of squared weights.
    batch_size : int
        Number of points in a batch.
    max_iter : int
        Maximum number of epochs.
    early_stopping : bool or str
        Hold out some points, or use those passed as `validation`, and keep the weights with the
        lowest validation error: the loss, or another one by its name, as in
        `simec.SimilarityEncoder`.
    validation_fraction : float
        Fraction of the points that is held out.
    validation_interval : int
        Number of epochs between validations.
    n_iter_no_change : int
        Stop after this number of epochs without progress.
    tol : float
        An epoch makes progress if it lowers the error by more than this fraction.
    mixed_precision : bool or "auto"
        Whether matrix products are computed in bfloat16. "auto": only on a GPU.
    device : str or torch.device
        "auto" selects the GPU if there is one.
    random_state : int, RandomState or None
        Seed of the head's initial weights, held-out points and batches. The same seed gives the
        same bits on the same machine with the same number of threads.
    verbose : bool
        Show a progress bar.

    Attributes
    ----------
    classes_ : array of shape (k,)
    network_ : torch.nn.Module
        The trained copy of `network`, a plain module, without head and pooling.
    module_ : simec.pretraining.head.FineTuned
        Network, head and pooling.
    encoder_ : SimilarityEncoder or None
        The Similarity Encoder whose targets are the labels, and whose last layer is that of the
        head; None with ``head="ridge"``.
    n_iter_ : int
    loss_curve_, validation_curve_ : list of float
        Training loss and validation error of each epoch.
    n_features_in_ : int
    feature_names_in_ : array of str
        Names of the features, if X was a data frame.

    References
    ----------
    F. Horn (2020). Similarity Encoders. Section 6.1.
    A. Kumar et al. (2022). Fine-tuning can distort pretrained features and underperform
    out-of-distribution. ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from simec.pretraining import PretrainedClassifier
    >>> X = np.random.default_rng(0).standard_normal((60, 4))
    >>> y = np.where(X[:, 0] > 0, "right", "left")
    >>> network = nn.Sequential(nn.Linear(4, 8), nn.Tanh())  # usually trained on something else
    >>> model = PretrainedClassifier(network, head="ridge").fit(X, y)
    >>> bool(model.score(X, y) > 0.9)
    True
    """

    kind = "simec.PretrainedClassifier"
    _what = "pre-trained classifier"
    _labels = Classes
    _loss = "cross_entropy"

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """Classes, sorted."""
        check_is_fitted(self, "module_")
        classes: npt.NDArray[Any] = self.labels_.classes
        return classes

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Predict classes.

        Parameters
        ----------
        X : as for `fit`

        Returns
        -------
        array of shape (m,)
            Of the type of y.
        """
        outputs, _ = self._outputs(X)
        classes: npt.NDArray[Any] = self.classes_[outputs.argmax(axis=1)]
        return classes

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the accuracy, the share of points whose class is predicted.

        Parameters
        ----------
        X, y
            As for `fit`.
        sample_weight : array of shape (m,), optional

        Returns
        -------
        float
        """
        return float(super().score(X, _labels_of(X, y), sample_weight))

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Float64:
        """Predict the probabilities of classes; not available with ``head="ridge"``.

        Parameters
        ----------
        X : as for `fit`

        Returns
        -------
        float64 array of shape (m, k)
            Columns are in the order of `classes_`.
        """
        probabilities: Float64 = softmax(self._outputs(X)[0], axis=1)
        return probabilities


class PretrainedRegressor(RegressorMixin, FineTuning):  # type: ignore[misc]
    """Predict values by a pre-trained network that is fine-tuned on few labels (Sec. 6.2).

    Labels are standardized with mean and scale of the training points. If the outputs of the parts
    of a point are summed (``pooling="sum"``, for properties that grow with the number of parts),
    ``(y - n mean) / scale`` is predicted, where n is the number of parts and mean the average of
    y / n (Fig. 6.6); otherwise n = 1. The estimator trains a copy: the network that is passed does
    not change.

    Parameters
    ----------
    network, head, activation, init, pooling
        As in `PretrainedClassifier`.
    loss : {"mse", "mae", "huber"} or callable, optional
        Loss of standardized values; the squared error by default. A callable takes predictions
        and targets, both of shape (b, k), and returns the loss of each entry.
    learning_rate, network_learning_rate, freeze, l2, batch_size, max_iter, early_stopping
        As in `PretrainedClassifier`. ``early_stopping="mae"`` stops by the mean absolute error.
    validation_fraction, validation_interval, n_iter_no_change, tol, mixed_precision
        As in `PretrainedClassifier`.
    device, random_state, verbose
        As in `PretrainedClassifier`.

    Attributes
    ----------
    network_, module_, encoder_, n_iter_, n_features_in_, feature_names_in_
        As in `PretrainedClassifier`.
    loss_curve_, validation_curve_ : list of float
        Training loss and validation error of each epoch, of standardized values.

    References
    ----------
    F. Horn (2020). Similarity Encoders. Section 6.2.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from simec.pretraining import PretrainedRegressor
    >>> X = np.random.default_rng(0).standard_normal((60, 4))
    >>> network = nn.Sequential(nn.Linear(4, 8), nn.Tanh())  # usually trained on something else
    >>> model = PretrainedRegressor(network, head="ridge").fit(X, X.sum(axis=1))
    >>> bool(model.score(X, X.sum(axis=1)) > 0.9)
    True
    """

    kind = "simec.PretrainedRegressor"
    _what = "pre-trained regressor"
    _labels = Values
    _loss = "mse"

    def predict(self, X: Any) -> Float64:
        """Predict values, in the units of y.

        Parameters
        ----------
        X : as for `fit`

        Returns
        -------
        float64 array of shape (m,), or (m, k) if y was a matrix
        """
        outputs, sizes = self._outputs(X)
        if self.ridge_ is not None:
            sizes = np.ones_like(sizes)
        values: Float64 = self.labels_.values(outputs, sizes)
        return values

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the coefficient of determination (R²).

        Parameters
        ----------
        X, y
            As for `fit`.
        sample_weight : array of shape (m,), optional

        Returns
        -------
        float
        """
        return float(super().score(X, _labels_of(X, y), sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
