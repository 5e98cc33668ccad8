"""Compiled training on chunks: `cbow`, and `features` for inputs with features.

`step` and `simd` generate vector code, `sampling` and `random` make random draws, and `merge`
merges trained copies of rows.
"""
