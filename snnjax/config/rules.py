"""What no field can say of itself: combinations of values that make no sense together."""

from collections.abc import Callable, Sequence

from snnjax.config.errors import complaint
from snnjax.config.schema import Config, SgdConfig

Rule = Callable[[Config], str]


def broken_rules(config: Config) -> list[str]:
    """Return one line for each rule that `config` breaks."""
    return [line for rule in RULES if (line := rule(config))]


def nesterov_needs_momentum(config: Config) -> str:
    """Refuse Nesterov's look-ahead where there is no momentum to look ahead along."""
    optimizer = config.optimizer
    if not isinstance(optimizer, SgdConfig) or not optimizer.nesterov or optimizer.momentum > 0:
        return ""
    allowed = "false, or true with optimizer.momentum > 0"
    return complaint("optimizer.nesterov", "true", "needs momentum", allowed)


def fold_exists(config: Config) -> str:
    """Refuse a fold that the data set does not have."""
    from snnjax.data import catalog

    folds = catalog.folds(config.data.name)
    if config.data.fold < folds:
        return ""
    allowed = f"0 to {folds - 1} for {config.data.name}"
    return complaint("data.fold", str(config.data.fold), "out of range", allowed, str(folds - 1))


RULES: Sequence[Rule] = (nesterov_needs_momentum, fold_exists)
