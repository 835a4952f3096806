"""The guard: combinations of activation, weights, dropout and inputs that undo one another.

SELU keeps mean 0 and variance 1 only with weights of variance 1/fan_in, with its own dropout and
on inputs that have them. What becomes of a network that lacks one of these is said before it is
trained, by the moment map. Networks of other activations are left alone, unless they drop units
to where only SELU saturates: that they fail may be what is being shown.

What counts as broken: weights outside the domain of Theorem 1 of Klambauer et al. 2017, omega
beyond 0.1 or tau outside [0.95, 1.1]; inputs whose variance is off by more than a factor of 2 or
whose mean is beyond 0.5; ordinary dropout; alpha dropout made for other moments than the layers
have, or at rates above 0.5. Normalised layers stand all but alpha dropout after other activations.
"""

from typing import TYPE_CHECKING, NamedTuple

from snnjax.config.errors import ConfigError
from snnjax.config.schema import Config, DataConfig, ModelConfig
from snnjax.sinks.base import warn

if TYPE_CHECKING:
    from snnjax.data.dataset import Dataset

_ALPHA = ("alpha", "feature_alpha")
_MOST_NOISE = 0.5  # rate of alpha dropout
_LARGEST_MEAN, _VARIANCE = 0.5, (0.5, 2.0)  # of inputs that pass for standardised
_ROWS = 2000  # that moments of inputs are taken of
_USUAL = ModelConfig()
_OF_SELU = (
    *("init", "init_fan", "init_corrected", "init_gain", "init_bias"),
    *("selu_alpha", "selu_lambda", "dropout_mean", "dropout_variance"),
)


class Inputs(NamedTuple):
    """What the data decide: columns at both ends, mean and variance of the inputs."""

    features: int
    outputs: int
    mean: float = 0.0
    variance: float = 1.0

    @property
    def are_standard(self) -> bool:
        """Whether they are near mean 0 and variance 1."""
        low, high = _VARIANCE
        return abs(self.mean) <= _LARGEST_MEAN and low <= self.variance <= high


class Guard:
    """Judges runs; the moments of each data set are taken once."""

    def __init__(self) -> None:
        self._inputs: dict[DataConfig, Inputs] = {}

    def judge(self, config: Config, data: "Dataset | None" = None) -> str:
        """Return one line on what will go wrong, an empty one if nothing will.

        Args:
            config: The run.
            data: Its data; without them only what does not depend on them is judged.

        Raises:
            ConfigError: Something will, and `model.strict` is set.
        """
        model = config.model
        inputs = None if data is None else self._look_at(config, data)
        are_usual = inputs is None or inputs.are_standard or model.activation != "selu"
        if are_usual and not is_unusual(model):
            return ""
        line = warning(model, inputs)
        if line and model.strict:
            raise ConfigError(f"{line} (refused by model.strict=true)")
        return line

    def _look_at(self, config: Config, data: "Dataset") -> Inputs:
        """Return what is known of the data; those that were standardised are taken to be so."""
        if config.data.standardize == "standard":
            return Inputs(data.features.shape[1], data.outputs)
        if config.data not in self._inputs:
            self._inputs[config.data] = inputs_of(data)
        return self._inputs[config.data]


def warning(model: ModelConfig, inputs: Inputs | None = None) -> str:
    """Return one line on what will become of mean and variance, an empty one if they are kept.

    Args:
        model: The network.
        inputs: Of the data; None where they are not known yet.
    """
    from snnjax.theory.moments.moment_map import Moments
    from snnjax.theory.verdict import verdict

    if inputs is None:
        return verdict(model, None)
    ends = inputs.features, inputs.outputs
    if inputs.are_standard:
        return verdict(model, ends)
    return verdict(model, ends, Moments(inputs.mean, inputs.variance))


def refuse(config: Config) -> None:
    """Refuse a run that `model.strict` does not allow, as far as can be told without its data.

    Raises:
        ConfigError: With the line of the warning.
    """
    if config.model.strict:
        Guard().judge(config)


def tell(line: str) -> None:
    """Warn on stderr, even where no progress is to be seen; once for each distinct line."""
    if line and line not in _told:
        _told.add(line)
        warn(line)


def forget() -> None:
    """Begin a command: what an earlier one in this process was told is told again."""
    _told.clear()


_told: set[str] = set()


def is_unusual(model: ModelConfig) -> bool:
    """Tell at no cost whether a network has to be looked at: hardly any of the usual ones has."""
    if model.activation != "selu":
        return model.dropout_kind in _ALPHA and max(model.dropout, model.conv_dropout) > 0
    if any(getattr(model, key) != getattr(_USUAL, key) for key in _OF_SELU):
        return True
    return model.highest_rate > (_MOST_NOISE if model.dropout_kind in _ALPHA else 0)


def inputs_of(data: "Dataset") -> Inputs:
    """Return the columns of a data set, and the moments of its inputs over training rows.

    Columns are pooled: a unit adds up all of them. Of large sets some rows, evenly spread, tell.
    """
    import numpy as np

    rows = data.rows["train"]
    rows = rows[:: max(1, len(rows) // _ROWS)]
    x = (data.features[rows].astype(np.float64) - data.shift) * data.scale
    return Inputs(x.shape[1], data.outputs, float(x.mean()), float(x.var()))
