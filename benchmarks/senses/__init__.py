"""Senses of words: what they are worth in context, on two corpora."""
