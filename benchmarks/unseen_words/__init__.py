"""Unseen words: definitional nonces, Chimeras, and rare words in 1 to 64 contexts."""
