"""Linear algebra shared by the parts of `simec`."""
