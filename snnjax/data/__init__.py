"""Data sets as NumPy arrays: read, verified, split and scaled. No JAX in here."""
