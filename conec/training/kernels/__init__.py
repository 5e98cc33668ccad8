"""Training kernels, one file a backend; each offers the function ``train_chunk``."""
