"""Compiled training on chunks: `cbow`, and `features` for inputs with features.

`step` and `simd` write vector code, `sampling` and `random` draw, `merge` merges copies.
"""
