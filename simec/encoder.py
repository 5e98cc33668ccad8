"""Similarity Encoders: embeddings that keep given similarities, for points old and new."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from torch import nn

from simec import persistence
from simec.building import Layout, warn_of_rank
from simec.data import validation as data
from simec.data.inputs import FloatArray, chunks
from simec.fitting import Fitting
from simec.network import TargetActivation
from simec.parameters import check_parameters
from simec.solvers.objective import Loss

Self = TypeVar("Self", bound="SimilarityEncoder")


class SimilarityEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Fitting):  # type: ignore[misc]
    """Embeddings whose products with a last layer, or with each other, are given relations.

    A network maps features x to an embedding y = f'(x), and ``y W_l`` approximates the row of
    the target matrix S that belongs to x (Fig. 2.1). With ``symmetric > 0``, products of
    embeddings do so too: ``S ≈ Y Yᵀ``.

    Parameters
    ----------
    n_components : int
        Length d of embeddings.
    hidden_layers : sequence of int
        Units of each hidden layer of the embedding network; none for a linear one.
    activation : {"tanh", "relu", "gelu", "elu", "softplus", "sigmoid"}
        Of hidden layers. Embeddings have none.
    network : torch.nn.Module, optional
        Another embedding network, which maps a batch of shape (b, ...) to (b, d); it is copied.
    bias : bool
        Whether layers of the embedding network have one.
    target_activation : {"sigmoid"} or (low, high), optional
        Keeps predictions from 0 to 1, or in another range.
    loss : {"mse", "mae", "huber", "bce"} or callable
        Error of each known target; "bce" needs ``target_activation="sigmoid"``. A callable
        takes predictions and targets, and gives the error of each.
    symmetric : float
        Weight of the mean of ``(S[:n, :n] - W_lᵀ W_l)²``.
    orthogonal : float
        Weight of the mean of ``(W_l W_lᵀ)²`` off the diagonal.
    l2 : float
        Weight of the sum of squared weights. The closed form for targets without gaps
        penalises ``W₁ W_l`` as a whole instead.
    l2_by_count : float
        Of ``solver="exact"`` and targets with gaps: weights of a column of S, and of a row of
        the identity, cost (its known targets / the mean of them) to this power times as much.
        0 for all alike, 1 as Zhou et al. (2008) have it.
    n_targets : int, optional
        Only the first so many columns of S are used.
    init : {"spectral", "random"}
        Of weights: by a decomposition of S, or at random.
    solver : {"auto", "exact", "variational", "adam"}
        "exact" takes the closed form that there is for linear networks and squared errors.
        "auto" starts from it, where there is one, and trains on with Adam; deep networks end
        with a closed form for their last two layers, if it lowers the loss. "adam" starts from
        `init`, and is Adam alone. "variational" is for X=None and targets with gaps: it finds
        by itself what weights cost, and needs no `l2` (`simec.solvers.variational`).
    decoder : bool or float
        Whether to train a mirrored network that maps embeddings back to features, and how
        much the mean of its squared errors weighs.
    batch_size : int
    max_iter : int
        Epochs at most.
    learning_rate : float
        Of Adam; it is halved when the loss stalls.
    early_stopping : bool
        Hold out some rows (without features: some entries of S), and keep the weights that do
        best on them.
    validation_fraction : float
        Share of what is held out.
    n_iter_no_change : int
        Training ends after so many epochs without progress.
    tol : float
        An epoch, or a round of a closed form with gaps, is progress if it lowers the loss by
        more than this share.
    warm_start : bool
        Whether `fit` goes on from the weights that there are.
    mixed_precision : bool or "auto"
        Whether products are taken in bfloat16; "auto": on a GPU.
    device : str
        Of PyTorch; "auto" is a GPU where there is one.
    random_state : int, RandomState or None
    verbose : bool
        Show a bar: loss, rows a second, time left.

    Attributes
    ----------
    module_ : SimEcNetwork
        The network: ``module_.encoder``, ``module_.last``, ``module_.decoder``.
    n_iter_ : int
        Epochs of the last fit; 1 for a closed form.
    loss_curve_, validation_curve_ : list of float
        Objective in each epoch; mean error on what was held out.
    best_loss_ : float
        That of the weights that were kept: of what was held out, or of the objective if
        nothing was.
    n_features_in_ : int
    feature_names_in_ : array of str
        If features had names.

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

    def __init__(
        self,
        n_components: int = 2,
        *,
        hidden_layers: Sequence[int] = (),
        activation: str = "tanh",
        network: nn.Module | None = None,
        bias: bool = True,
        target_activation: TargetActivation = None,
        loss: Loss = "mse",
        symmetric: float = 0.0,
        orthogonal: float = 0.0,
        l2: float = 0.0,
        l2_by_count: float = 0.0,
        n_targets: int | None = None,
        init: Literal["spectral", "random"] = "spectral",
        solver: Literal["auto", "exact", "variational", "adam"] = "auto",
        decoder: bool | float = False,
        batch_size: int = 256,
        max_iter: int = 200,
        learning_rate: float = 1e-3,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        mixed_precision: bool | Literal["auto"] = "auto",
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.hidden_layers = hidden_layers
        self.activation = activation
        self.network = network
        self.bias = bias
        self.target_activation = target_activation
        self.loss = loss
        self.symmetric = symmetric
        self.orthogonal = orthogonal
        self.l2 = l2
        self.l2_by_count = l2_by_count
        self.n_targets = n_targets
        self.init = init
        self.solver = solver
        self.decoder = decoder
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.mixed_precision = mixed_precision
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    # Learning

    def fit(self: Self, X: Any, S: Any = None, *, mask: Any = None, last_layer: Any = None) -> Self:
        """Learn embeddings.

        Parameters
        ----------
        X : array or CSR matrix of shape (m, D), tensor, or Dataset; or None
            Features; with a `network` of one's own, an array of shape (m, ...). None stands for
            the identity: the factorisation of S alone. A Dataset gives features, or pairs of
            features and targets.
        S : array of shape (m, n) or (m, n, k), sparse matrix, tensor, callable, or Targets
            Targets: similarities or other relations, of k kinds. NaN is unknown, and so is what
            a sparse matrix has not. A callable takes numbers of rows, shape (b,), and gives
            their targets, shape (b, n). A vector is one column. `simec.data.targets.SparseTargets`
            have weights of errors.
        mask : bool array of the shape of S, optional
            True where S is known.
        last_layer : array of shape (d, n) or (d, n, k), optional
            W_l to keep as it is: other points' embeddings in the same space; see `fit_second`.

        Raises
        ------
        ValueError
            If parameters are out of range, shapes do not match, X has NaN, or S is not
            symmetric with ``symmetric > 0``.
        KeyboardInterrupt
            After Ctrl-C; the encoder has the best weights so far.

        Warns
        -----
        UserWarning
            If a row or column of S has no known entry, all of S is alike, or `n_components` is
            more than the rank that predictions can have.
        ConvergenceWarning
            If the loss is still falling after `max_iter` epochs, or training diverges.
        """
        check_parameters(self)
        seed, inputs, targets = self._read(X, S, mask, reset=True)
        if self.symmetric:
            data.check_symmetric(targets)
        layout = Layout.of(inputs, targets, S)
        # a closed form needs no weights to go on from
        closed = self.solver in ("exact", "variational")
        go_on = self.warm_start and hasattr(self, "module_") and not closed
        if go_on:
            self._check_same(layout)
        else:
            warn_of_rank(self, layout, len(targets))
            self._build(layout, seed)
            if inputs is not None and self.network is not None:
                self._check_network(inputs)
        if last_layer is not None:
            self._fix(last_layer)
        targets, rows, validation = self._held_out(targets, seed, entries=inputs is None)
        inputs = self._identity(None) if inputs is None else inputs
        if closed:
            self._start(inputs, targets, rows, fixed=last_layer is not None)
            self._trainer = self._new_trainer(seed)
            self.best_loss_, self.n_iter_ = self._trainer.evaluate(inputs, targets, rows), 1
        else:
            self._train(inputs, targets, rows, validation, seed, go_on=go_on)
        return self

    def partial_fit(self: Self, X: Any, S: Any = None, *, mask: Any = None) -> Self:
        """Train for one epoch on some more rows, from the weights that there are.

        Parameters
        ----------
        X, S, mask
            As for `fit`; S always of the same columns. Of an encoder without features X is None
            for all rows, or numbers of rows.
        """
        check_parameters(self)
        new = not hasattr(self, "module_")
        seed, inputs, targets = self._read(X, S, mask, reset=new)
        if self.symmetric:
            data.check_symmetric(targets)
        rows = torch.arange(len(targets))
        if new:
            layout = Layout.of(inputs, targets, S)
            warn_of_rank(self, layout, len(targets))
            self._build(layout, seed)
        self._check_targets(targets)
        inputs = self._identity(None) if inputs is None else inputs
        if new:
            self._start(inputs, targets, rows, fixed=False)
        if not hasattr(self, "_trainer"):
            self._trainer = self._new_trainer(seed)
        history = self._trainer.fit(inputs, targets, rows, epochs=1)
        self.loss_curve_ = [*self.loss_curve_, *history.losses]
        self.best_loss_ = min(self.loss_curve_, default=history.best_loss)
        self.n_iter_ += 1
        return self

    def fit_second(self, X2: Any, S: Any, X: Any = None, **parameters: Any) -> SimilarityEncoder:
        """Learn to embed what the columns of S stand for in the space of this encoder.

        A second encoder is trained on Sᵀ with the embeddings of X for its last layer, so that
        ``transform(X) @ second.transform(X2).T`` approximates S (2.2).

        Parameters
        ----------
        X2 : array or CSR matrix of shape (n, P)
            Features of the columns.
        S : array, tensor or sparse matrix of shape (m, n)
        X : array or CSR matrix of shape (m, D), or None
            Features of the rows.
        **parameters
            Of the second encoder where they are others than this one's, such as its network.

        Returns
        -------
        SimilarityEncoder
        """
        given = {**self.get_params(deep=False), "symmetric": 0.0, "n_targets": None, **parameters}
        if self.network is not None and "network" not in parameters:
            given["network"] = None
        if not hasattr(S, "T") or getattr(S, "ndim", 2) != 2:
            raise ValueError(
                "S has to be a matrix: its transpose is what the second encoder learns"
            )
        return type(self)(**given).fit(X2, S.T, last_layer=self._embed(X).T)

    # Applying

    def transform(self, X: Any) -> FloatArray:
        """Embeddings.

        Parameters
        ----------
        X : array or CSR matrix of shape (m, D), tensor, or Dataset
            Of an encoder without features: None for all rows of S, or numbers of rows.

        Returns
        -------
        float32 array of shape (m, d)
        """
        return self._embed(X)

    def predict(self, X: Any = None) -> FloatArray:
        """Targets, ``Y W_l``.

        Returns
        -------
        float32 array of shape (m, n) or (m, n, k); (m,) if S was a vector
        """
        found = self._apply(X, self._module())
        return found[:, 0] if self._layout.vector else found

    def predict_similarity(self, X1: Any = None, X2: Any = None) -> FloatArray:
        """Products of embeddings, ``Y₁ Y₂ᵀ``.

        Parameters
        ----------
        X1, X2 : as for `transform`
            With X2 left out, similarities of the points of X1 to each other.

        Returns
        -------
        float32 array of shape (m₁, m₂)
        """
        Y = self._embed(X1)
        other = Y if X2 is None else self._embed(X2)
        last = self._module().last
        product = torch.from_numpy(Y @ other.T)
        found: FloatArray = last.activate(product).numpy()
        return found

    def inverse_transform(self, Y: Any) -> FloatArray:
        """Features that have these embeddings, by the decoder.

        Parameters
        ----------
        Y : array of shape (m, d)

        Returns
        -------
        float32 array of shape (m, D)

        Raises
        ------
        RuntimeError
            If there is no decoder.
        """
        decoder = self._module().decoder
        if decoder is None:
            raise RuntimeError("there is no decoder: fit with decoder=True")
        Y = np.asarray(Y, np.float32)
        if Y.ndim != 2 or Y.shape[1] != self._n_features_out:
            raise ValueError(
                f"embeddings of shape (m, {self._n_features_out}) are needed, not {Y.shape}"
            )
        device = next(decoder.parameters()).device
        with torch.inference_mode():
            return np.asarray(decoder(torch.tensor(Y, device=device)).cpu().numpy())

    def score(self, X: Any, S: Any = None, *, mask: Any = None) -> float:
        """Share of the variance of known targets that predictions explain (R²).

        Parameters
        ----------
        X, S, mask
            As for `fit`.

        Returns
        -------
        float
            1 at best; 0 is what the mean of S would get.
        """
        module = self._module()
        _, inputs, targets = self._read(X, S, mask, reset=False)
        self._check_targets(targets)
        assert inputs is not None
        n = total = squares = errors = 0.0
        with torch.inference_mode():
            for rows in chunks(len(targets), int(np.prod(targets.shape))):
                values, known = targets.batch(rows)
                values, wrong = values.double(), (module(inputs.batch(rows)) - values).double()
                weights = torch.ones_like(values) if known is None else known.double()
                n += float(weights.sum())
                total += float((weights * values).sum())
                squares += float((weights * values.square()).sum())
                errors += float((weights * wrong.square()).sum())
        variance = squares - total**2 / max(n, 1)
        return 1 - errors / variance if variance > 0 else float(errors == 0)

    # On disk

    def save(self, path: Any) -> None:
        """Write a folder of safetensors and JSON, whole or not at all.

        Parameters
        ----------
        path : str or path
            What is there is replaced if it is such a folder.
        """
        persistence.save(self, path)

    @classmethod
    def load(
        cls,
        path: Any,
        *,
        network: nn.Module | None = None,
        loss: Callable[..., Any] | None = None,
        device: str | None = None,
    ) -> SimilarityEncoder:
        """Read what `save` wrote.

        Parameters
        ----------
        path : str or path
        network : torch.nn.Module, optional
            The embedding network if it was one's own: a file has its weights only.
        loss : callable, optional
            If it was one's own.
        device : str, optional
            Another than the encoder was made with.
        """
        found: SimilarityEncoder = persistence.load(
            cls, path, network=network, loss=loss, device=device
        )
        return found

    # For scikit-learn

    @property
    def _n_features_out(self) -> int:
        return int(self._module().last.weight.shape[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        # float32 whatever comes
        tags.transformer_tags.preserves_dtype = []
        tags.non_deterministic = False
        return tags

    def __getstate__(self) -> dict[str, Any]:
        # the state of the optimizer is for `partial_fit` in the same process
        state = dict(super().__getstate__())
        state.pop("_trainer", None)
        return state
