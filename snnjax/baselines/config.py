"""The configuration of a baseline: the networks' keys where they mean the same, and its own.

Numbers of a method have the names and meanings that scikit-learn gives them.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from snnjax.config.declare import number, option
from snnjax.config.fields import tags
from snnjax.config.schema import DataConfig, SweepConfig


@dataclass(frozen=True)
class ForestConfig:
    """Random forest (Breiman 2001)."""

    name: Literal["random_forest"] = option("random_forest")
    n_estimators: int = number(500, low=1, high=1_000_000, role="static")
    max_features: Literal["sqrt"] | float = number("sqrt", above=0, high=1)
    min_samples_leaf: int = number(1, low=1, high=1_000_000, role="static")


@dataclass(frozen=True)
class SvmConfig:
    """Support vector machine with the kernel exp(-gamma |x - y|^2).

    `scale` is 1 / (features * variance of all inputs); `epsilon` is of regression, in the unit
    that the targets are fitted in.
    """

    name: Literal["svm"] = option("svm")
    C: float = number(1.0, above=0)
    gamma: Literal["scale"] | float = number("scale", above=0)
    epsilon: float = number(0.1, low=0)


@dataclass(frozen=True)
class NeighboursConfig:
    """Nearest neighbours by Euclidean distance; all training rows where there are no more."""

    name: Literal["knn"] = option("knn")
    n_neighbors: int = number(5, low=1, high=1_000_000, role="static")
    weights: Literal["uniform", "distance"] = option("uniform")


@dataclass(frozen=True)
class LogisticConfig:
    """Multinomial logistic regression with an L2 penalty."""

    name: Literal["logistic_regression"] = option("logistic_regression")
    C: float = number(1.0, above=0)
    max_iter: int = number(1000, low=1, high=1_000_000, role="static")


@dataclass(frozen=True)
class BoostingConfig:
    """Gradient boosting of trees on binned inputs (HistGradientBoosting), never stopped early."""

    name: Literal["gradient_boosting"] = option("gradient_boosting")
    learning_rate: float = number(0.1, above=0)
    max_iter: int = number(100, low=1, high=1_000_000, role="static")
    max_leaf_nodes: int = number(31, low=2, high=65_536, role="static")
    min_samples_leaf: int = number(20, low=1, high=1_000_000, role="static")


MethodConfig: TypeAlias = (
    ForestConfig | SvmConfig | NeighboursConfig | LogisticConfig | BoostingConfig
)
METHODS = tags(MethodConfig)
"""The methods by name."""


@dataclass(frozen=True)
class FittingConfig:
    """How a baseline is fitted and judged.

    `refit` fits again on training and validation rows together for the test rows; what stands for
    training and validation rows stays that of the fit on the training rows alone, as the choice
    among configurations must. A baseline has one epoch.
    """

    epochs: Literal[1] = option(1)
    smoothing: Literal[1] = option(1)
    monitor: Literal["loss", "accuracy", "macro_f1", "roc_auc", "mse", "rmse", "r2"] = option(
        "loss"
    )
    refit: bool = option(False)


@dataclass(frozen=True)
class BaselineConfig:
    """One baseline on one split of one data set, completely."""

    seed: int = number(0, low=0, high=2**32 - 1)
    data: DataConfig = field(default_factory=DataConfig)
    model: MethodConfig = ForestConfig()
    training: FittingConfig = FittingConfig()
    sweep: SweepConfig = field(default_factory=SweepConfig)
