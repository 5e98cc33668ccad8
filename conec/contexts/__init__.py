"""Context vectors as sparse matrices, and what is learned from them."""

from conec.contexts.matrices import global_contexts, global_embeddings, local_contexts
from conec.contexts.window import Window

__all__ = ["Window", "global_contexts", "global_embeddings", "local_contexts"]
