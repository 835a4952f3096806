"""What dropout makes of mean and variance, in closed form."""

from snnjax.config.schema import ModelConfig
from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.theory.moments.moment_map import Moments

ALPHA_KINDS = ("alpha", "feature_alpha")


def alpha_dropout(
    x: Moments,
    rate: float,
    kept: Moments = Moments(0.0, 1.0),  # noqa: B008  immutable
    alpha_prime: float = -LAMBDA_01 * ALPHA_01,
) -> Moments:
    """Return the moments after alpha dropout; for those that it is made to keep, the same.

    With keep probability q and the affine map a, b of Klambauer et al. 2017, section 3, the mean
    is a (q mu + (1 - q) alpha') + b and the variance a^2 q (nu + (1 - q) (mu - alpha')^2).

    Args:
        x: Moments of the activations.
        rate: Probability to drop, in [0, 1).
        kept: The moments that a and b are made for.
        alpha_prime: What dropped units are set to.
    """
    a, b = alpha_affine(rate, kept, alpha_prime)
    q = 1 - rate
    mean = a * (q * x.mean + rate * alpha_prime) + b
    return Moments(mean, a**2 * q * (x.variance + rate * (x.mean - alpha_prime) ** 2))


def alpha_affine(
    rate: float,
    kept: Moments = Moments(0.0, 1.0),  # noqa: B008  immutable
    alpha_prime: float = -LAMBDA_01 * ALPHA_01,
) -> tuple[float, float]:
    """Return a and b of alpha dropout, as for `alpha_dropout`.

    Raises:
        ValueError: The rate is not in [0, 1), or the variance to keep not above 0.
    """
    q, (mean, variance) = 1 - rate, kept
    if not (0 <= rate < 1 and variance > 0):
        raise ValueError(
            f"rate={rate:g} and a variance of {variance:g} to keep: the rate must lie in [0, 1), "
            "the variance be above 0"
        )
    a = (variance / (q * (rate * (alpha_prime - mean) ** 2 + variance))) ** 0.5
    return a, mean - a * (q * mean + rate * alpha_prime)


def ordinary_dropout(x: Moments, rate: float) -> Moments:
    """Return the moments after ordinary dropout: the mean stays, the mean square grows by 1/q."""
    return Moments(x.mean, x.mean_square / (1 - rate) - x.mean**2)


def dropped(model: ModelConfig, x: Moments, rate: float) -> Moments | None:
    """Return the moments after a model's kind of dropout; None if it is not the library's own."""
    if rate == 0:
        return x
    if model.dropout_kind == "ordinary":
        return ordinary_dropout(x, rate)
    if model.dropout_kind in ALPHA_KINDS:
        kept = Moments(model.dropout_mean, model.dropout_variance)
        return alpha_dropout(x, rate, kept, -model.selu_lambda * model.selu_alpha)
    return None


def noise_share(rate: float) -> float:
    """Return the share of the variance after alpha dropout at (0, 1) that is its own noise.

    What is left of x of the variance is a^2 q^2: q of it is kept, then scaled by a.
    """
    a, _ = alpha_affine(rate)
    return 1 - (a * (1 - rate)) ** 2
