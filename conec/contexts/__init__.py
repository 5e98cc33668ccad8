"""Context vectors as sparse matrices, and what is learned from them."""

from conec.contexts.matrices import Window, global_contexts, global_embeddings, local_contexts

__all__ = ["Window", "global_contexts", "global_embeddings", "local_contexts"]
