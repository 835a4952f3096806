"""What mean, variance and gradients become layer by layer in whole networks."""
