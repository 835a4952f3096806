"""Theorems 1, 2 and 3 of Klambauer et al. 2017 as statements that a machine proves or refutes.

`enclosure` gives balls (Arb, by python-flint) that contain the moments of SELU and their
derivatives, `quantities` the four functions the theorems speak of, `boxes` encloses the maximum of
one of them over a domain by branch and bound, `theorems` states and proves, `sides` finds how far a
domain can grow, `certificate` writes what was found, and `checker` verifies it by other formulas.
"""
