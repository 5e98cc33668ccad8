"""Similarity Encoders for any pairwise relation; this package has no model yet.

`conec`, its special case for words, is here. The generic estimator follows.
"""
