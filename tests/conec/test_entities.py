"""Entities against conlleval's rules, on cases done by hand and against its own algorithm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conec.evaluation import entities, entity_scores


def spans(text):
    return [(kind, start, stop) for kind, start, stop in entities(text.split())]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", []),
        ("O O", []),
        # IOB1: B- only where an entity follows another of its type
        ("I-PER I-PER O I-LOC", [("PER", 0, 2), ("LOC", 3, 4)]),
        ("I-PER B-PER I-PER", [("PER", 0, 1), ("PER", 1, 3)]),
        ("I-PER I-ORG", [("PER", 0, 1), ("ORG", 1, 2)]),
        # IOB2: B- at the beginning of each
        ("B-PER I-PER B-PER O B-LOC", [("PER", 0, 2), ("PER", 2, 3), ("LOC", 4, 5)]),
        ("B-PER I-LOC I-LOC", [("PER", 0, 1), ("LOC", 1, 3)]),
        ("O I-PER", [("PER", 1, 2)]),
        # IOBES
        ("S-PER S-PER B-LOC I-LOC E-LOC I-LOC", [
            ("PER", 0, 1), ("PER", 1, 2), ("LOC", 2, 5), ("LOC", 5, 6),
        ]),
        ("I-PER S-PER I-PER", [("PER", 0, 1), ("PER", 1, 2), ("PER", 2, 3)]),
        # BILOU, BMEWO, BMES, IOE
        ("U-PER B-PER I-PER L-PER I-PER", [("PER", 0, 1), ("PER", 1, 4), ("PER", 4, 5)]),
        ("W-PER B-LOC M-LOC E-LOC", [("PER", 0, 1), ("LOC", 1, 4)]),
        ("S-PER B-LOC M-LOC E-LOC", [("PER", 0, 1), ("LOC", 1, 4)]),
        ("I-PER E-PER I-PER", [("PER", 0, 2), ("PER", 2, 3)]),
        ("B-creative-work I-creative-work", [("creative-work", 0, 2)]),
    ],
)  # fmt: skip
def test_entities_by_hand(tags, expected):
    assert spans(tags) == expected


@pytest.mark.parametrize("tag", ["PER", "B-", "X-PER", "-", "b-PER"])
def test_what_is_no_tag_is_refused(tag):
    with pytest.raises(ValueError, match="is not a valid tag"):
        entities(["O", tag])


def conlleval(true, predicted):
    """The script's own way: one pass, beginnings and ends of chunks from pairs of tags."""

    def split(tag):
        return ("O", "") if tag == "O" else tuple(tag.split("-"))

    def ends(before, now):
        (p, pk), (t, k) = before, now
        return (p in "BI" and t in "BO") or (p != "O" and pk != k)

    def starts(before, now):
        (p, pk), (t, k) = before, now
        return t == "B" or (p, t) == ("O", "I") or (t != "O" and pk != k)

    n_true = n_found = n_right = 0
    inside = False
    own = other = ("O", "")
    for a, b in [*zip(true, predicted, strict=True), ("O", "O")]:
        a, b = split(a), split(b)
        if inside:
            if ends(own, a) and ends(other, b) and own[1] == other[1]:
                n_right += 1
                inside = False
            elif ends(own, a) != ends(other, b) or a[1] != b[1]:
                inside = False
        if starts(own, a) and starts(other, b) and a[1] == b[1]:
            inside = True
        n_true += starts(own, a)
        n_found += starts(other, b)
        own, other = a, b
    return n_true, n_found, n_right


tags = st.sampled_from(["O", *(f"{p}-{k}" for p in "BI" for k in ("PER", "LOC"))])


@given(st.lists(st.tuples(tags, tags), max_size=12))
def test_scores_are_those_of_conlleval(pairs):
    true, predicted = [a for a, _ in pairs], [b for _, b in pairs]
    scores = entity_scores([true], [predicted])
    assert (scores.n_true, scores.n_found, scores.n_right) == conlleval(true, predicted)


def test_scores_by_hand():
    true = [["I-PER", "I-PER", "O", "I-LOC"], ["I-ORG", "B-ORG", "O"], ["O"]]
    found = [["I-PER", "I-PER", "O", "I-ORG"], ["I-ORG", "I-ORG", "O"], ["I-LOC"]]
    scores = entity_scores(true, found)
    assert (scores.n_true, scores.n_found, scores.n_right) == (4, 4, 1)
    assert scores.precision == scores.recall == scores.f1 == 0.25
    assert scores.by_type["PER"].f1 == 1
    assert scores.by_type["LOC"].to_dict()["precision"] == 0
    assert scores.by_type["ORG"].n_found == 2
    assert entity_scores([], []).f1 == 0


def test_sentences_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="sentence 1 has 2 true tags, but 1 predicted"):
        entity_scores([["O"], ["O", "O"]], [["O"], ["O"]])
    with pytest.raises(ValueError, match="shorter"):
        entity_scores([["O"], ["O"]], [["O"]])
