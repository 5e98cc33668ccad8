"""Evaluation against gensim's own, on random vectors, and against sums done by hand."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from conec.evaluation import AnalogyResult, analogies, word_similarity
from conec.interop import to_keyed_vectors


def clustered(n: int, size: int, seed: int, words: list[str] | None = None) -> KeyedVectors:
    """Vectors in which a part of the analogies holds: base + offset of the class + noise."""
    rng = np.random.default_rng(seed)
    base = np.repeat(rng.standard_normal((n // 2 + 1, size)), 2, axis=0)[:n]
    offset = np.where(np.arange(n) % 2, 1.0, 0.0)[:, None] * rng.standard_normal(size)
    matrix = base + offset + 0.45 * rng.standard_normal((n, size))
    return to_keyed_vectors(words or [f"w{i}" for i in range(n)], matrix)


def question_lines(words: list[str], n: int, seed: int) -> list[str]:
    """Two sections of questions about neighbours in the list, some with unknown words."""
    rng = np.random.default_rng(seed)
    lines = [": family"]
    for number in range(n):
        if number == n // 2:
            lines.append(": gram1-plural")
        i, j = rng.choice(len(words) // 2, 2, replace=False) * 2
        question = [words[i], words[i + 1], words[j], words[j + 1]]
        if number % 17 == 0:
            question[int(rng.integers(4))] = "absent"
        lines.append(" ".join(question))
    return lines


def assert_same_as_gensim(
    vectors: KeyedVectors, path: Path, restrict_vocab: int, case_insensitive: bool
) -> AnalogyResult:
    _, expected = vectors.evaluate_word_analogies(
        str(path), restrict_vocab=restrict_vocab, case_insensitive=case_insensitive
    )
    result = analogies(
        vectors, path, restrict_vocab=restrict_vocab, case_insensitive=case_insensitive
    )
    assert result.sections == {
        part["section"]: (len(part["correct"]), len(part["correct"]) + len(part["incorrect"]))
        for part in expected[:-1]
    }
    return result


@pytest.mark.parametrize("case_insensitive", [True, False])
@pytest.mark.parametrize("restrict_vocab", [150, 400, 1000])
def test_analogies_count_as_gensim_does(
    tmp_path: Path, restrict_vocab: int, case_insensitive: bool
) -> None:
    vectors = clustered(400, 12, seed=1)
    path = tmp_path / "questions.txt"
    lines = question_lines(vectors.index_to_key, 300, seed=2)
    path.write_text("\n".join(lines).replace("w1", "W1") + "\n")
    result = assert_same_as_gensim(vectors, path, restrict_vocab, case_insensitive)
    assert result.n_skipped == 300 - result.total > 0
    if case_insensitive:
        assert 0 < result.correct < result.total


@pytest.mark.parametrize("case_insensitive", [True, False])
def test_spellings_that_differ_in_case(tmp_path: Path, case_insensitive: bool) -> None:
    words = [f"w{i}" for i in range(200)] + [f"W{i}" for i in range(100)]
    vectors = clustered(300, 10, seed=3, words=words)
    # The other spelling is the nearest word of all, so that leaving it out matters.
    vectors.vectors[200:300] = vectors.vectors[:100] + 0.01
    path = tmp_path / "questions.txt"
    path.write_text("\n".join(question_lines(words[:200], 300, seed=4)))
    result = assert_same_as_gensim(vectors, path, 300, case_insensitive)
    assert result.correct > 0


def test_answer_among_the_question_words_is_wrong(tmp_path: Path) -> None:
    vectors = clustered(100, 8, seed=5)
    path = tmp_path / "questions.txt"
    path.write_text(": s\n" + "".join(f"w{i} w{i + 1} w{i + 2} w{i + 1}\n" for i in range(60)))
    assert assert_same_as_gensim(vectors, path, 100, True).correct == 0


def test_batches_make_no_difference() -> None:
    vectors = clustered(200, 10, seed=6)
    lines = question_lines(vectors.index_to_key, 100, seed=7)
    whole = analogies(vectors, lines)
    assert whole.correct > 0
    for batch_size in (1, 7, 1000):
        assert analogies(vectors, lines, batch_size=batch_size) == whole
    mul = analogies(vectors, lines, method="3cosmul")
    assert analogies(vectors, lines, method="3cosmul", batch_size=3) == mul


@pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")
def test_3cosmul_answers_as_gensim_does() -> None:
    vectors = clustered(300, 10, seed=8)
    lines = [
        line for line in question_lines(vectors.index_to_key, 200, seed=9) if "abs" not in line
    ]
    right = 0
    for line in lines:
        if not line.startswith(":"):
            a, b, c, d = line.split()
            right += vectors.most_similar_cosmul([b, c], [a], topn=1)[0][0] == d
    result = analogies(vectors, lines, method="3cosmul")
    assert result.correct == right
    assert 0 < right < result.total


def test_questions_may_come_in_three_forms(tmp_path: Path) -> None:
    vectors = clustered(40, 6, seed=10)
    lines = [": a", "w0 w1 w2 w3", "w4 w5 w6 w7", ": gram-b", "w8 w9 w10 w11"]
    path = tmp_path / "questions.txt"
    path.write_text("\n".join(lines))
    sections = {"a": [lines[1].split(), lines[2].split()], "gram-b": [lines[4].split()]}
    assert analogies(vectors, path) == analogies(vectors, lines) == analogies(vectors, sections)


def test_result_adds_up() -> None:
    result = AnalogyResult({"capital": (1, 4), "gram1": (3, 4), "gram2": (1, 2), "x": (0, 0)}, 7)
    assert (result.correct, result.total) == (5, 10)
    assert result.accuracy == 0.5
    assert result.semantic == 0.25
    assert result.syntactic == pytest.approx(4 / 6)
    as_dict = json.loads(json.dumps(result.to_dict()))
    assert as_dict["sections"]["gram1"] == {"correct": 3, "total": 4}
    assert as_dict["n_skipped"] == 7
    nothing = AnalogyResult({"capital": (0, 0)}, 3)
    assert math.isnan(nothing.accuracy)
    assert nothing.to_dict()["accuracy"] is None


def test_questions_all_unknown_are_counted() -> None:
    result = analogies(clustered(10, 4, seed=0), [": s", "a b c d"])
    assert (result.total, result.n_skipped) == (0, 1)


def test_zero_vectors_are_skipped_and_never_answers() -> None:
    vectors = to_keyed_vectors(
        ["a", "b", "c", "d", "zero"], [[1, 0], [1, 0.1], [1, 0.2], [-1, -0.2], [0, 0]]
    )
    result = analogies(vectors, [": s", "a b c d", "a b c zero"])
    # All cosines of d are negative, yet the zero vector, whose cosine is 0, is no answer.
    assert (result.correct, result.total, result.n_skipped) == (1, 1, 1)


def test_fewer_words_than_question_words() -> None:
    vectors = to_keyed_vectors(["a", "b", "c"], np.eye(3))
    assert analogies(vectors, [": s", "a b c a"]).sections == {"s": (0, 1)}


def test_analogies_of_bad_vectors_fail() -> None:
    vectors = clustered(10, 4, seed=0)
    vectors.vectors[4, 2] = np.nan
    with pytest.raises(ValueError, match="'w4'"):
        analogies(vectors, [": s", "w0 w1 w2 w3"])
    assert analogies(vectors, [": s", "w0 w1 w2 w3"], restrict_vocab=4).total == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "cos"}, "method"),
        ({"restrict_vocab": 0}, "restrict_vocab"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_wrong_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        analogies(clustered(4, 2, seed=0), [": s", "w0 w1 w2 w3"], **options)  # type: ignore[arg-type]


def test_malformed_questions(tmp_path: Path) -> None:
    vectors = clustered(4, 2, seed=0)
    path = tmp_path / "questions.txt"
    path.write_text(": s\nw0 w1 w2 w3\nw0 w1\n")
    with pytest.raises(ValueError, match=r"questions\.txt, line 3"):
        analogies(vectors, path)
    with pytest.raises(ValueError, match="a question must have 4 words"):
        analogies(vectors, {"s": [("a", "b", "c")]})
    with pytest.raises(ValueError, match="no analogy questions"):
        analogies(vectors, [])


def test_float64_vectors_are_taken() -> None:
    vectors = clustered(40, 6, seed=11)
    lines = question_lines(vectors.index_to_key, 30, seed=12)
    expected = analogies(vectors, lines)
    vectors.vectors = vectors.vectors.astype(np.float64)
    assert analogies(vectors, lines) == expected


# Word similarity


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    lines = ["# words and ratings"]
    for _ in range(200):
        i, j = rng.choice(70, 2, replace=False)
        lines.append(f"w{i}\tW{j}\t{rng.random() * 10:.2f}")
    path = tmp_path / "pairs.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(("case_insensitive", "oov"), [(True, "skip"), (True, "zero")])
def test_similarity_is_that_of_gensim(rated: Path, case_insensitive: bool, oov: str) -> None:
    vectors = clustered(60, 8, seed=1)
    pearson, spearman, ratio = vectors.evaluate_word_pairs(
        str(rated), case_insensitive=case_insensitive, dummy4unknown=oov == "zero"
    )
    result = word_similarity(vectors, rated, case_insensitive=case_insensitive, oov=oov)  # type: ignore[arg-type]
    assert result.spearman == pytest.approx(spearman[0], abs=1e-6)
    assert result.pearson == pytest.approx(pearson[0], abs=1e-6)
    total = result.n if oov == "zero" else result.n + result.n_oov
    assert total == 200
    assert 100 * result.n_oov / total == pytest.approx(ratio)
    assert 0 < result.n_oov < 200


def test_case_may_matter(rated: Path) -> None:
    with pytest.raises(ValueError, match="at least 2 pairs, got 0: 200 of 200"):
        word_similarity(clustered(60, 8, seed=1), rated, case_insensitive=False)


def test_first_spelling_counts() -> None:
    vectors = to_keyed_vectors(["Up", "up", "on", "off"], [[1, 0], [0, 1], [1, 0.1], [-1, 1]])
    pairs = [("UP", "on", 3.0), ("up", "off", 1.0), ("on", "off", 2.0)]
    result = word_similarity(vectors, pairs)
    cosines = [1 / np.hypot(1, 0.1), -1 / np.sqrt(2), -0.9 / (np.hypot(1, 0.1) * np.sqrt(2))]
    assert result.pearson == pytest.approx(np.corrcoef(cosines, [3, 1, 2])[0, 1])
    assert result.spearman == pytest.approx(1.0)
    assert result.to_dict()["n"] == 3


def test_zero_vectors_count_as_unknown() -> None:
    vectors = to_keyed_vectors(["a", "b", "c", "z"], [[1, 0], [1, 1], [0, 1], [0, 0]])
    pairs = [("a", "b", 2.0), ("a", "c", 1.0), ("a", "z", 5.0)]
    result = word_similarity(vectors, pairs)
    assert (result.n, result.n_oov) == (2, 1)
    assert result.spearman == pytest.approx(1.0)
    assert word_similarity(vectors, pairs, oov="zero").n == 3
    with pytest.raises(ValueError, match=r"\('a', 'z'\)"):
        word_similarity(vectors, pairs, oov="error")


def test_similarity_refuses_bad_vectors_and_options() -> None:
    vectors = clustered(4, 2, seed=0)
    with pytest.raises(ValueError, match="oov"):
        word_similarity(vectors, [("w0", "w1", 1.0)], oov="drop")  # type: ignore[arg-type]
    vectors.vectors[0] = np.inf
    with pytest.raises(ValueError, match="'w0'"):
        word_similarity(vectors, [("w0", "w1", 1.0), ("w0", "w2", 2.0)])


def test_import_is_light() -> None:
    code = (
        "import sys, conec.evaluation, conec.interop; "
        "print([m for m in ('gensim', 'scipy.stats', 'pooch', 'spacy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_shared_questions(shared_data: Path) -> None:
    path = shared_data / "nlp" / "analogy" / "questions-words.txt"
    words = sorted({w for line in path.read_text().splitlines()[1:] for w in line.split()})
    vectors = clustered(len(words), 8, seed=0, words=words)
    result = analogies(vectors, path)
    assert (len(result.sections), result.total) == (14, 19_544)
    semantic = [n for name, (_, n) in result.sections.items() if not name.startswith("gram")]
    assert (len(semantic), sum(semantic)) == (5, 8_869)
