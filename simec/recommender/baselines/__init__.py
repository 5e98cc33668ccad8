"""Recommenders without a network, to compare with."""
