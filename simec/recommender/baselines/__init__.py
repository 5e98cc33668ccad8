"""Baselines: recommenders without a network."""
