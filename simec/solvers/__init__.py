"""Solvers for the weights of a Similarity Encoder: in closed form, alternating, by gradients."""
