"""gensim's names are accepted where the meaning is the same; errors name the counterpart."""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from gensim.models import Word2Vec

import conec
from conec.config import PARAMETERS
from conec.gensim_names import NAMES

TEXT = [["cats", "say", "meow"], ["dogs", "say", "woof"], ["cows", "say", "moo"]] * 5


def model(**parameters: Any) -> conec.ContextEncoder:
    defaults = {"min_count": 1, "sample": 0}
    size = {} if "size" in parameters else {"vector_size": 4}
    epochs = {} if "iter" in parameters else {"epochs": 2}
    return conec.ContextEncoder(**{**defaults, **size, **epochs, **parameters})


def parameters_of(function: Any) -> set[str]:
    names = inspect.signature(function).parameters
    return {name for name in names if name not in ("self", "kwargs", "args")}


def test_every_parameter_of_gensim_is_one_here_or_has_advice() -> None:
    pairs = [
        (Word2Vec.__init__, PARAMETERS),
        (Word2Vec.train, parameters_of(conec.ContextEncoder.train)),
        (Word2Vec.build_vocab, parameters_of(conec.ContextEncoder.build_vocab)),
        (Word2Vec.build_vocab_from_freq, parameters_of(conec.ContextEncoder.build_vocab_from_freq)),
    ]
    for function, own in pairs:
        missing = parameters_of(function) - set(own) - set(NAMES)
        assert not missing, f"{function.__name__}: {missing}"


def test_every_method_and_attribute_of_gensim_is_one_here_or_has_advice() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gensim = Word2Vec(TEXT, min_count=1, vector_size=2)
    # of gensim's own loading and saving
    internal = {"add_lifecycle_event", "lifecycle_events"}
    trained = model().fit(TEXT)
    for name in set(dir(gensim)) - internal:
        if not name.startswith("_"):
            assert hasattr(trained, name) or name in NAMES, name


def test_the_same_meaning_is_accepted() -> None:
    made = model(
        size=6, iter=3, sg=0, hs=0, shrink_windows=False, window=4, compute_loss=True,
        sorted_vocab=1, trim_rule=None, sentences=None, callbacks=(), cbow_mean=1,
    )  # fmt: skip
    expected = model(vector_size=6, epochs=3, window=4, min_window=4)
    assert made.config == expected.config
    assert model(shrink_windows=True).config.min_window == 1
    made.build_vocab(corpus_iterable=TEXT, keep_raw_vocab=False)
    assert (made.corpus_count, made.corpus_total_words) == (15, 45)
    made.train(TEXT, total_examples=made.corpus_count, epochs=made.epochs, compute_loss=True)
    expected.build_vocab(TEXT).train(corpus_iterable=TEXT, epochs=3)
    assert made.W1.tobytes() == expected.W1.tobytes()
    assert (made.window, made.vector_size, made.negative) == (4, 6, 13)


def test_a_file_of_sentences(tmp_path: Any) -> None:
    path = str(tmp_path / "text.txt")
    with open(path, "w") as file:
        file.writelines(" ".join(words) + "\n" for words in TEXT)
    made = model().build_vocab(corpus_file=path)
    made.train(corpus_file=path, total_words=made.corpus_total_words, epochs=2)
    assert made.W1.tobytes() == model().fit(TEXT).W1.tobytes()
    assert model().fit(corpus_file=path).W1.tobytes() == made.W1.tobytes()


@pytest.mark.parametrize(
    ("parameters", "advice"),
    [
        ({"sg": 1}, r"ContextEncoder\(\) does not take gensim's sg: only CBOW"),
        ({"hs": 1}, "only negative sampling"),
        (
            {"sentences": TEXT},
            r"passed to fit: ContextEncoder\(\.\.\.\)\.fit\(corpus\)",
        ),
        ({"corpus_file": "a.txt"}, "a corpus is passed to fit"),
        ({"trim_rule": len}, "build_vocab_from_freq"),
        ({"batch_words": 100}, "batch_size"),
        ({"hashfxn": hash}, "seed"),
        ({"callbacks": [print]}, "are passed to fit or train"),
        ({"size": 5, "vector_size": 4}, "vector_size twice"),
        ({"shrink_windows": False, "min_window": 4}, "min_window twice"),
        ({"windwo": 4}, "did you mean window"),
    ],
)
def test_other_parameters_are_refused_with_advice(parameters: Any, advice: str) -> None:
    with pytest.raises(TypeError, match=advice):
        conec.ContextEncoder(**parameters)


def test_methods_and_attributes_are_refused_with_advice() -> None:
    with pytest.raises(TypeError, match=r"Pass the corpus to fit: ContextEncoder\(\.\.\.\)"):
        conec.ContextEncoder(TEXT)  # type: ignore[call-arg]
    trained = model().fit(TEXT)
    with pytest.raises(TypeError, match="train.. does not take gensim's report_delay"):
        trained.train(TEXT, report_delay=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"use model\.wv_context\.most_similar"):
        trained.most_similar("cats", negative=["dogs"])  # type: ignore[call-arg]
    with pytest.raises(AttributeError, match="syn1neg.*W2"):
        _ = trained.syn1neg  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="loss_history_"):
        trained.get_latest_training_loss()  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="alpha of a model cannot be changed"):
        trained.alpha = 0.01  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="cannot be set as in gensim"):
        trained.syn1neg = trained.W2  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="no attribute 'vecs'"):
        _ = trained.vecs  # type: ignore[attr-defined]


def test_the_learning_rate_of_gensim_needs_its_gradient() -> None:
    with pytest.warns(UserWarning, match=r'alpha=0.025 is very low .*cbow_gradient="word2vec"'):
        model(alpha=0.025).fit(TEXT)
    with pytest.warns(UserWarning, match=r"alpha=0.1 is very low"):
        model().build_vocab(TEXT).train(TEXT, start_alpha=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model(alpha=0.025, cbow_gradient="word2vec").fit(TEXT)
        model(alpha=0.025, cbow_mean=False).fit(TEXT)
        trained = model().fit(TEXT)
        trained.train(TEXT, start_alpha=0.1)  # further training, as in a loop of epochs


def test_copies_keep_attributes() -> None:
    trained = model().fit(TEXT)
    for other in (copy.copy(trained), copy.deepcopy(trained), pickle.loads(pickle.dumps(trained))):
        assert other.window == 5
        assert other.wv["cats"].tolist() == trained.wv["cats"].tolist()


class Hooks:
    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def on_train_begin(self, model: conec.ContextEncoder) -> None:
        self.calls.append(("train begins", len(model.loss_history_)))

    def on_epoch_begin(self, model: conec.ContextEncoder) -> None:
        self.calls.append(("epoch begins", len(model.loss_history_)))

    def on_epoch_end(self, model: conec.ContextEncoder) -> None:
        self.calls.append(("epoch ends", len(model.loss_history_)))

    def on_train_end(self, model: conec.ContextEncoder) -> None:
        assert model.context_embeddings is not None
        self.calls.append(("train ends", len(model.loss_history_)))


@pytest.mark.parametrize("parameters", [{}, {"workers": 2}, {"deterministic": True}], ids=str)
def test_all_hooks_are_called(parameters: dict[str, Any]) -> None:
    hooks = Hooks()
    model(**parameters).fit(TEXT, callbacks=[hooks])
    assert hooks.calls == [
        ("train begins", 0), ("epoch begins", 0), ("epoch ends", 1), ("epoch begins", 1),
        ("epoch ends", 2), ("train ends", 2),
    ]  # fmt: skip


def test_a_hook_alone_is_enough() -> None:
    calls = []

    class Begin:
        on_epoch_begin = calls.append

    trained = model().fit(TEXT, callbacks=Begin())
    assert calls == [trained, trained]


def test_predict_output_word_is_the_softmax_of_gensim() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gensim = Word2Vec(TEXT, min_count=1, vector_size=5, epochs=30, seed=3)
    ours = conec.ContextEncoder.from_gensim(gensim)
    for context in (["cats", "say"], ["say"], ["say", "say", "other"]):
        expected = gensim.predict_output_word(context, topn=4)
        found = ours.predict_output_word(context, topn=4)
        assert found is not None
        assert [word for word, _ in found] == [word for word, _ in expected]
        np.testing.assert_allclose([p for _, p in found], [p for _, p in expected], rtol=1e-4)
    assert ours.predict_output_word(["some", "other"]) is None
    index = ours.vocabulary.index
    assert ours.predict_output_word([index["cats"], "say"]) == ours.predict_output_word(
        ["cats", "say"]
    )
    total = ours.predict_output_word(["say"], topn=99)
    assert total is not None
    assert sum(p for _, p in total) == pytest.approx(1)
    with pytest.raises(RuntimeError, match="no weights of the last layer"):
        conec.ContextEncoder.from_vectors(gensim.wv).predict_output_word(["say"])
    with pytest.raises(TypeError, match="must be a list of words, got 'say'"):
        ours.predict_output_word("say")
