"""Building blocks of the networks: one small piece per file."""
