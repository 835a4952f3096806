"""The theory of signals in random networks: how mean and variance pass through layers."""
