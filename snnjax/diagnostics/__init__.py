"""What happens inside networks while they are trained: looked at, written down, never changed."""
