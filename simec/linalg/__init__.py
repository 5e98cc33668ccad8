"""Linear algebra shared by the packages of `simec`."""
