"""Search for parameters of a LinkPredictor on validation triples, by successive halving."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from corpora.checks import check_integer, check_number
from corpora.files import StrPath, check_output
from simec.links.predictor import LinkPredictor, check_parameters
from simec.links.triples import Id, as_triples, split_triples
from simec.tuning import (
    BaseTuning,
    Setting,
    best_third,
    count_rounds,
    draw_settings,
    format_value,
    write_table,
)

logger = logging.getLogger(__name__)

_VALID = 0.1  # share of the triples that is held out if there are no validation triples
SPACE: dict[str, Sequence[Any]] = {
    "n3": (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1),
    "dropout": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "learning_rate": (0.03, 0.1, 0.3),
    "batch_size": (50, 100, 250, 500),
    "n_components": (100, 200, 400),
}
"""Values of the parameters that `tune` searches by default."""


@dataclass
class Tuning(BaseTuning):
    """Result of `tune`.

    Attributes
    ----------
    best : dict of str to object
        The best setting, as arguments of `LinkPredictor`.
    table : list of dict
        A row for each setting, the best first: ``setting`` (its number; 0 is that of the
        defaults), ``round`` (the last that it was trained in), ``mrr`` (mean validation MRR of its
        seeds in that round), ``std`` (their standard deviation), ``seeds``, ``epochs``, ``seconds``
        (of all its runs), and the searched parameters. Settings of a later round come first.
    predictor : LinkPredictor
        The predictor of the best setting with the best validation MRR of its seeds.
    """

    predictor: LinkPredictor = field(repr=False)


def tune(
    triples: Any,
    valid: Any = None,
    *,
    known: Any = None,
    entities: Iterable[Id] | None = None,
    features: Any = None,
    space: Mapping[str, Sequence[Any]] | None = None,
    minutes: float = 10,
    n_settings: int = 9,
    n_seeds: int = 2,
    random_state: int | np.random.RandomState | None = None,
    table: StrPath | None = None,
    **parameters: Any,
) -> Tuning:
    """Search for the parameters with the best validation MRR, by successive halving.

    The first setting are the defaults, which are chosen from the graph; the others are drawn at
    random from `space`. All settings are trained for the same time, the best third for three times
    as long, and so on; in the last round, until their validation MRR no longer improves, with
    several seeds. Test triples must not be used for validation: their MRR would be too high.

    Parameters
    ----------
    triples, valid, known, entities, features
        As for `LinkPredictor.fit`. Without `valid`, a tenth of the triples is held out.
    space : mapping of str to sequence, optional
        Values of each searched parameter of `LinkPredictor`; by default `SPACE`, without
        those that are passed as `parameters`.
    minutes : float
        Time for all runs. It is checked after each epoch, so that the search may take longer by
        one epoch of each setting.
    n_settings : int
        Number of settings in the first round.
    n_seeds : int
        Number of seeds of each setting in the last round.
    random_state : int, RandomState or None
        Seed of the settings, of the runs and of the triples that are held out. Since rounds take
        time and not epochs, another run may find another setting.
    table : path, optional
        Write the table to this file after each run: JSON, or CSV if its name ends in ``.csv``.
    **parameters
        Parameters of `LinkPredictor` that all settings share.

    Returns
    -------
    Tuning

    Raises
    ------
    TripleError
        If triples cannot be read.
    ValueError
        If a parameter is unknown or invalid, or training diverges with all settings.

    References
    ----------
    K. Jamieson, A. Talwalkar (2016). Non-stochastic Best Arm Identification and Hyperparameter
    Optimization. (Successive halving.)
    """
    check_number("minutes", minutes, 0, above=True)
    check_integer("n_settings", n_settings, 1)
    check_integer("n_seeds", n_seeds, 1)
    random = check_random_state(random_state)
    seed = int(random.randint(1 << 30))
    searched = _check_space(space, parameters)
    if table is not None:
        check_output(table)
    train = as_triples(triples)
    if valid is None:
        data = split_triples(train, valid=_VALID, test=0.0, random_state=seed)
        train, held_out = data.train, data.valid
    else:
        held_out = as_triples(valid)
    if not held_out:
        raise ValueError("there are no validation triples: pass valid=, or more triples")
    more = None if known is None else as_triples(known)
    ids = None if entities is None else list(entities)
    settings = [
        _Setting(i, values) for i, values in enumerate(draw_settings(searched, n_settings, random))
    ]
    end = time.perf_counter() + 60 * minutes
    n_rounds = count_rounds(n_settings)
    left = settings
    for number in range(1, n_rounds + 1):
        seeds = range(seed, seed + (n_seeds if number == n_rounds else 1))
        runs = [(setting, seed) for setting in left for seed in seeds]
        round_end = time.perf_counter()
        round_end += max(0.0, end - round_end) / (n_rounds - number + 1)
        for setting in left:
            setting.start_round(number)
        for i, (setting, seed) in enumerate(runs):
            seconds = (round_end - time.perf_counter()) / (len(runs) - i)
            predictor = LinkPredictor(**{**parameters, **setting.values}, random_state=seed)
            setting.train(
                predictor, seconds, train, held_out, known=more, entities=ids, features=features
            )
            row = setting.row(searched)
            logger.info(
                "%s", ", ".join(f"{name} {format_value(value)}" for name, value in row.items())
            )
            if table is not None:
                write_table(table, *_ranked(settings, searched, parameters))
        left = best_third(left)
    best = min(settings, key=_Setting.order)
    if best.predictor is None:
        raise ValueError(
            "training diverged with all settings: scale features to about 1, or search smaller "
            "values of learning_rate"
        )
    rows, arguments = _ranked(settings, searched, parameters)
    return Tuning(arguments, rows, best.predictor)


@dataclass
class _Setting(Setting):
    """A setting, and its runs in the last round that it was in; scores are validation MRRs.

    A score is minus infinity if training diverged.
    """

    epochs: int = 0
    chosen: dict[str, Any] = field(default_factory=dict)
    predictor: LinkPredictor | None = None

    def start_round(self, number: int) -> None:
        """Forget the runs of the round before."""
        self.round, self.scores, self.epochs, self.predictor = number, [], 0, None

    def train(
        self, predictor: LinkPredictor, seconds: float, train: Any, valid: Any, **data: Any
    ) -> None:
        """Train a predictor for some seconds, at least for an epoch, and keep its MRR."""
        start = time.perf_counter()
        mrr = -math.inf
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # divergence shows in the MRR
            try:
                predictor.fit(
                    train, valid, callbacks=lambda _: time.perf_counter() - start >= seconds, **data
                )
                mrr = predictor.best_score_
            except ValueError as error:
                if "diverged in the first epoch" not in str(error):
                    raise
        if math.isfinite(mrr):
            if mrr > max(self.scores, default=-math.inf):
                self.predictor = predictor
            self.chosen = predictor.parameters_
            self.epochs += predictor.n_iter_
        self.scores.append(mrr)
        self.seconds += time.perf_counter() - start

    def row(self, searched: Iterable[str]) -> dict[str, Any]:
        """Row of the table."""
        n = max(len(self.scores), 1)
        return {
            "setting": self.number, "round": self.round,
            "mrr": self.score if math.isfinite(self.score) else None,
            "std": float(np.std(self.scores)) if n > 1 and math.isfinite(self.score) else None,
            "seeds": len(self.scores), "epochs": self.epochs / n, "seconds": self.seconds,
            **{name: self.chosen.get(name, self.values.get(name)) for name in searched},
        }  # fmt: skip


def _ranked(
    settings: list[_Setting], searched: Mapping[str, Any], shared: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of the table, and the best setting as arguments of a predictor."""
    ranked = sorted((s for s in settings if s.round), key=_Setting.order)
    best = ranked[0]
    values = {name: best.chosen.get(name, best.values.get(name)) for name in searched}
    arguments = {name: value for name, value in {**shared, **values}.items() if name != "device"}
    return [setting.row(searched) for setting in ranked], arguments


def _check_space(
    space: Mapping[str, Sequence[Any]] | None, shared: dict[str, Any]
) -> dict[str, list[Any]]:
    """Return the values of each searched parameter; None is the default space."""
    values_of = SPACE if space is None else space
    names = set(LinkPredictor().get_params(deep=False)) - {"random_state"}
    for name in (*values_of, *shared):
        if name not in names:
            raise ValueError(f"LinkPredictor has no parameter {name!r} that can be set by tune")
        if space is not None and name in space and name in shared:
            raise ValueError(f"{name} is searched and passed: pass it once")
    searched = {name: list(values) for name, values in values_of.items() if name not in shared}
    for name, values in searched.items():
        if not values:
            raise ValueError(
                f"space must have at least one value of {name}, got {values_of[name]!r}"
            )
        for value in values:
            check_parameters(LinkPredictor(**{**shared, name: value}))
    return searched
