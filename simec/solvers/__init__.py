"""Solvers for the weights of a Similarity Encoder: closed forms, ALS and gradient descent."""
