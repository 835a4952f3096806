"""Self-normalizing networks and everything they are compared with, in JAX and Flax."""

__version__ = "0.1.0"
