from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from types import SimpleNamespace

import numpy as np
import pytest
from gensim.test.utils import datapath
from hypothesis import given, settings
from hypothesis import strategies as st

import conec
import corpora
import corpora.counting
from conec.training import chunks, loop
from corpora.encoding import TokenStream
from tests import oracles
from tests.model_folders import reseal

LEE = datapath("lee_background.cor")
TINY = [["a", "b", "c", "a"], ["b", "d", "a", "", "c"], ["d", "d", "e"]] * 3


def make(**parameters):
    defaults = {"vector_size": 16, "min_count": 2, "epochs": 3, "sample": 0, "seed": 3}
    return conec.ContextEncoder(**{**defaults, **parameters})


def assert_same_bits(one, other):
    assert one.vocabulary.words == other.vocabulary.words
    assert one.W1.tobytes() == other.W1.tobytes()
    assert one.W2.tobytes() == other.W2.tobytes()
    assert one.loss_history_ == other.loss_history_
    assert (one.context_embeddings is None) == (other.context_embeddings is None)
    if one.context_embeddings is not None:
        assert one.context_embeddings.tobytes() == other.context_embeddings.tobytes()


@pytest.fixture(scope="module")
def lee():
    with open(LEE, encoding="utf-8") as file:
        return [line.split() for line in file]


@pytest.fixture
def short_chunks(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 1000)


def two_topics(n_documents=400, seed=0):
    """Documents of eight words of one topic, or of the other, and of some that are in both."""
    rng = np.random.default_rng(seed)
    topics = [[f"{topic}{i}" for i in range(10)] for topic in "xy"]
    common = [f"z{i}" for i in range(4)]
    return [
        list(rng.choice(topics[i % 2] + common, 8, p=[0.09] * 10 + [0.025] * 4))
        for i in range(n_documents)
    ]


# Learning


def test_the_loss_falls_on_real_text():
    model = make(epochs=6, sample=1e-3).fit(LEE)
    history = model.loss_history_
    assert len(history) == 6
    assert np.isfinite(history).all()
    assert history[-1] < 0.97 * history[0]
    assert max(history[1:]) < history[0]
    assert np.isfinite(model.W1).all()
    assert np.isfinite(model.W2).all()
    assert model.context_embeddings is not None
    assert len(model) == len(model.W1) == len(model.W2) == len(model.context_embeddings)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"negatives": "exact", "negative": 5},
        {"cbow_mean": False},
        {"cbow_gradient": "word2vec"},
        {"workers": 2},
    ],
    ids=str,
)
def test_words_of_a_topic_are_nearest_to_each_other(parameters):
    model = make(epochs=30, min_count=1, **parameters).fit(two_topics())
    mapped = model.wv_context
    neighbours = [word for word, _ in model.most_similar("x0", topn=5)]
    assert all(word.startswith("x") for word in neighbours)
    # a word never seen, in the midst of one topic
    new = [["y1", "y2", "new", "y3", "y4"]]
    vector = model.embed_word("new", new)
    assert all(word.startswith("y") for word, _ in model.most_similar(vector, topn=3))
    model.build_contexts(two_topics())
    vector = model.embed_word("new", new)
    assert all(word.startswith("y") for word, _ in model.most_similar(vector, topn=8))
    for keyed, gap in ((model.wv, None), (mapped, 0.4), (model.wv_context, 0.5)):
        unit = oracles.unit(keyed.vectors)
        similar = unit @ unit.T
        rows = {topic: [keyed.key_to_index[f"{topic}{i}"] for i in range(10)] for topic in "xy"}
        for topic, other in ("xy", "yx"):
            own = similar[np.ix_(rows[topic], rows[topic])][~np.eye(10, dtype=bool)]
            across = similar[np.ix_(rows[topic], rows[other])]
            # for each word on average; with contexts, for any two words
            assert own.reshape(10, 9).mean(axis=1).min() > across.mean(axis=1).max() + 0.05
            if gap is not None:
                assert own.min() > across.max() + gap


def test_same_seed_same_bits_and_another_seed_others(lee):
    one, other = make().fit(lee), make().fit(lee)
    assert_same_bits(one, other)
    assert make(seed=4).fit(lee).W1.tobytes() != one.W1.tobytes()
    assert_same_bits(make().fit(LEE), one)  # from a file or from memory


@pytest.mark.parametrize(
    "more",
    [{}, {"vector_size": 20}, {"vector_size": 7, "min_count": 200}, {"max_final_vocab": 9}],
    ids=str,
)
@pytest.mark.slow
def test_deterministic_gives_the_same_bits_with_any_number_of_workers(short_chunks, more):
    models = [make(deterministic=True, workers=n, **more).fit(LEE) for n in (1, 2, 3, 4, 11)]
    for model in models[1:]:
        assert_same_bits(models[0], model)
    if len(models[0]) == 1:
        return
    other = make(deterministic=True, seed=4, **more).fit(LEE)
    assert other.W1.tobytes() != models[0].W1.tobytes()


def test_deterministic_learns_as_much(lee):
    free, rounds = make(epochs=5).fit(lee), make(epochs=5, deterministic=True).fit(lee)
    assert rounds.loss_history_[-1] == pytest.approx(free.loss_history_[-1], rel=0.12)


def test_an_error_in_one_of_several_threads_leaves_a_whole_model(
    lee, short_chunks, monkeypatch, tmp_path
):
    model = make(workers=2).build_vocab(lee)
    original = chunks.ChunkTrainer.train

    def call(self, number, *args):
        if number == 3:
            time.sleep(0.05)  # others go on
            raise MemoryError("no room")
        return original(self, number, *args)

    monkeypatch.setattr(chunks.ChunkTrainer, "train", call)
    with pytest.raises(MemoryError, match="no room"):
        model.train(lee)
    model.save(tmp_path / "model")
    state = conec.load(tmp_path / "model").training_state
    assert state.next_chunk == len(state.losses) == 3


def test_a_second_ctrl_c_in_a_round_waits_for_its_end(lee, short_chunks, tmp_path, monkeypatch):
    whole = make(deterministic=True, workers=2).fit(lee)
    original, calls = chunks.ChunkTrainer.merge, []

    def merge(self, *args):
        calls.append(args)
        if len(calls) == 6:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)
        return original(self, *args)

    monkeypatch.setattr(chunks.ChunkTrainer, "merge", merge)
    path = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        make(deterministic=True, workers=2).fit(lee, checkpoint=path)
    monkeypatch.setattr(chunks.ChunkTrainer, "merge", original)
    assert_same_bits(whole, make().train(lee, resume_from=path))


def test_an_error_in_a_round_is_told_and_what_was_done_before_stays(lee, short_chunks, monkeypatch):
    model = make(deterministic=True, workers=2).build_vocab(lee)
    original, calls = chunks.ChunkTrainer.train_on_copies, []

    def apart(self, *args):
        calls.append(args)
        if len(calls) > 30:
            raise MemoryError("no room")
        return original(self, *args)

    monkeypatch.setattr(chunks.ChunkTrainer, "train_on_copies", apart)
    before = model.W1.copy()
    with pytest.raises(MemoryError, match="no room"):
        model.train(lee)
    assert not np.array_equal(model.W1, before)
    assert model.training_state.next_chunk % chunks.CHUNKS_PER_ROUND == 0
    assert len(model.training_state.losses) == model.training_state.next_chunk > 0


def test_several_workers_learn_as_much(lee, short_chunks):
    one, three = make(epochs=5).fit(lee), make(epochs=5, workers=3).fit(lee)
    assert len(three.loss_history_) == 5
    assert three.loss_history_[-1] == pytest.approx(one.loss_history_[-1], rel=0.03)


@pytest.mark.parametrize(
    "change",
    [
        lambda W: W.astype(np.float64),
        lambda W: np.asfortranarray(W),
        lambda W: W[:-1],
        lambda W: W[:, :-1],
        lambda W: np.broadcast_to(W[:1], W.shape),
    ],
)
@pytest.mark.parametrize("name", ["W1", "W2"])
def test_weights_that_training_cannot_use_are_refused(lee, name, change):
    model = make().build_vocab(lee)
    setattr(model, name, change(getattr(model, name)))
    before = dict(model.__dict__)
    with pytest.raises(ValueError, match=f"^{name} must be a writable float32 array of shape"):
        model.train(lee)
    assert model.__dict__ == before, "what is refused changes nothing"


def test_training_that_diverges_says_so(lee):
    with pytest.raises(conec.TrainingDiverged, match=r"learning rate.*too high"):
        make(alpha=1e30, cbow_mean=False, epochs=2).fit(lee)


# Vocabulary and further training


def test_training_further(lee):
    model = make(epochs=2).fit(lee)
    before, history = model.W1.copy(), list(model.loss_history_)
    model.train(lee, epochs=3, start_alpha=np.float32(0.5), end_alpha=0)
    assert len(model.loss_history_) == 5
    assert model.loss_history_[:2] == history
    assert model.loss_history_[-1] < history[0]
    assert (before != model.W1).any()


def test_another_run_draws_other_random_numbers(lee):
    model = make(epochs=1, sample=1e-3)
    model.build_vocab(lee)
    W1, W2 = model.W1.copy(), model.W2.copy()
    model.train(lee)
    first = model.W1.copy()
    model.W1, model.W2 = W1, W2
    model.train(lee)
    assert (first != model.W1).any()


def test_new_words_get_rows_and_old_ones_keep_theirs(lee):
    model = make(epochs=1).fit(lee[:150])
    W1, W2, words = model.W1.copy(), model.W2.copy(), list(model.vocabulary.words)
    old_count = dict(zip(words, model.vocabulary.counts.tolist(), strict=True))
    model.build_vocab(lee[150:], update=True)
    assert len(model) > len(words)
    assert model.context_embeddings is None
    index = model.vocabulary.index
    rows = [index[word] for word in words]
    np.testing.assert_array_equal(model.W1[rows], W1)
    np.testing.assert_array_equal(model.W2[rows], W2)
    new = np.setdiff1d(np.arange(len(model)), rows)
    assert (abs(model.W1[new]) <= 0.5 / 16).all()
    assert len(np.unique(model.W1[new])) > 0.99 * model.W1[new].size
    assert (model.W2[new] == 0).all()
    seen = sum(document.count("the") for document in lee[150:])
    assert model.vocabulary.counts[index["the"]] == old_count["the"] + seen
    model.train(lee[150:])
    assert len(model.loss_history_) == 2
    assert (model.W2[new] != 0).any()


def test_update_honours_max_final_vocab():
    model = make(max_final_vocab=3, min_count=1)
    model.build_vocab_from_freq({"a": 5, "b": 4})
    model.build_vocab_from_freq({"c": 9, "d": 8}, update=True)
    assert model.vocabulary.words == ["c", "a", "b"]


def test_build_vocab_from_freq_is_like_counting(lee):
    counts = corpora.counting.count(corpora.open(lee)).words
    one, other = make().build_vocab(lee), make().build_vocab_from_freq(counts)
    assert_same_bits(one, other)
    assert_same_bits(one.train(lee), other.train(lee))
    assert_same_bits(one, make().fit(lee))


def test_too_high_a_min_count_is_told_with_one_that_leaves_words(lee):
    for workers in (1, 2):
        with pytest.raises(ValueError, match=r"no word occurs 9999 times .*\. min_count=\d+ would"):
            make(min_count=9999, workers=workers).build_vocab(lee)


def test_words_at_hand_are_counted_however_rare_in_new_text():
    model = make(min_count=2).build_vocab([["a", "a", "b", "b"]])
    model.build_vocab([["a", "c", "d", "d"]], update=True)
    assert dict(zip(model.vocabulary.words, model.vocabulary.counts, strict=True)) == {
        "a": 3,
        "b": 2,
        "d": 2,
    }


def test_max_final_vocab_and_min_count(lee):
    model = make(max_final_vocab=50).build_vocab(lee)
    counts = sorted(corpora.counting.count(corpora.open(lee)).words.values(), reverse=True)
    assert model.vocabulary.counts.tolist() == [n for n in counts if n > counts[50]]
    with pytest.raises(ValueError, match="at most 2 words .max_final_vocab. .*3 words occur 2 "):
        make(max_final_vocab=2, min_count=1).build_vocab([["a", "b", "c", "d"], ["a", "b", "c"]])
    model = make(min_count=7).build_vocab(lee)
    assert model.vocabulary.counts.min() == 7


# Callbacks


def test_callbacks_of_every_kind(lee):
    calls = []

    class Observer:
        def on_epoch_end(self, model):
            calls.append(("object", len(model.loss_history_)))

    def function(model):
        calls.append(("function", len(model.loss_history_)))

    make(epochs=2).fit(lee[:50], callbacks=[function, Observer()])
    assert calls == [("function", 1), ("object", 1), ("function", 2), ("object", 2)]
    calls.clear()
    make(epochs=1).fit(lee[:50], callbacks=Observer())
    make(epochs=1).fit(lee[:50], callbacks=function)
    make(epochs=1).fit(lee[:50], callbacks=iter([function]))
    assert calls == [("object", 1), ("function", 1), ("function", 1)]


def test_what_a_callback_asks_for_is_up_to_date(lee):
    seen = []
    model = make(epochs=3)
    model.fit(lee, callbacks=lambda m: seen.append(m.wv["the"].copy()))
    assert len({vector.tobytes() for vector in seen}) == 3
    np.testing.assert_array_equal(model.wv["the"], seen[-1])


def test_nothing_stale_after_an_interruption_within_an_epoch(lee, short_chunks):
    model = make(epochs=3)
    model.build_vocab(lee)
    original = loop.run_hogwild
    calls = []

    def fail(*args):
        original(*args)
        calls.append(model.wv["the"].copy())
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "run_hogwild", fail)
        with pytest.raises(KeyboardInterrupt):
            model.train(lee)
    assert model._cache == {}


# Corpora that cannot do


class Reads:
    def __init__(self):
        self.n = 0

    def __call__(self):
        for document in TINY:
            self.n += 1
            yield document


def test_a_generator_is_refused_before_it_is_read():
    reads = Reads()
    with pytest.raises(corpora.NotReiterableError, match="once"):
        make(min_count=1).fit(reads())
    assert reads.n == 0


def test_a_generator_is_enough_for_a_single_pass():
    model = make(min_count=1).build_vocab(Reads()())
    model.train(Reads()(), epochs=1)
    assert_same_bits(model, make(min_count=1, epochs=1).fit(TINY))


@pytest.mark.parametrize("nothing", [[], [[]], [[], []]])
def test_an_empty_corpus(nothing):
    with pytest.raises(ValueError, match="the corpus is empty"):
        make().fit(nothing)
    model = make(min_count=1).build_vocab(TINY)
    for method in (model.train, model.build_contexts, model.global_contexts):
        with pytest.raises(ValueError, match="the corpus is empty"):
            method(nothing)


def test_a_corpus_of_other_words():
    model = make(min_count=1).build_vocab(TINY)
    for method in (model.train, model.build_contexts, model.global_contexts):
        with pytest.raises(ValueError, match="no word of the vocabulary"):
            method([["q", "r"]])


def test_a_token_stream_of_another_vocabulary():
    model = make(min_count=1).build_vocab(TINY)
    stream = TokenStream(np.array([0, 99], np.int32), np.array([0, 2]), 2)
    for method in (model.train, model.build_contexts, model.global_contexts):
        with pytest.raises(ValueError, match="ids up to 99, but the vocabulary has only 5 words"):
            method(stream)


def test_no_word_is_frequent_enough():
    with pytest.raises(ValueError, match=r"min_count=12 would keep 1 word,") as info:
        make(min_count=100).fit([["a"] * 12, ["b"] * 3])
    assert "min_count=3 would keep all" in str(info.value)
    assert len(make(min_count=12).build_vocab([["a"] * 12, ["b"] * 3])) == 1


def test_documents_of_one_word_leave_nothing_to_learn():
    model = make(min_count=1).build_vocab([["a"], ["b"], ["a"]])
    with pytest.raises(ValueError, match="no word of the corpus has a context"):
        model.train([["a"], ["b"], ["a"]])
    with pytest.warns(UserWarning, match="the map of contexts was not learned"):
        model.learn_map([["a"], ["b"], ["a"]])
    assert not model.context_embeddings.any()


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"corpus\.txt"):
        make().fit(tmp_path / "corpus.txt")
    with pytest.raises(FileNotFoundError):
        conec.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"epochs": 0}, "epochs"),
        ({"epochs": 1.5}, "epochs"),
        ({"start_alpha": -1}, "start_alpha"),
        ({"end_alpha": float("nan")}, "end_alpha"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, name):
    model = make(min_count=1).build_vocab(TINY)
    with pytest.raises(ValueError, match=f"^{name} must be"):
        model.train(TINY, **arguments)


def test_without_a_vocabulary():
    model = make()
    with pytest.raises(ValueError, match="no vocabulary yet"):
        model.train(TINY)
    for call in (lambda: model.wv, lambda: model.embed(["a"]), lambda: model.local_contexts(["a"])):
        with pytest.raises(RuntimeError, match="no vocabulary yet"):
            call()


@pytest.mark.parametrize("method", ["fit", "train"])
def test_a_checkpoint_that_cannot_be_written_is_told_before_work(tmp_path, method):
    (tmp_path / "file").write_text("mine")
    model = make(min_count=1).build_vocab(TINY)
    reads = Reads()

    class Corpus:
        def __iter__(self):
            return reads()

    for path in (tmp_path / "file", tmp_path / "file" / "x", tmp_path / "none" / "x"):
        with pytest.raises(OSError):  # noqa: PT011
            getattr(model, method)(Corpus(), checkpoint=path)
    assert reads.n == 0
    assert os.listdir(tmp_path) == ["file"]


# Interruptions


def interrupt_at_epoch(n):
    def callback(model):
        if len(model.loss_history_) == n:
            raise KeyboardInterrupt

    return callback


def interrupt_after_chunks(monkeypatch, n):
    """As Ctrl-C does: raise once some chunks are done."""
    original, calls = chunks.ChunkTrainer.train, []

    def step(self, *args):
        calls.append(args)
        if len(calls) == n:
            monkeypatch.setattr(chunks.ChunkTrainer, "train", original)
            result = original(self, *args)
            stops.append(True)
            return result
        return original(self, *args)

    stops = []
    monkeypatch.setattr(chunks.ChunkTrainer, "train", step)
    run = loop.run_hogwild

    def run_chunks(step, state, n_chunks, n_threads, tick):
        def tick_or_stop(done):
            if stops:
                stops.clear()
                raise KeyboardInterrupt
            time.sleep(0.001)
            return tick(done)

        run(slow(step), state, n_chunks, n_threads, tick_or_stop)

    def slow(step):
        def call(*args):
            if stops:
                time.sleep(0.2)  # until it is seen
            return step.train(*args)

        return SimpleNamespace(train=call, train_scratch=step.train_scratch)

    monkeypatch.setattr(loop, "run_hogwild", run_chunks)


@pytest.mark.slow
def test_an_interrupted_run_in_rounds_goes_on(lee, short_chunks, tmp_path, monkeypatch):
    whole = make(deterministic=True, workers=2).fit(lee)
    path, original, calls = tmp_path / "checkpoint", chunks.ChunkTrainer.merge, []

    def merge(self, *args):
        state = self._state
        if not calls and state.epoch == 1 and state.next_chunk == chunks.CHUNKS_PER_ROUND:
            calls.append(args)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)  # until it is seen
        return original(self, *args)

    model = make(deterministic=True, workers=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks.ChunkTrainer, "merge", merge)
        with pytest.raises(KeyboardInterrupt):
            model.fit(lee, checkpoint=path)
    assert conec.load(path).training_state.next_chunk == 2 * chunks.CHUNKS_PER_ROUND
    config = json.loads((path / "config.json").read_text())
    config["config"]["workers"] = 3
    (path / "config.json").write_text(json.dumps(config))
    reseal(path)
    other = make().train(lee, resume_from=path)
    assert_same_bits(whole, other)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_interrupted_run_goes_on_at_an_epoch(lee, short_chunks, tmp_path, at):
    whole = make().fit(lee)
    model, path = make(), tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        model.fit(lee, callbacks=interrupt_at_epoch(at), checkpoint=path)
    assert len(model.loss_history_) == at
    assert_usable(model, lee)
    assert_usable(conec.load(path), lee)
    resumed = conec.ContextEncoder().train(lee, resume_from=path, checkpoint=path)
    assert_same_bits(resumed, whole)
    assert resumed.config == whole.config
    assert_same_bits(conec.load(path), whole)
    # it is done: nothing is left to go on with
    with pytest.raises(ValueError, match="not a checkpoint of a training run"):
        conec.ContextEncoder().train(lee, resume_from=path)


@pytest.mark.parametrize("n", [1, 4, 9])
def test_an_interrupted_run_goes_on_within_an_epoch(lee, short_chunks, tmp_path, n):
    whole = make(sample=1e-3).fit(lee)
    path = tmp_path / "checkpoint"
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after_chunks(patch, n)
        with pytest.raises(KeyboardInterrupt):
            make(sample=1e-3).fit(lee, checkpoint=path)
    stopped = conec.load(path)
    state = json.loads((path / "config.json").read_text())["training"]
    assert state["epoch"] == 0
    assert n <= state["next_chunk"] <= n + 3
    assert len(state["losses"]) == state["next_chunk"]
    assert (stopped.W2 != 0).any()
    assert_usable(stopped, lee)
    resumed = conec.ContextEncoder().train(corpora.open(lee), resume_from=path)
    assert_same_bits(resumed, whole)


def test_checkpoints_in_between_change_nothing(lee, short_chunks, tmp_path):
    whole = make().fit(lee)
    saved = []
    model = make()
    original = conec.ContextEncoder.save

    class Saves(conec.ContextEncoder):
        def save(self, path):
            saved.append(self.training_state is not None and self.training_state.next_chunk)
            original(self, path)

    model.__class__ = Saves
    model.fit(lee, checkpoint=tmp_path / "model", checkpoint_minutes=0)
    assert len(saved) > 3
    assert_same_bits(model, whole)
    assert_same_bits(conec.load(tmp_path / "model"), whole)


def test_two_runs_one_after_the_other_resume_in_the_second(lee, short_chunks, tmp_path):
    whole = make(epochs=2).fit(lee).train(lee)
    model = make(epochs=2).fit(lee)
    with pytest.raises(KeyboardInterrupt):
        model.train(lee, callbacks=interrupt_at_epoch(3), checkpoint=tmp_path / "model")
    assert_same_bits(conec.ContextEncoder().train(lee, resume_from=tmp_path / "model"), whole)


def test_another_corpus_is_refused_and_the_model_stays(lee, tmp_path):
    path = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        make().fit(lee, callbacks=interrupt_at_epoch(1), checkpoint=path)
    model = make(min_count=1).fit(TINY)
    W1 = model.W1.copy()
    for other in (lee[:-1], lee[::-1], [[*lee[0], *lee[1]], *lee[2:]]):
        with pytest.raises(ValueError, match="the corpus is not the one"):
            model.train(other, resume_from=path)
    with pytest.raises(FileNotFoundError):
        model.train(lee, resume_from=tmp_path / "none")
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="not a checkpoint of a training run"):
        model.train(lee, resume_from=tmp_path / "model")
    np.testing.assert_array_equal(model.W1, W1)
    assert model.config.min_count == 1


def test_a_new_vocabulary_ends_the_interrupted_run(lee, tmp_path):
    model = make()
    with pytest.raises(KeyboardInterrupt):
        model.fit(lee, callbacks=interrupt_at_epoch(1))
    model.build_vocab(lee, update=True)
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="not a checkpoint of a training run"):
        model.train(lee, resume_from=tmp_path / "model")


def assert_usable(model, documents):
    assert np.isfinite(model.W1).all()
    assert len(model.wv.most_similar("the", topn=3)) == 3
    vector = model.embed(["the", "unheard", "of"], a=0)
    assert vector.shape == (3, 16)
    with pytest.raises(RuntimeError, match="build_contexts"):
        model.embed(["the"])


CTRL_C = """
    import conec, sys
    class Endless:
        def __iter__(self):
            return iter(documents)
    documents = [("a b c d e f g h i j k l m n o p".split() * 20)] * 2000
    def started(model):
        print("epoch", flush=True)
    model = conec.ContextEncoder(vector_size=50, epochs=100_000, sample=0, workers=2)
    try:
        model.fit(Endless(), checkpoint=sys.argv[1], callbacks=started)
    except KeyboardInterrupt:
        print("interrupted", len(model.loss_history_), len(model.wv.vectors), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.slow
def test_ctrl_c(tmp_path):
    path = tmp_path / "checkpoint"
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CTRL_C), str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "epoch\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, err
    said, epochs, words = out.splitlines()[-1].split()
    assert said == "interrupted"
    model = conec.load(path)
    assert len(model) == int(words) == 16
    assert len(model.loss_history_) == int(epochs) >= 1
    assert np.isfinite(model.W1).all()
    state = json.loads((path / "config.json").read_text())["training"]
    assert state["epoch"] == int(epochs)
    assert len(state["losses"]) == state["next_chunk"]
    assert os.listdir(tmp_path) == ["checkpoint"]


# Embeddings: Eq. 7.1


@pytest.fixture(scope="module")
def tiny():
    """A small model with weights that are not small, and its dense global contexts."""
    model = make(min_count=1, vector_size=5, window=2).build_vocab(TINY)
    rng = np.random.default_rng(0)
    model.W1 = rng.normal(size=model.W1.shape).astype(np.float32)
    model.build_contexts(TINY)
    ids = [[model.vocabulary.index.get(t, -1) for t in document] for document in TINY]
    vectors = oracles.context_matrix(ids, len(model), window=2, normalize="max")
    return model, vectors


tokens = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "", "new", "other"]), max_size=15)


@settings(max_examples=60)
@given(tokens, st.sampled_from([0, 0.3, 0.6, 1]))
def test_embed_is_eq_7_1(tiny, tokens, a):
    model, global_vectors = tiny
    expected, has = oracles.embeddings(
        tokens, model.vocabulary.words, model.W1, global_vectors, a, window=2
    )
    result, found = model.embed(tokens, a, return_found=True)
    assert result.dtype == np.float32
    assert found.dtype == np.bool_
    np.testing.assert_array_equal(found, has)
    np.testing.assert_allclose(result, expected, atol=2e-5)
    np.testing.assert_array_equal(model.embed(tokens, a), result)


def test_what_has_no_context_is_zero_and_not_found(tiny):
    model, _ = tiny
    result, found = model.embed(["new", "other", "", "third"], return_found=True)
    assert not found.any()
    assert not result.any()
    result, found = model.embed(["a", "", "new", "other", "", "third"], return_found=True)
    # "a" is two places from "new", the window is 2
    assert found.tolist() == [True, False, True, False, False, False]


def test_documents_at_the_edge(tiny):
    model, vectors = tiny
    assert model.embed([]).shape == (0, 5)
    result, found = model.embed([], return_found=True)
    assert found.shape == (0,)
    for word, expected in (("a", True), ("new", False)):
        result, found = model.embed([word], return_found=True)
        assert found.tolist() == [expected]
    a = model.vocabulary.index["a"]
    np.testing.assert_allclose(
        model.embed(["a"])[0], oracles.unit(vectors[a] @ oracles.unit(model.W1)), atol=1e-5
    )
    # its own context twice over
    result = model.embed(["new", "a", "new", "b", "new"])
    np.testing.assert_array_equal(result[0], result[2])
    np.testing.assert_array_equal(result[0], result[4])
    result, found = model.embed(("new", np.str_("a")), return_found=True)  # any sequence
    assert found.all()


def test_a_string_is_no_list_of_tokens(tiny):
    model, _ = tiny
    for method in (model.embed, model.local_contexts):
        with pytest.raises(TypeError, match="split"):
            method("a b c")


@pytest.mark.parametrize("a", [-0.1, 1.1, float("nan"), None, "0.8", [0.8]])
def test_a_is_a_share(tiny, a):
    model, _ = tiny
    with pytest.raises(ValueError, match="a must be a number from 0 to 1"):
        model.embed(["a"], a)
    with pytest.raises(ValueError, match="a must be a number from 0 to 1"):
        model.embed_word("a", a=a)


@pytest.mark.parametrize("a", [0, 0.6, 1])
@pytest.mark.parametrize("word", ["new", "a"])
def test_embed_word_is_embed_where_they_say_the_same(tiny, word, a):
    model, _ = tiny
    text = ["b", word, "c", "", word, "e", "other"]
    expected, has = model.embed(text, a, return_found=True)
    for contexts in ([text], [" ".join(text)] if "" not in text else [tuple(text)]):
        vector, found = model.embed_word(word, contexts, a, return_found=True)
        np.testing.assert_allclose(vector, expected[1], atol=1e-6)
        assert found == has[1]
        np.testing.assert_array_equal(model.embed_word(word, contexts, a), vector)


def test_no_window_crosses_from_one_context_to_the_next(tiny):
    model, _ = tiny
    ends = model.embed_word("new", [["a", "new"], ["new", "b"]], 0)
    expected, _ = oracles.embeddings(
        ["a", "new", "", "", "", "new", "b"],
        model.vocabulary.words,
        model.W1,
        np.zeros((5, 5)),
        0,
        window=2,
    )
    # a and b at distance 1 each; were they joined, b would also be at distance 2 of the first
    unit = oracles.unit(model.W1)
    index = model.vocabulary.index
    np.testing.assert_allclose(ends, oracles.unit(unit[index["a"]] + unit[index["b"]]), atol=1e-6)
    np.testing.assert_allclose(ends, expected[1], atol=1e-6)
    joined = model.embed_word("new", [["a", "new", "b", "new"]], 0)
    assert abs(joined - ends).max() > 1e-3
    one = model.embed_word("new", [["a", "b", "new"], ["c", "d", "new"]], 0)
    other = model.embed_word("new", [["c", "d", "new"], ["a", "b", "new"]], 0)
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_embed_word_at_the_edge(tiny):
    model, _ = tiny
    vector, found = model.embed_word("new", return_found=True)
    assert not found
    assert not vector.any()
    np.testing.assert_allclose(model.embed_word("a"), model.embed(["a"])[0], atol=1e-6)
    vector, found = model.embed_word("a", a=0, return_found=True)
    assert not found
    np.testing.assert_array_equal(
        model.embed_word("new", "a new b"), model.embed_word("new", ["a new b"])
    )
    for contexts in (["a b"], [["a", "new"], []], ["a", "new", "b"]):
        with pytest.raises(ValueError, match="the context .* does not contain 'new'"):
            model.embed_word("new", contexts)


def test_global_contexts_have_to_be_built_for_known_words_only():
    model = make(min_count=1).build_vocab(TINY)
    with pytest.raises(RuntimeError, match="build_contexts"):
        model.embed(["a", "b"])
    model.embed(["a", "b"], a=0)
    assert model.embed_word("new", ["a new b"]).any()
    with pytest.raises(RuntimeError, match="build_contexts"):
        _ = model.wv_context


@pytest.mark.parametrize("weighting", ["uniform", "distance", "subsampled", "sif"])
@pytest.mark.parametrize("normalize", ["count", "max", "none"])
def test_context_vectors_of_the_model(weighting, normalize):
    model = make(min_count=1, sample=0.05, window=3, min_window=2, workers=2).build_vocab(TINY)
    arguments = {"weighting": weighting, "normalize": normalize, "diagonal": 1.0}
    ids = [[model.vocabulary.index.get(t, -1) for t in document] for document in TINY]
    counts = model.vocabulary.counts.tolist()
    keep = oracles.keep_probability(counts, 0.05)
    if weighting == "sif":
        keep = [1e-5 / (1e-5 + n / sum(counts)) for n in counts]
    for window in (None, 1, 5):
        size = window or 3
        expected = oracles.context_matrix(
            ids,
            len(model),
            window=size,
            weighting=weighting,
            min_window=min(2, size),
            keep=keep,
            diagonal=1.0,
            normalize=normalize,
        )
        matrix = model.global_contexts(TINY, window=window, **arguments)
        np.testing.assert_allclose(matrix.toarray(), expected, rtol=1e-5)
        model.build_contexts(TINY, window=window, **arguments)
        np.testing.assert_allclose(
            model.context_embeddings, expected @ oracles.unit(model.W1), rtol=1e-4, atol=1e-5
        )


def test_local_contexts_of_the_model(tiny):
    model, _ = tiny
    document = ["b", "new", "a", "", "a"]
    words, matrix = model.local_contexts(document, normalize="none", weighting="uniform")
    assert words == ["b", "new", "a"]
    dense = dict(zip(words, matrix.toarray(), strict=True))
    index = model.vocabulary.index
    expected = np.zeros((3, len(model)))
    expected[0, index["a"]] = 1
    expected[1, [index["b"], index["a"]]] = 1
    expected[2, index["b"]] = 1
    expected[2, index["a"]] = 2
    np.testing.assert_array_equal(list(dense.values()), expected)


def test_contexts_of_another_length_of_window(tiny):
    model, _ = tiny
    with pytest.raises(ValueError, match="window"):
        model.global_contexts(TINY, window=0)


# Queries


def test_most_similar(tiny):
    model, _ = tiny
    unit = oracles.unit(model.context_embeddings)
    words = model.vocabulary.words
    for word in words:
        row = model.vocabulary.index[word]
        order = [i for i in np.argsort(-(unit @ unit[row])) if i != row]
        result = model.most_similar(word, topn=3)
        assert [w for w, _ in result] == [words[i] for i in order[:3]]
        np.testing.assert_allclose([s for _, s in result], (unit @ unit[row])[order[:3]], atol=1e-5)
    vector = model.embed(["a", "new"])[1]
    result = model.most_similar(vector)
    assert len(result) == len(words)
    assert result[0][0] == words[int(np.argmax(unit @ vector))]


def test_most_similar_refuses(tiny):
    model, _ = tiny
    with pytest.raises(KeyError, match="embed_word"):
        model.most_similar("new")
    with pytest.raises(ValueError, match=r"shape \(5,\)"):
        model.most_similar(np.ones(4))
    for vector in (np.zeros(5), np.full(5, np.nan)):
        with pytest.raises(ValueError, match="zero or not finite"):
            model.most_similar(vector)


def test_words_without_contexts_are_similar_to_nothing():
    model = make(min_count=1).fit([["a", "b"], ["b", "c"], ["alone"]])
    with pytest.raises(ValueError, match="no context words"):
        model.most_similar("alone")
    assert all(np.isfinite(s) for _, s in model.most_similar("a", topn=9))


def test_small_things(tiny):
    model, _ = tiny
    assert len(model) == 5
    assert "a" in model
    assert "new" not in model
    assert repr(model) == "ContextEncoder(5 words, vector_size=5, window=2, epochs=0)"


# Disk


def test_a_trained_model_comes_back(lee, tmp_path):
    model = make().fit(lee)
    model.save(tmp_path / "model")
    loaded = conec.load(tmp_path / "model")
    assert_same_bits(loaded, model)
    document = ["the", "unheard", "government"]
    np.testing.assert_array_equal(loaded.embed(document), model.embed(document))
    assert loaded.most_similar("the") == model.most_similar("the")
    # and is trained further, with the file as it was
    loaded.train(lee)
    assert_same_bits(loaded, model.train(lee))
    assert len(conec.load(tmp_path / "model").loss_history_) == 3


@pytest.mark.parametrize("every", [1, 2])
def test_checkpoints_after_epochs(tmp_path, monkeypatch, every):
    saved = []
    monkeypatch.setattr(
        conec.ContextEncoder, "save", lambda self, path: saved.append(len(self.loss_history_))
    )
    documents = [["a", "b", "c"]] * 20
    model = conec.ContextEncoder(min_count=1, epochs=4, sample=0, vector_size=4)
    model.fit(documents, checkpoint=tmp_path / "m", checkpoint_epochs=every, checkpoint_minutes=60)
    assert [n for n in (1, 2, 3, 4) if n in saved] == [n for n in (1, 2, 3, 4) if n % every == 0]


@pytest.mark.parametrize(
    ("name", "value"),
    [("checkpoint_minutes", v) for v in (-1, float("nan"), "10", None)]
    + [("checkpoint_epochs", v) for v in (0, -1, 1.5, True)],
)
def test_checkpoint_options_are_checked_before_training(name, value, tmp_path):
    options = {"checkpoint": tmp_path / "m", name: value}
    for kind in (conec.ContextEncoder, conec.ExtendedContextEncoder):
        model = kind(vector_size=4, min_count=1)
        with pytest.raises(ValueError, match=f"^{name} must be"):
            model.fit([["a", "b"]], **options)
        assert len(model) == 0
        model.build_vocab([["a", "b"]])
        with pytest.raises(ValueError, match=f"^{name} must be"):
            model.train([["a", "b"]], **options)
        assert model.loss_history_ == []
    assert not (tmp_path / "m").exists()


def test_an_epoch_without_contexts_is_kept_as_nan_in_strict_json(tmp_path):
    model = conec.ContextEncoder(min_count=1, epochs=1, sample=1e-12, vector_size=4)
    with pytest.warns(UserWarning, match="nothing was learned"):
        model.fit([["a", "b"]] * 5)
    assert np.isnan(model.loss_history_).all()
    model.save(tmp_path / "m")

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    json.loads((tmp_path / "m" / "config.json").read_text(), parse_constant=refuse)
    assert np.isnan(conec.ContextEncoder.load(tmp_path / "m").loss_history_).all()


def test_a_callback_that_returns_true_stops_training(lee, tmp_path):
    path, epochs = tmp_path / "checkpoint", []

    def stop_after_two(model):
        epochs.append(len(model.loss_history_))
        return len(epochs) == 2

    model = make(epochs=5).fit(lee, callbacks=[stop_after_two], checkpoint=path)
    assert epochs == [1, 2]
    assert len(model.loss_history_) == 2
    assert model.context_embeddings is not None
    # the run is finished: nothing is left to resume
    assert_same_bits(conec.load(path), model)
    with pytest.raises(ValueError, match="not a checkpoint of a training run"):
        make().train(lee, resume_from=path)


def test_a_run_stopped_by_a_callback_is_finished_before_its_contexts_are(
    lee, tmp_path, monkeypatch
):
    path = tmp_path / "checkpoint"

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(conec.ContextEncoder, "learn_map", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make(epochs=5).fit(lee, callbacks=lambda _: True, checkpoint=path)
    resumed = make().train(lee, resume_from=path)
    assert len(resumed.loss_history_) == 1
    assert_same_bits(resumed, make(epochs=5).fit(lee, callbacks=lambda _: True))


def test_the_phases_of_a_fit_are_logged(caplog, capfd):
    with caplog.at_level("INFO", logger="conec"):
        make(min_count=1, epochs=2).fit(TINY)
    messages = [record.getMessage() for record in caplog.records]
    assert {record.name.partition(".")[0] for record in caplog.records} == {"conec"}
    for start in ("vocabulary: 5 of 5 words", "encoding: ", "training: ", "epoch 1 of 2: loss ",
                  "epoch 2 of 2: loss ", "training took ", "embeddings of known words: ",
                  "map of contexts: "):  # fmt: skip
        assert sum(message.startswith(start) for message in messages) == 1, (start, messages)
    assert capfd.readouterr() == ("", "")
