"""What layers settle at: fixed points, proofs that there are no others, constants to get them."""
