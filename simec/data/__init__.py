"""From arrays, sparse matrices, tensors and data sets to batches."""
