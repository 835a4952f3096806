"""Mean and variance through one layer: the moment map, its derivatives, its pieces."""
