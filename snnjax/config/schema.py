"""The configuration as frozen dataclasses: the schema, the defaults and the allowed ranges."""

from dataclasses import dataclass
from typing import Literal

from snnjax.config.declare import choice, choices, number, option
from snnjax.config.optimization import (
    ClipConfig,
    ConstantConfig,
    LossConfig,
    OptimizerConfig,
    RegularizationConfig,
    ScheduleConfig,
    SgdConfig,
)
from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.metric_names import Task

CONVOLUTIONAL = ("cnn", "cnn_relu")
"""Names of the models that see their inputs as images."""


_TABLE, _IMAGES, _TOX21 = {"name": ("table",)}, {"name": ("images",)}, {"name": ("tox21",)}
_OWN, _ENDLESS = {"name": ("table", "images")}, {"name": ("shapeset",)}


@dataclass(frozen=True)
class DataConfig:
    """Which data set, which split of it, and how its inputs are scaled.

    A `table` of one's own is a CSV file with a header. `targets` and `weight` name columns, all
    others are features; without `targets` the last of these is the target. `images` are a folder
    with a folder for every class. Endless data are trained on `rows` at a time, called an epoch.
    """

    name: str = choice("sklearn_digits", "dataset", role="data")
    root: str | None = option(None, role="run")
    fold: int = number(0, low=0, role="data")
    validation: Literal["default"] | float = number("default", low=0, below=1, role="data")
    standardize: Literal["standard", "none"] = option("standard", role="data")

    # Of data of one's own.
    path: str | None = option(None, role="data", only=_OWN)
    folds: int = number(5, low=2, high=1000, role="data", only=_OWN)
    task: Task = option("classification", role="data", only=_TABLE)
    targets: tuple[str, ...] | None = option(None, role="data", only=_TABLE)
    weight: str | None = option(None, role="data", only=_TABLE)
    size: int = number(32, low=1, high=4096, role="data", only=_IMAGES)
    channels: Literal[1, 3] = option(3, role="data", only=_IMAGES)

    # Of tox21: computed by RDKit, or those that DeepTox published.
    features: Literal["rdkit", "deeptox"] = option("rdkit", role="data", only=_TOX21)

    # Of endless data.
    rows: int = number(10_000, low=1, high=1_000_000_000, role="data", only=_ENDLESS)


_ALPHA = {"dropout_kind": ("alpha", "feature_alpha")}
_SCALED = tuple(
    f"{name}_{shape}"
    for name in ("lecun", "glorot", "he")
    for shape in ("normal", "truncated", "uniform")
)


@dataclass(frozen=True)
class ModelConfig:
    """The network: `depth` hidden layers and an output layer."""

    name: str = choice("snn", "model")
    depth: int = number(8, low=0, high=10_000, role="static")
    width: int = number(256, low=1, high=1_000_000, role="static")
    form: Literal["rectangular", "conic", "diavolo"] = option("rectangular")
    activation: str = choice("selu", "activation")
    init: str = choice("lecun_normal", "initializer")
    norm: str = choice("none", "normalization")
    dropout_kind: str = choice("alpha", "dropout")
    dropout: float = number(0.05, low=0, below=1, off=0.0)
    input_dropout: float = number(0.0, low=0, below=1, off=0.0)
    strict: bool = option(False, role="run")

    # Numbers of the activation.
    selu_alpha: float = number(ALPHA_01, above=0, off=ALPHA_01, only={"activation": ["selu"]})
    selu_lambda: float = number(LAMBDA_01, above=0, off=LAMBDA_01, only={"activation": ["selu"]})
    elu_alpha: float = number(1.0, above=0, only={"activation": ["elu"]})
    leaky_slope: float = number(0.01, low=0, high=1, only={"activation": ["leaky_relu"]})
    prelu_slope: float = number(0.25, low=-1, high=1, only={"activation": ["prelu"]})
    prelu_shared: bool = option(False, only={"activation": ["prelu"]})
    rrelu_low: float = number(1 / 8, low=0, high=1, only={"activation": ["rrelu"]})
    rrelu_high: float = number(1 / 3, low=0, high=1, only={"activation": ["rrelu"]})
    pieces: int = number(2, low=2, high=100, role="static", only={"activation": ["maxout"]})

    # Of the initialiser.
    init_fan: Literal["default", "fan_in", "fan_out", "fan_avg"] = option(
        "default", only={"init": _SCALED}
    )
    init_corrected: bool = option(
        True, only={"init": [name for name in _SCALED if name.endswith("_truncated")]}
    )
    init_gain: float = number(1.0, above=0, off=1.0)
    init_value: float = number(0.0, only={"init": ["constant"]})
    init_bias: float = number(0.0, off=0.0)

    # Of the normalisation.
    norm_placement: Literal["before", "after"] = option(
        "before", only={"norm": ["batch", "layer", "rms"]}
    )
    norm_epsilon: float = number(1e-5, above=0, only={"norm": ["batch", "layer", "rms"]})
    norm_momentum: float = number(0.9, low=0, below=1, only={"norm": ["batch"]})

    # Of the fixed point that alpha dropout keeps.
    dropout_mean: float = number(0.0, off=0.0, only=_ALPHA)
    dropout_variance: float = number(1.0, above=0, off=1.0, only=_ALPHA)

    # Of single models.
    gate_bias: float = number(-2.0, only={"name": ["highway"]})
    block_layers: Literal[2, 3] = option(2, only={"name": ["resnet"]})
    bottleneck: float = number(0.5, above=0, high=1, role="static", only={"form": ["diavolo"]})
    conv_dropout: float = number(0.0, low=0, below=1, off=0.0, only={"name": CONVOLUTIONAL})

    @property
    def highest_rate(self) -> float:
        """The largest rate at which anything is dropped."""
        return max(self.dropout, self.input_dropout, self.conv_dropout)


@dataclass(frozen=True)
class TrainingConfig:
    """How long to train, in which steps, and which epoch's weights to keep.

    `devices` share the rows of every batch; null is one, or all those of the processes that
    `python -m snnjax.distributed` joins, be it only one.
    """

    epochs: int = number(100, low=1, high=1_000_000)
    batch_size: int = number(128, low=1, high=2**31 - 1, role="static")
    patience: int | None = number(None, low=1, high=1_000_000, off=None)
    min_gain: float = number(0.0, low=0, off=0.0)
    smoothing: int = number(1, low=1, high=1000, role="static")
    monitor: Literal["loss", "accuracy", "macro_f1", "roc_auc", "mse", "rmse", "r2"] = option(
        "loss"
    )
    restore_best: bool = option(True)
    monte_carlo: int = number(0, low=0, high=1_000_000, off=0)
    precision: Literal["float32", "bf16", "float64"] = option("float32")
    devices: Literal["all"] | int | None = number(None, low=1, high=1_000_000, role="run")


@dataclass(frozen=True)
class WandbConfig:
    """Weights & Biases: `offline` writes into the run folder, without login or network.

    `per` is one wandb run for each job, grouped by sweep, or one for each population of a sweep:
    curves over its runs and a table of them. A run alone is a job either way.
    """

    mode: Literal["offline", "online", "disabled"] = option("offline", role="run")
    per: Literal["job", "population"] = option("job", role="run")
    project: str = option("snnjax", role="run")
    entity: str | None = option(None, role="run")
    group: str | None = option(None, role="run")


@dataclass(frozen=True)
class LoggingConfig:
    """What a run says while it trains."""

    every: int = number(1, low=1, high=1_000_000, role="run")
    progress: Literal["auto", "bar", "plain", "none"] = option("auto", role="run")
    wandb: WandbConfig = WandbConfig()


@dataclass(frozen=True)
class DiagnosticsConfig:
    """What is looked at inside a network while it is trained; it changes no number of a run.

    `measures` are looked at on `rows` rows of the validation split (or the training split where
    there is none) before the first epoch, after every `every` epochs, after the last one, and after
    single optimizer `steps`; `auto` is the interval at which looks take less than 5 % of the time.
    """

    measures: tuple[str, ...] = choices((), "diagnostic", role="run")
    every: Literal["auto"] | int = number("auto", low=1, high=1_000_000, role="run")
    steps: tuple[int, ...] = number((), low=0, high=2**31 - 1, role="run")
    rows: int = number(300, low=2, high=100_000, role="run")
    figures: bool = option(True, role="run")


@dataclass(frozen=True)
class SweepConfig:
    """What a multirun does beside training its runs.

    `study` names the published table that the runs belong to, or a study of the user's own. `scale`
    is the share of its epochs, seeds and grid points that is taken; what is, the sweep says.
    `skip_invalid` trains the valid combinations although others are not; `mix_versions` takes
    results of other source code or library versions for done.
    """

    study: str | None = option(None, role="run")
    scale: float = number(1.0, above=0, high=1, role="run")
    skip_invalid: bool = option(False, role="run")
    mix_versions: bool = option(False, role="run")


@dataclass(frozen=True)
class CheckpointConfig:
    """What is kept of a run while it trains, so that it can go on where it was stopped.

    `every` is in seconds, null for never; where saving takes long, more time lies between two.
    `keep` checkpoints are kept until the run ends. `final` keeps its networks afterwards. Without
    `resume` a run starts anew. `grace` is how many seconds a signal may be followed by saving.
    """

    every: float | None = number(300.0, above=0, role="run")
    keep: int = number(2, low=1, high=1000, role="run")
    final: bool = option(False, role="run")
    resume: bool = option(True, role="run")
    grace: float = number(20.0, low=0, high=3600, role="run")


@dataclass(frozen=True)
class Config:
    """One run, completely."""

    seed: int = number(0, low=0, high=2**32 - 1)
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    optimizer: OptimizerConfig = SgdConfig()
    schedule: ScheduleConfig = ConstantConfig()
    clip: ClipConfig = ClipConfig()
    regularization: RegularizationConfig = RegularizationConfig()
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()
    logging: LoggingConfig = LoggingConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    diagnostics: DiagnosticsConfig = DiagnosticsConfig()
    sweep: SweepConfig = SweepConfig()
