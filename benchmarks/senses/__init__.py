"""Word senses in context, on two corpora."""
