"""Counting words: one pass over a corpus, in bounded memory, in parallel where it can be cut."""

from corpora.counting.counts import Counts, count, read_vocabulary, vocabulary_lines

__all__ = ["Counts", "count", "read_vocabulary", "vocabulary_lines"]
