"""From triples to weights: all relations together, and, as in the thesis, each on its own after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from simec.links.evaluation import measures, ranks
from simec.links.network import LinkNetwork
from simec.links.queries import IntArray, Queries, both_ways
from simec.links.training import Entities, History, Schedule, Trainer

_VALIDATED = 3000  # links of validation that are ranked after an epoch, at most

Build = Callable[[int], LinkNetwork]


class Fit:
    """Training of one predictor.

    Parameters
    ----------
    train, valid : int64 array of shape (m, 3)
        Triples by number.
    sizes : (n, k)
        Entities and relations.
    features : array or CSR matrix of shape (n, D), or None
    schedule : Schedule
    seed : int
    device : torch.device
    """

    def __init__(
        self,
        train: IntArray,
        valid: IntArray,
        sizes: tuple[int, int],
        features: Any,
        schedule: Schedule,
        seed: int,
        device: torch.device,
    ) -> None:
        n, k = sizes
        self._n, self._k = n, k
        self._features, self._schedule = features, schedule
        self._seed, self._device = seed, device
        self._links, self._valid = both_ways(train, k), both_ways(valid, k)
        # bars and Ctrl-C: what training told of so far is always here
        self.history = History()
        self.network: LinkNetwork | None = None

    def together(self, build: Build) -> LinkNetwork:
        """Train all relations at once, each with its own middle matrix."""
        self.network = network = self._new(build, 2 * self._k)
        self._train(network, self._links, self._valid, self._schedule)
        return network

    def one_by_one(self, build: Build) -> LinkNetwork:
        """Train one middle matrix for all relations, then from there on each on its own (4.1).

        First the target is 1 wherever any relation holds. Then the middle matrix and the constants
        of entities are trained further for each relation and direction, until its links of
        validation are ranked better no more. Embeddings and the weights of the last layer stay,
        as copies of them for each relation would take k times the memory; constants do most of
        what the last layer would. A relation without validation is trained for as many epochs
        as may pass without progress.
        """
        from tqdm import tqdm

        network, shared = self._new(build, 2 * self._k), self._new(build, 1)
        network.encoder, network.last = shared.encoder, shared.last
        self.network = network
        try:
            self._train(
                shared, _any_relation(self._links), _any_relation(self._valid), self._schedule
            )
        finally:
            own = [(shared.middle.weight, network.middle.weight)]
            if shared.bias is not None and network.bias is not None:
                own.append((shared.bias, network.bias))
            starts = [one.detach().clone() for one, _ in own]
            with torch.no_grad():
                for start, (_, every) in zip(starts, own, strict=True):
                    every.copy_(start.expand_as(every))
        for parameter in shared.parameters():
            parameter.requires_grad_(any(parameter is one for one, _ in own))
        quiet = replace(self._schedule, progress=False)
        for r in tqdm(
            range(2 * self._k), desc="relations", unit="relation",
            disable=not self._schedule.progress,
        ):  # fmt: skip
            links, valid = (_any_relation(a[a[:, 1] == r]) for a in (self._links, self._valid))
            with torch.no_grad():
                for start, (one, _) in zip(starts, own, strict=True):
                    one.copy_(start)
            schedule = quiet
            if not len(valid):
                schedule = replace(quiet, max_iter=min(quiet.max_iter, quiet.n_iter_no_change))
            self._train(shared, links, valid, schedule, started=True)
            with torch.no_grad():
                for one, every in own:
                    every[r] = one[0]
        for parameter in network.parameters():
            parameter.requires_grad_(True)
        return network

    def _new(self, build: Build, n_relations: int) -> LinkNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)
            return build(n_relations).to(self._device)

    def _train(
        self,
        network: LinkNetwork,
        links: IntArray,
        valid: IntArray,
        schedule: Schedule,
        *,
        started: bool = False,
    ) -> None:
        trainer = Trainer(network, self._features, self._n, schedule, self._seed, self._device)
        if not self.history.losses:  # that of fine-tuning is of one relation each
            self.history = trainer.history
        validation = self._validation(network, links, valid) if len(valid) else None
        trainer.fit(Queries.of(links), validation, started=started)

    def _validation(
        self, network: LinkNetwork, links: IntArray, valid: IntArray
    ) -> Callable[[], float]:
        known = Queries.of(np.concatenate([links, valid]))
        order = np.random.default_rng(self._seed).permutation(len(valid))
        chosen = valid[np.sort(order[:_VALIDATED])]
        entities = Entities(network, self._features, self._n, self._device)

        def mrr() -> float:
            with torch.no_grad():
                Y = entities.embed()
            _, filtered = ranks(scorer(network, Y), chosen, self._n, known)
            assert filtered is not None
            return measures(filtered)["mrr"]

        return mrr


@torch.no_grad()
def embed(network: LinkNetwork, features: Any, device: torch.device) -> Tensor:
    """Embeddings of all entities, or of those with some features, shape (n, d)."""
    n = 0 if features is None else features.shape[0]
    return Entities(network, features, n, device).embed().clone()


def _any_relation(links: IntArray) -> IntArray:
    links = links.copy()
    links[:, 1] = 0
    return links


def scorer(network: LinkNetwork, Y: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Scores of all entities for some queries, with embeddings Y of shape (n, d)."""

    @torch.no_grad()
    def score(entities: Tensor, relations: Tensor) -> Tensor:
        q = network.middle(Y[entities.to(Y.device)], relations.to(Y.device))
        return score_all(network, Y, q, relations)

    return score


def score_all(network: LinkNetwork, Y: Tensor, queries: Tensor, relations: Tensor) -> Tensor:
    """Scores of all entities, shape (b, n), for queries of shape (b, d) by some relations."""
    W = Y if network.last is None else network.last
    scores, biases = queries @ W.T, network.biases(relations.to(Y.device))
    return scores if biases is None else scores.add_(biases)
