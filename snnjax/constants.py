"""Constants of the field, exact to the precision that is printed."""

# Klambauer et al. 2017, Eq. 14: what makes (0, 1) the fixed point of SELU's moment map.
ALPHA_01 = 1.6732632423543772848170429916717
LAMBDA_01 = 1.0507009873554804934193349852946
# Where SELU saturates: the value units take that alpha dropout drops (section 3).
ALPHA_PRIME = -LAMBDA_01 * ALPHA_01
