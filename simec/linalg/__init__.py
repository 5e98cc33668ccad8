"""Linear algebra that several parts of `simec` share."""
