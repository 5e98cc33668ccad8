"""Senses of words: clusters of the contexts that a word's occurrences have."""

from conec.senses.inventory import Sense, SenseInventory, SenseSettings, word_vectors

__all__ = ["Sense", "SenseInventory", "SenseSettings", "word_vectors"]
