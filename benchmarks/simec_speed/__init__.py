"""Time of a Similarity Encoder to a test error, compared with a plain loop and scikit-learn."""
