"""Old public names still work, with a DeprecationWarning."""

from __future__ import annotations

import importlib
import sys

import pytest


def old_module(name: str):
    """Import a module by its old name."""
    sys.modules.pop(name, None)
    with pytest.warns(DeprecationWarning, match=f"the module {name} is deprecated"):
        return importlib.import_module(name)


@pytest.mark.parametrize(
    ("old", "new", "member"),
    [
        ("corpora.compiling", "corpora.jit", "announce_compilation"),
        ("corpora.tokens", "corpora.encoding", "TokenStream"),
        ("corpora.wordtable", "corpora.counting.word_table", "WordTable"),
        ("conec.mapping", "conec.contexts.mapping", "MapConfig"),
    ],
)
def test_modules_that_moved(old, new, member):
    assert getattr(old_module(old), member) is getattr(importlib.import_module(new), member)


def test_phrases_and_licences_of_corpora():
    from corpora import datasets, phrases, tokenizers

    with pytest.warns(DeprecationWarning, match="tokenizers.phrases is deprecated"):
        assert tokenizers.phrases is phrases.phrases
    text8 = datasets.info("text8")
    with pytest.warns(DeprecationWarning, match="licence is deprecated, use license"):
        assert text8.licence == text8.license


def test_train_called_learn_map_build_contexts():
    import conec

    model = conec.ContextEncoder(vector_size=2, min_count=1).build_vocab([["a", "b"]])
    with pytest.warns(DeprecationWarning, match="build_contexts is deprecated, use learn_map"):
        model.train([["a", "b"]], epochs=1, build_contexts=False)
    assert model.context_embeddings is None


def test_recommenders_and_their_parameters():
    import simec.recommender as r

    for old, new in (("Averages", r.BiasBaseline), ("Neighbourhood", r.ItemKNN)):
        with pytest.warns(DeprecationWarning, match=f"{old} is deprecated"):
            assert getattr(r, old) is new
    with pytest.warns(DeprecationWarning, match="RecommenderError is deprecated"):
        assert r.RecommenderError is r.ModelError
    with pytest.warns(DeprecationWarning, match="n_neighbours is deprecated, use n_neighbors"):
        knn = r.ItemKNN(n_neighbours=3)
    with pytest.warns(DeprecationWarning, match="n_neighbours is deprecated, use n_neighbors"):
        assert knn.n_neighbours == 3
    knn.fit([(1, 1, 2.0), (1, 2, 4.0), (2, 1, 1.0)])
    with pytest.warns(DeprecationWarning, match="the parameter n is deprecated, use topn"):
        assert knn.recommend(2, n=1) == knn.recommend(2, topn=1)
    with pytest.warns(DeprecationWarning, match="the parameter what is deprecated, use kind"):
        assert r.as_features(([1], [[2.0]]), what="item").ids.kind == "item"
    pytest.importorskip("torch")
    with pytest.warns(DeprecationWarning, match="own is|describes_biases is"):
        recommender = r.Recommender(1, own=0.5, describes_biases=False)
    assert (recommender.id_feature_scale, recommender.feature_biases) == (0.5, False)
    with pytest.warns(DeprecationWarning, match="Recommender.own is deprecated"):
        assert recommender.own == 0.5


def test_the_second_encoder_and_the_module_of_targets():
    pytest.importorskip("torch")
    import numpy as np

    from simec import SimilarityEncoder, SparseTargets

    assert old_module("simec.targets").SparseTargets is SparseTargets
    X = np.random.default_rng(0).normal(size=(8, 3))
    encoder = SimilarityEncoder(2, solver="exact").fit(X, X @ X.T)
    with pytest.warns(DeprecationWarning, match="fit_second is deprecated, use fit_columns"):
        second = encoder.fit_second(X, X @ X.T, X)
    expected = encoder.fit_columns(X, X @ X.T, X).transform(X)
    np.testing.assert_array_equal(second.transform(X), expected)


def test_relation_matrices_called_middle():
    pytest.importorskip("torch")
    from simec.links import LinkPredictor

    old = "middle is deprecated, use relation_matri"
    with pytest.warns(DeprecationWarning, match=old):
        predictor = LinkPredictor(4, middle="diagonal", max_iter=1)
    with pytest.warns(DeprecationWarning, match=old):
        assert predictor.set_params(middle="complex").relation_matrix == "complex"
    with pytest.warns(DeprecationWarning, match=old):
        assert LinkPredictor.thesis(middle="diagonal").relation_matrix == "diagonal"
    assert "middle" not in predictor.get_params()
    with pytest.warns(DeprecationWarning, match=old):
        assert predictor.middle == "complex"
    predictor.fit([("a", "r", "b")])
    with pytest.warns(DeprecationWarning, match=old):
        assert predictor.network_.middle is predictor.network_.relation_matrices
    with pytest.warns(DeprecationWarning, match="the parameter n is deprecated, use topn"):
        assert len(predictor.predict("a", "r", n=1)) == 1


def test_centres_of_clusters():
    import numpy as np

    from conec.ner.clusters import Clusters

    clusters = Clusters.fit(np.eye(3, dtype=np.float32), [2])
    with pytest.warns(DeprecationWarning, match=r"use Clusters\.centers"):
        assert clusters.centres is clusters.centers


def test_words_in_color():
    import simec.explain as e

    with pytest.warns(DeprecationWarning, match="colour_words is deprecated"):
        assert e.colour_words is e.color_words
    assert old_module("simec.explain.pictures").bars is e.plotting.bars
    found = e.decompose([1, 1], [1, 0], "linear")
    with pytest.warns(DeprecationWarning, match="the parameter n is deprecated, use topn"):
        assert found.top(n=1) == [("feature 0", 1.0)]
    with pytest.warns(DeprecationWarning, match="the parameter n is deprecated, use topn"):
        e.page([found], n=1)


def test_a_sense_inventory_called_its_centers_centres():
    import numpy as np

    from conec.senses import SenseInventory

    inventory = SenseInventory(
        starts=np.zeros(2, np.int64), centers=np.zeros((0, 3), np.float32),
        shares=np.zeros(0, np.float32), examples=np.zeros((0, 1, 11), np.int32),
        map=np.zeros((3, 3), np.float32),
    )  # fmt: skip
    with pytest.warns(DeprecationWarning, match="use centers"):
        assert inventory.centres is inventory.centers
