"""Named entities of CoNLL-2003 with features of tokens as inputs (thesis, section 7.1)."""
