"""Word counts of a corpus in one pass, in bounded memory, and vocabulary files."""

from corpora.counting.counts import Counts, count
from corpora.counting.pruning import count_pruned
from corpora.counting.vocabulary_file import read_vocabulary, vocabulary_lines

__all__ = ["Counts", "count", "count_pruned", "read_vocabulary", "vocabulary_lines"]
