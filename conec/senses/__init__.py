"""Word senses: clusters of the contexts in which a word occurs."""

from conec.senses.inventory import Sense, SenseInventory, SenseSettings, word_vectors

__all__ = ["Sense", "SenseInventory", "SenseSettings", "word_vectors"]
