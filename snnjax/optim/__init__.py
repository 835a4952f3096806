"""From configuration to optax transformations."""
