"""Why things are similar, and whether that is true: thesis, Sec. 5.2."""
