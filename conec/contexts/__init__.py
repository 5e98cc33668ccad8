"""Context vectors as sparse matrices, and linear maps that are learned from contexts."""

from conec.contexts.matrices import global_contexts, global_embeddings, local_contexts
from conec.contexts.occurrences import Window

__all__ = ["Window", "global_contexts", "global_embeddings", "local_contexts"]
