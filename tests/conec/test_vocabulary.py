from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import conec
from conec.vocabulary import Vocabulary, noise_table
from tests import oracles

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
counts = st.dictionaries(words, st.integers(1, 50), min_size=1, max_size=20)


@given(counts, st.integers(1, 5), st.none() | st.integers(1, 10))
@pytest.mark.slow
def test_order_ties_and_limits(counts, min_count, max_size):
    kept = [(word, n) for word, n in counts.items() if n >= min_count]
    kept.sort(key=lambda item: (-item[1], item[0]))
    if max_size is not None and len(kept) > max_size:
        kept = [(word, n) for word, n in kept if n > kept[max_size][1]]
    if not kept:
        with pytest.raises(ValueError, match="min_count|max_final_vocab"):
            Vocabulary.from_counts(counts, min_count=min_count, max_size=max_size)
        return
    vocabulary = Vocabulary.from_counts(counts, min_count=min_count, max_size=max_size)
    assert list(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True)) == kept
    assert vocabulary.index == {word: i for i, (word, _) in enumerate(kept)}
    assert len(vocabulary) == len(kept)
    assert vocabulary.n_tokens == sum(n for _, n in kept)
    assert vocabulary.counts.dtype == np.int64
    shuffled = Vocabulary.from_counts(
        dict(reversed(counts.items())), min_count=min_count, max_size=max_size
    )
    assert shuffled.words == vocabulary.words


@given(counts)
def test_the_message_says_which_min_count_leaves_words(counts):
    import re

    most = max(counts.values())
    with pytest.raises(ValueError, match="no word occurs") as info:
        Vocabulary.from_counts(counts, min_count=most + 1)
    suggested = [int(n) for n in re.findall(r"min_count=(\d+)", str(info.value))]
    n_words = [len(Vocabulary.from_counts(counts, min_count=n)) for n in suggested]
    assert f"would keep {n_words[0]} word" in str(info.value)
    assert n_words[1] == len(counts)


@given(counts)
def test_the_message_is_the_same_without_rare_words(counts):
    from collections import Counter

    frequencies = Counter(counts.values())
    messages = []
    for known in (counts, {}):
        with pytest.raises(ValueError, match="no word occurs 51 times") as info:
            Vocabulary.from_counts(known, min_count=51, frequencies=frequencies)
        messages.append(str(info.value))
    assert messages[0] == messages[1]


def test_no_words_at_all():
    for nothing in ({}, {"": 7}):
        with pytest.raises(ValueError, match="the corpus is empty"):
            Vocabulary.from_counts(nothing)


def test_a_sentence_break_is_no_word():
    assert Vocabulary.from_counts({"": 9, "a": 2}).words == ["a"]
    message = r"the most frequent of 1 words occurs 2 times\. min_count=2"
    with pytest.raises(ValueError, match=message):
        Vocabulary.from_counts({"": 9, "a": 2}, min_count=3)


def test_words_and_counts_have_to_match():
    with pytest.raises(ValueError, match="counts must have one entry for each of 2 words"):
        Vocabulary(["a", "b"], [1])
    with pytest.raises(ValueError, match="count of 'b' is negative"):
        Vocabulary(["a", "b"], [1, -1])
    with pytest.raises(ValueError, match="twice"):
        Vocabulary(["a", "a"], [1, 1])
    assert "a" in Vocabulary(["a"], [1])
    assert "b" not in Vocabulary(["a"], [1])


many = st.lists(st.integers(0, 10**9), min_size=1, max_size=30)


@given(many, st.sampled_from([0, 1e-6, 1e-4, 1e-3, 0.5, 3.0]))
@pytest.mark.filterwarnings("error")
def test_keep_probability(numbers, sample):
    keep = Vocabulary(map(str, range(len(numbers))), numbers).keep_probability(sample)
    assert keep.dtype == np.float32
    assert (keep > 0).all()
    assert (keep <= 1).all()
    np.testing.assert_allclose(keep, oracles.keep_probability(numbers, sample), rtol=1e-6)


def test_keep_probability_known_answer():
    # f = 1/4, sample = 1/100: (5 + 1) / 25
    keep = Vocabulary(["a", "b"], [3, 1]).keep_probability(0.01)
    assert keep[1] == pytest.approx(0.24)


@given(many.filter(any), st.sampled_from([0.75, 0.0, 1.0, -0.5, 10.0, -10.0]))
@pytest.mark.filterwarnings("error")
def test_noise(numbers, exponent):
    p = Vocabulary(map(str, range(len(numbers))), numbers).noise(exponent)
    assert p.dtype == np.float64
    assert p.sum() == pytest.approx(1)
    np.testing.assert_allclose(p, oracles.noise(numbers, exponent), rtol=1e-9)


def test_noise_of_words_without_counts_is_even():
    np.testing.assert_allclose(Vocabulary(["a", "b"], [0, 0]).noise(0.75), [0.5, 0.5])
    assert len(Vocabulary([], []).noise(0.75)) == 0


weights = st.lists(
    st.one_of(st.just(0.0), st.floats(1e-12, 1e12, allow_subnormal=False)), min_size=1, max_size=80
).filter(any)


def drawn(p, x):
    """The words of numbers x from [0, 1), as the kernel looks them up."""
    cumulated, guide = noise_table(p)
    at = guide[np.minimum((x * len(guide)).astype(int), len(guide) - 1)]
    while (below := cumulated[at] <= x).any():
        at = at + below
    return at


@given(weights, st.lists(st.floats(0, 1, exclude_max=True), min_size=1))
def test_the_noise_table_inverts_the_distribution(weights, x):
    p = np.array(weights) / np.sum(weights)
    cumulated, guide = noise_table(p)
    assert cumulated.dtype == np.float64
    assert guide.dtype == np.int32
    assert ((guide >= 0) & (guide < len(p))).all()
    words = drawn(p, np.array(x))
    assert (p[words] > 0).all()
    ends = np.cumsum(p)
    assert (ends[words] - p[words] <= np.array(x) + 1e-12).all()
    assert (np.array(x) <= ends[words] + 1e-12).all()


def test_the_noise_table_of_a_large_vocabulary():
    p = Vocabulary(map(str, range(50_000)), 10**8 // np.arange(1, 50_001)).noise(0.75)
    words = drawn(p, (np.arange(2_000_000) + 0.5) / 2_000_000)
    np.testing.assert_allclose(np.bincount(words, minlength=50_000) / 2_000_000, p, atol=1e-6)


@given(counts, counts, st.integers(1, 10))
@pytest.mark.slow
def test_merged(old, new, min_count):
    before = Vocabulary.from_counts(old)
    after, origin = before.merged(new, min_count=min_count)
    expected = {word: n + new.get(word, 0) for word, n in old.items()}
    expected |= {word: n for word, n in new.items() if word not in old and n >= min_count}
    assert dict(zip(after.words, after.counts.tolist(), strict=True)) == expected
    assert after.words == Vocabulary.from_counts(expected).words
    for word, row in zip(after.words, origin, strict=True):
        assert row == before.index.get(word, -1)
    # the old one stays as it was
    assert dict(zip(before.words, before.counts.tolist(), strict=True)) == old


def test_negative_counts_of_new_text_are_refused():
    before = Vocabulary(["a", "b"], [9, 8])
    for counts in ({"a": -10}, {"c": -1}):  # "a" was dropped
        with pytest.raises(ValueError, match=r"the count of '[ac]' is negative: -"):
            before.merged(counts)


def test_merged_keeps_old_words_and_adds_the_most_frequent_new_ones_up_to_a_limit():
    before = Vocabulary.from_counts({"a": 3, "b": 1})
    new = {"": 99, "c": 5, "d": 7, "e": 5, "a": 1}
    assert before.merged(new, max_size=3)[0].words == ["d", "a", "b"]
    assert before.merged(new, max_size=4)[0].words == ["d", "c", "a", "b"]
    assert before.merged(new, max_size=1)[0].words == ["a", "b"]
    assert before.merged(new, max_size=9)[0].words == ["d", "c", "e", "a", "b"]


@given(counts, st.floats(0, 1))
def test_rates_fall_with_counts(numbers, exponent):
    vocabulary = Vocabulary.from_counts(numbers)
    rates = vocabulary.rates(exponent)
    assert rates.dtype == np.float32
    for word, rate in zip(vocabulary.words, rates, strict=True):
        assert rate == pytest.approx(numbers[word] ** -exponent, rel=1e-6)


def test_rates_of_words_never_seen():
    assert Vocabulary(["a", "b"], [0, 0]).rates(0.5).tolist() == [1, 1]
    assert Vocabulary([], []).rates(0.5).tolist() == []


# Counts that are not


NOT_COUNTS = [
    1.7, float("nan"), float("inf"), None, "3", b"3", True, Decimal("1.5"), 1j, [1],
    np.float32(0.5),
]  # fmt: skip


@pytest.mark.parametrize("bad", NOT_COUNTS, ids=repr)
def test_other_numbers_are_named_with_their_word(bad):
    for call in (
        lambda: Vocabulary(["a", "b"], [3, bad]),
        lambda: Vocabulary(["a", "b"], np.array([3, bad], object)),
        lambda: Vocabulary.from_counts({"a": 3, "b": bad}),
        lambda: Vocabulary(["a"], [3]).merged({"b": bad}),
        lambda: conec.ContextEncoder(min_count=1).build_vocab_from_freq({"a": 3, "b": bad}),
    ):
        with pytest.raises(TypeError, match="the count of 'b' must be an integer >= 0, got"):
            call()


@pytest.mark.parametrize("bad", [2**63, 2**64, 10**30, 1e30])
def test_counts_beyond_64_bits(bad):
    for call in (
        lambda: Vocabulary(["a", "b"], [3, bad]),
        lambda: Vocabulary.from_counts({"a": 3, "b": bad}),
        lambda: Vocabulary(["a"], [3]).merged({"b": bad}),
        lambda: Vocabulary(["a", "b"], [2**62, 2**62]),
        lambda: Vocabulary(["a"], [2**62]).merged({"a": 2**62}),
    ):
        with pytest.raises(ValueError, match=r"sum of the counts must be at most 2\*\*63 - 1"):
            call()


def test_negative_counts_and_other_words():
    for bad in (-1, -(2**63), -1.0):
        with pytest.raises(ValueError, match="the count of 'b' is negative"):
            Vocabulary.from_counts({"a": 3, "b": bad}, min_count=2)
    for bad in (7, None, ("a",), b"a"):
        with pytest.raises(TypeError, match="words must be strings"):
            Vocabulary.from_counts({"a": 3, bad: 1}, min_count=2)
    with pytest.raises(TypeError, match="counts must be a dict of words"):
        Vocabulary.from_counts([("a", 3)])


@pytest.mark.parametrize(
    "counts", [[2.0, 1], np.array([2.0, 1]), np.array([2, 1], np.uint8), {2: 0, 1: 0}.keys(),
               [np.int32(2), np.float64(1)], [2**63 - 2, 1], np.array([2**63 - 2, 1], np.uint64)],
    ids=str,
)  # fmt: skip
def test_integers_of_any_type(counts):
    found = Vocabulary(["a", "b"], counts)
    assert found.counts.dtype == np.int64
    assert found.counts.tolist() in ([2, 1], [2**63 - 2, 1])
    assert found.n_tokens == sum(found.counts.tolist())
