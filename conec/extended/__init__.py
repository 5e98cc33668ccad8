"""Context Encoders with features of the target word as additional inputs."""

from conec.extended.model import ExtendedContextEncoder

__all__ = ["ExtendedContextEncoder"]
