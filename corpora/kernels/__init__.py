"""Compiled by Numba, which is imported with the modules here and nowhere else in `corpora`."""
