"""Fits in several threads and in forked processes; random numbers of others are left alone."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading

import numpy as np
import pytest
from scipy import sparse

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from simec import SimilarityEncoder  # noqa: E402
from simec.explain import relevances  # noqa: E402
from simec.links import LinkPredictor  # noqa: E402
from simec.recommender import ContentEmbedding, Recommender  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6)).astype(np.float32)
S = X @ X.T
HOLES = np.where(RNG.random(S.shape) < 0.3, np.nan, S)
NAMES = [f"e{i}" for i in range(20)]
TRIPLES = [(NAMES[i % 20], f"r{i % 3}", NAMES[(7 * i) % 20]) for i in range(60)]
FEATURES = RNG.normal(size=(20, 4)).astype(np.float32)
RATINGS = [(u, i, float(RNG.integers(1, 6))) for u in range(20) for i in range(12)]
ITEMS = list(range(12)), sparse.csr_matrix(RNG.random((12, 5)))


def dropping():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 2))


NETWORK = dropping()


def encoder(seed, S=S, X=X, **parameters):
    model = SimilarityEncoder(2, max_iter=6, random_state=seed, batch_size=16, **parameters)
    return model.fit(X, S).transform(X)


def links(seed, features=None, preset=LinkPredictor, **parameters):
    model = preset(4, max_iter=4, batch_size=8, random_state=seed, **parameters)
    entities = None if features is None else NAMES
    return model.fit(TRIPLES, entities=entities, features=features).transform()


def recommender(seed, **parameters):
    model = Recommender(2, max_iter=4, random_state=seed, **parameters)
    return model.fit(RATINGS, item_features=ITEMS).predict([0] * 12, ITEMS[0])


FITS = {
    "exact": lambda seed: encoder(seed, solver="exact"),
    "deep": lambda seed: encoder(seed, hidden_layers=(8,), symmetric=1.0),
    "held out": lambda seed: encoder(seed, HOLES, hidden_layers=(8,), early_stopping=True),
    "entries held out": lambda seed: encoder(seed, HOLES, None, early_stopping=True),
    "sparse": lambda seed: encoder(seed, S, sparse.csr_matrix(X), hidden_layers=(8,)),
    "decoder": lambda seed: encoder(seed, hidden_layers=(8,), decoder=True, init="random"),
    "custom": lambda seed: encoder(seed, network=NETWORK),
    "links": links,
    "dropout": lambda seed: links(seed, dropout=0.3),
    "features": lambda seed: links(seed, FEATURES, hidden_layers=(6,), dropout=0.3),
    "negatives": lambda seed: links(seed, n_negatives=3, dropout=0.2),
    "thesis": lambda seed: links(seed, preset=LinkPredictor.thesis, dropout=0.2),
    "recommender": recommender,
    "deep recommender": lambda seed: recommender(seed, hidden_layers=(6,)),
    "content": lambda seed: ContentEmbedding(2, hidden_layers=(6,), max_iter=4, min_ratings=1,
                                             random_state=seed)
    .fit(RATINGS, item_features=ITEMS).transform(ITEMS[1]),
    "relevances": lambda seed: relevances(NETWORK, X[seed : seed + 2]),
}  # fmt: skip


@pytest.mark.parametrize("name", FITS)
def test_global_random_numbers_are_not_used(name):
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    first = FITS[name](1)
    assert torch.equal(torch.get_rng_state(), before[0])
    now = np.random.get_state()  # noqa: NPY002
    assert all(np.array_equal(a, b) for a, b in zip(now, before[1], strict=True))
    assert random.getstate() == before[2]
    torch.rand(3)
    np.random.random(3)  # noqa: NPY002
    assert FITS[name](1).tobytes() == first.tobytes()


def test_fits_in_threads_have_the_bits_of_fits_alone():
    jobs = [(name, seed) for name in FITS for seed in range(2)]
    alone = {job: FITS[job[0]](job[1]).tobytes() for job in jobs}
    found = {}

    def work(part):
        for name, seed in part:
            found[name, seed] = FITS[name](seed).tobytes()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(jobs[i::8],)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert [job for job in jobs if found[job] != alone[job]] == []


FORK = """
import os, signal
import numpy as np
from simec import SimilarityEncoder

X = np.random.default_rng(0).normal(size=(600, 200)).astype("f4")
encoder = SimilarityEncoder(10, hidden_layers=(50,), max_iter=2, random_state=0)
encoder.fit(X, X @ X.T).transform(X)
process = os.fork()
if not process:
    signal.alarm(60)
    expected = encoder.transform(X)
    os._exit(0 if np.allclose(encoder.fit(X, X @ X.T).transform(X), expected, atol=1e-3) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_can_use_a_model_of_its_parent():
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], env=environment, capture_output=True,
        text=True, timeout=120, check=True,
    )  # fmt: skip
    assert result.stdout.strip() == "0"
