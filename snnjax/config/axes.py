"""The axes of a sweep as Hydra's grammar reads them: commas, `range(...)`, `choice(...)`, globs."""

from collections.abc import Iterable

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from snnjax.config.errors import ConfigError, complaint
from snnjax.config.grids import Axes


def axes_of(parser: OverridesParser, overrides: Iterable[str]) -> Axes:
    """Return the overrides of a command line as axes, those that come last in their keys' places.

    Raises:
        ConfigError: An axis is an interval of real numbers, or empty.
    """
    parsed = parser.parse_overrides([*overrides])
    return {override.get_key_element(): _values(override) for override in parsed}


def values_of(parser: OverridesParser, key: str, text: str) -> tuple[str, ...]:
    """Return the texts of the values that the text behind the `=` of a key stands for.

    Raises:
        ConfigError: They are an interval of real numbers.
        HydraException: Hydra cannot read it.
    """
    return _values(parser.parse_override(f"{key}={text}"))


def _values(override: Override) -> tuple[str, ...]:
    if not override.is_sweep_override():
        return (override.get_value_element_as_str(),)
    if not override.is_discrete_sweep():
        text = str(override.input_line).partition("=")[2]
        problem = "hydra/sweeper=product tries every value and cannot draw from an interval"
        raise ConfigError(complaint(override.key_or_group, text, problem, "single values"))
    return tuple(map(str, override.sweep_string_iterator()))
