"""Count words with a limit on their number, dropping rare ones meanwhile, as gensim does."""

from __future__ import annotations

from collections import Counter

from corpora.callbacks import progress_bar
from corpora.checks import check_integer
from corpora.corpus import Corpus, Source
from corpora.corpus import open as open_corpus
from corpora.counting.counts import Counts
from corpora.readers import BREAK

__all__ = ["count_pruned"]


def count_pruned(
    corpus: Corpus | Source, max_words: int, *, min_count: int = 1, progress: bool = False
) -> Counts:
    """Count words, and drop the rarest whenever there are more than `max_words`.

    After a document that exceeds the limit for the n-th time, words that occurred less than n
    times so far are dropped (``max_vocab_size`` of gensim's ``Word2Vec``). Counts of words that
    were dropped before are therefore too low, and there may be more than `max_words` at the end.
    `corpora.counting.count` counts exactly, in bounded memory.

    Parameters
    ----------
    corpus : Corpus, path or iterable of documents
    max_words : int
    min_count : int
        Leave words that occur less often out of the result.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Counts
        `frequencies` are those of the words that were not dropped.
    """
    check_integer("max_words", max_words, 1)
    words: Counter[str] = Counter()
    counts = Counts(min_count=min_count)
    threshold = 1
    corpus = open_corpus(corpus)
    for document in progress_bar(corpus, desc="counting", unit=" documents", shown=progress):
        words.update(document)
        n_breaks = words.pop(BREAK, 0)
        counts.documents += 1
        counts.sentences += 1 + n_breaks
        counts.tokens += len(document) - n_breaks
        if len(words) > max_words:
            words = Counter({word: n for word, n in words.items() if n >= threshold})
            threshold += 1
    counts.skipped = corpus.skipped
    order = sorted(words.items(), key=lambda item: (-item[1], item[0]))
    counts.words = {word: n for word, n in order if n >= min_count}
    counts.frequencies = dict(Counter(words.values()))
    return counts
