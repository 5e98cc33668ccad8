"""Features and targets in batches: from arrays, sparse matrices, tensors and data sets."""
