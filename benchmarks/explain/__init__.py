"""Explanations of similarities, and how good they are: thesis, Sec. 5.2."""
