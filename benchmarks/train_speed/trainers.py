"""One run of a trainer, in a separate process: see `runs.apart`.

Tasks have "text" (a plain file), "settings" (of both trainers), "epochs", "seed" and "workers".
Results are seconds and words, from which the caller computes rates.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.material import quality
from benchmarks.runs import Measured, Task, peak_mb
from benchmarks.train_speed import machine_limits

# parameters with the same names in both trainers
SETTINGS: dict[str, Any] = {
    "vector_size": 200,
    "window": 5,
    "negative": 13,
    "min_count": 5,
    "sample": 1e-4,
}


def ours(task: Task) -> Measured:
    """Train with conec, and learn the map, as `fit` does.

    Additional keys: "deterministic", "quality", "limits", "vocabulary_only"."""
    import conec
    import corpora
    from corpora.encoding import TokenStream

    more = {"workers": task["workers"], "deterministic": task.get("deterministic", False)}
    model = conec.ContextEncoder(
        **task["settings"], **more, epochs=task["epochs"], seed=task["seed"]
    )
    start = time.perf_counter()
    model.build_vocab(task["text"])
    vocabulary_s = time.perf_counter() - start
    if task.get("vocabulary_only"):
        return {"peak_mb": peak_mb(), "vocabulary_s": vocabulary_s}
    compile_kernels({**task["settings"], **more})
    limits = machine_limits.limits() if task.get("limits") else None
    start = time.perf_counter()
    stream = TokenStream.encode(
        corpora.open(Path(task["text"])), model.vocabulary.index, workers=task["workers"]
    )
    encoded = time.perf_counter()
    model.train(stream, learn_map=False)
    end = time.perf_counter()
    of_training = peak_mb()
    start_of_map = time.perf_counter()
    model.learn_map(stream)
    end_of_map = time.perf_counter()
    size = model.config.vector_size
    figures: Measured = {
        "words": stream.n_raw,
        "epochs": task["epochs"],
        "vocabulary_s": vocabulary_s,
        "train_s": end - start,
        "training_s": end - encoded,  # without encoding
        "map_s": end_of_map - start_of_map,
        "peak_mb": of_training,
        "fit_peak_mb": peak_mb(),
        "allowed_mb": (4 * len(stream) + 8 * len(stream.offsets) + 8 * len(model) * size) / 2**20
        + 300,
        "loss": model.loss_history_[-1],
    }
    if limits is not None:
        positions = machine_limits.expected_positions(model, task["epochs"])
        figures["limits"] = limits
        figures["reached"] = machine_limits.reached(
            positions, size, model.config.batch[1], end - encoded
        )
    return {**figures, **(quality(model.wv) if task.get("quality") else {})}


def compile_kernels(settings: dict[str, Any]) -> None:
    """Load the compiled kernels for these settings: they are on disk after the first use."""
    import conec

    documents = [[f"w{(i * j) % 2000}" for i in range(100)] for j in range(1, 101)]
    conec.ContextEncoder(**{**settings, "min_count": 1}, epochs=1).fit(documents)


def gensim(task: Task) -> Measured:
    """Train with gensim. Additional keys: "lists" (documents in memory, read before), "quality"."""
    from gensim.models import Word2Vec

    model = Word2Vec(
        **task["settings"], epochs=task["epochs"], seed=task["seed"], workers=task["workers"]
    )
    source: dict[str, Any]
    if task.get("lists"):
        import corpora

        documents = list(corpora.open(Path(task["text"])))
        start = time.perf_counter()
        model.build_vocab(documents)
        source = {"corpus_iterable": documents, "total_examples": len(documents)}
    else:
        start = time.perf_counter()
        model.build_vocab(corpus_file=task["text"])
        source = {"corpus_file": task["text"], "total_words": model.corpus_total_words}
    vocabulary_s = time.perf_counter() - start
    if task.get("vocabulary_only"):
        return {"peak_mb": peak_mb(), "vocabulary_s": vocabulary_s}
    start = time.perf_counter()
    model.train(**source, epochs=task["epochs"])
    end = time.perf_counter()
    return {
        "words": model.corpus_total_words,
        "epochs": task["epochs"],
        "vocabulary_s": vocabulary_s,
        "train_s": end - start,
        "peak_mb": peak_mb(),
        **(quality(model.wv) if task.get("quality") else {}),
    }


def rate(run: Measured) -> float:
    """Words of the text per second, including encoding or reading it."""
    return float(run["words"] * run["epochs"] / run["train_s"])


def training_rate(run: Measured) -> float:
    """Words of the text per second, of training alone."""
    return float(run["words"] * run["epochs"] / run.get("training_s", run["train_s"]))


def overall_rate(run: Measured, epochs: int) -> float:
    """Words of the text per second for a number of epochs, including the vocabulary.

    Times measured over fewer epochs are scaled up.
    """
    seconds = run["vocabulary_s"] + run["train_s"] * epochs / run["epochs"]
    return float(run["words"] * epochs / seconds)


def fit_rate(run: Measured, epochs: int) -> float:
    """Words of the text per second of all that a model takes: as `overall_rate`, with the map."""
    seconds = run["vocabulary_s"] + run["train_s"] * epochs / run["epochs"] + run.get("map_s", 0)
    return float(run["words"] * epochs / seconds)
