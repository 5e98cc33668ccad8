"""Context Encoders whose inputs are features of the target word, beside its context words."""

from conec.extended.model import ExtendedContextEncoder

__all__ = ["ExtendedContextEncoder"]
