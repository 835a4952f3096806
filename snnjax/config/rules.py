"""What no field can say of itself: combinations of values that make no sense together.

What depends on the data set is judged by its entry in the catalog, before any file is opened.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from snnjax.config.errors import complaint, enumerate_names, nearest, show
from snnjax.config.fields import annotations, applies, own_leaves, subsections, tags
from snnjax.config.optimization import (
    MOMENTUM_NAMES,
    CosineConfig,
    OneCycleConfig,
    OptaxConfig,
    PiecewiseConfig,
    SgdConfig,
    momentum_key,
)
from snnjax.config.schema import CONVOLUTIONAL, Config, ModelConfig
from snnjax.metric_names import BY_TASK

Rule = Callable[[Config], str]

_FROM_1 = "integers from 1"
_FORMS: Mapping[str, Sequence[str]] = {
    "highway": ("rectangular",),
    "resnet": ("rectangular", "diavolo"),
}
LOSSES: Mapping[str, tuple[str, ...]] = {
    "classification": ("cross_entropy", "quadratic"),
    "regression": ("squared_error", "huber"),
    "multilabel": ("sigmoid",),
}

STUDIES = ("uci", "htru2", "tox21", "figure1", "keras", "glorot_table1")
"""Published tables and figures that sweeps reproduce."""

_MOST_ELEMENTS = 2**31  # of one array: indices of 32 bits end there


def broken_rules(config: Config) -> list[str]:
    """Return one line for each rule that `config` breaks."""
    return [line for rule in RULES if (line := rule(config))] + meaningless_values(config)


def meaningless_values(config: Config) -> list[str]:
    """Return a line for each value that nothing reads beside the other choices of its section."""
    lines = []
    for name in subsections(Config):
        section = getattr(config, name)
        schema: Any = type(section)
        for key, leaf in own_leaves(schema, f"{name}.").items():
            if (value := getattr(section, key)) == leaf.default or applies(leaf, section):
                continue
            needs = (
                f"{name}.{other}={enumerate_names(list(choices))}"
                for other, choices in leaf.metadata["only"].items()
            )
            problem = f"has no meaning without {' and '.join(needs)}"
            lines.append(complaint(leaf.path, show(value), problem, show(leaf.default)))
    return lines


def nesterov_needs_momentum(config: Config) -> str:
    """Refuse Nesterov's look-ahead where there is no momentum to look ahead along."""
    optimizer = config.optimizer
    if not isinstance(optimizer, SgdConfig) or not optimizer.nesterov or optimizer.momentum > 0:
        return ""
    allowed = "false, or true with optimizer.momentum > 0"
    return complaint("optimizer.nesterov", "true", "needs momentum", allowed)


def optax_has_the_function(config: Config) -> str:
    """Refuse functions that optax does not have, and arguments that they do not take."""
    optimizer = config.optimizer
    if not isinstance(optimizer, OptaxConfig):
        return ""
    from snnjax.config import optax_functions

    key, function = "optimizer.function", optimizer.function
    if reason := optax_functions.NOT_OFFERED.get(function):
        return complaint(key, function, reason)
    if (known := optax_functions.arguments_of(function)) is None:
        functions = optax_functions.functions()
        problem = "optax has no such optimizer"
        allowed = enumerate_names(functions)
        return complaint(key, show(function), problem, allowed, nearest(function, functions))
    lines = (_misfit(name, value, function, known) for name, value in optimizer.arguments.items())
    return next(filter(None, lines), "")


def _misfit(name: str, value: Any, function: str, known: Mapping[str, Any]) -> str:
    """Return what is wrong with an argument of a function of optax."""
    from snnjax.config.optax_functions import describe_mismatch

    key = f"optimizer.arguments.{name}"
    if name not in known:
        hint = (near := nearest(name, known)) and f"optimizer.arguments.{near}"
        problem = f"no argument of optax.{function}"
        return complaint(key, show(value), problem, enumerate_names([*known]) or "none", hint)
    if allowed := describe_mismatch(name, value, known[name]):
        words = [word for word in allowed.split(", ") if " " not in word]
        hint = nearest(value, words) if isinstance(value, str) else ""
        return complaint(key, show(value), f"does not fit optax.{function}", allowed, hint)
    return ""


def stretch_needs_restarts(config: Config) -> str:
    """Refuse to stretch the periods of a schedule that has a single one."""
    schedule = config.schedule
    if not isinstance(schedule, CosineConfig) or schedule.time is not None:
        return ""
    if schedule.stretch == 1.0:
        return ""
    problem = "has no meaning without schedule.time, the length of the first period"
    return complaint("schedule.stretch", show(schedule.stretch), problem, "1.0")


def form_fits_model(config: Config) -> str:
    """Refuse a form that the layers of the model cannot take."""
    model = config.model
    forms = _FORMS.get(model.name, ("rectangular", "conic"))
    if model.form in forms or ":" in model.name:
        return ""
    return complaint("model.form", model.form, f"{model.name} has no such form", ", ".join(forms))


def depth_fits_model(config: Config) -> str:
    """Refuse to leave out the hidden layers of models and forms that are made of them."""
    model = config.model
    if model.depth > 0:
        return ""
    if model.name == "highway":
        return complaint("model.depth", "0", "the first layer of highway is a plain one", _FROM_1)
    if model.form == "rectangular":
        return ""
    problem = f"no layers are left that model.form={model.form} could narrow"
    return complaint("model.depth", "0", problem, f"{_FROM_1}, or model.form=rectangular")


def bottleneck_leaves_units(config: Config) -> str:
    """Refuse a bottleneck so narrow that not one unit of the layers inside a block is left."""
    model = config.model
    if model.form != "diavolo" or round(model.bottleneck * model.width) > 0:
        return ""
    problem = f"rounds to 0 of model.width={model.width} units"
    return complaint(
        "model.bottleneck", show(model.bottleneck), problem, f"numbers > {0.5 / model.width:g}"
    )


def random_slopes_are_ordered(config: Config) -> str:
    """Refuse random slopes whose least is larger than the largest."""
    low, high = config.model.rrelu_low, config.model.rrelu_high
    if low <= high:
        return ""
    problem = f"larger than model.rrelu_high={high:g}"
    return complaint("model.rrelu_low", show(low), problem, f"numbers <= {high:g}")


def convolutions_need_images(config: Config) -> str:
    """Refuse convolutional networks for data sets whose rows are no images."""
    from snnjax.data import catalog

    name, data = config.model.name, config.data.name
    if name not in CONVOLUTIONAL or catalog.entry_of(config.data).image is not None:
        return ""
    sets = ", ".join([*catalog.images(), catalog.IMAGES])
    return complaint("model.name", name, f"{data} holds no images", f"data.name={sets}")


def onecycle_needs_momentum(config: Config) -> str:
    """Refuse a schedule of the momentum where the optimizer has none to move."""
    if not isinstance(config.schedule, OneCycleConfig):
        return ""
    optimizer = config.optimizer
    if key := momentum_key(optimizer):
        name = key.rpartition(".")[2]
        own = optimizer.arguments if isinstance(optimizer, OptaxConfig) else vars(optimizer)
        given = own[name]
        if isinstance(given, float) and given > 0:
            return ""
        problem = "onecycle moves the momentum, and it is off"
        return complaint(f"optimizer.{key}", show(given), problem, "a number > 0 and < 1")
    others = [
        name
        for name, other in tags(annotations(Config)["optimizer"]).items()
        if {*MOMENTUM_NAMES} & {*own_leaves(other)}
    ]
    problem = "has no momentum for onecycle to move"
    return complaint("optimizer", optimizer.name, problem, enumerate_names(others))


def times_ascend(config: Config) -> str:
    """Refuse the times of a piecewise schedule in another order than theirs."""
    schedule = config.schedule
    if not isinstance(schedule, PiecewiseConfig):
        return ""
    times = (schedule.time_1, schedule.time_2, schedule.time_3)
    for number, (earlier, later) in enumerate(pairwise(times), 2):
        if later <= earlier:
            allowed = f"a number > {earlier:g}, that of schedule.time_{number - 1}"
            return complaint(f"schedule.time_{number}", show(later), "is not later", allowed)
    return ""


def loss_fits_task(config: Config) -> str:
    """Refuse a loss that the task of the data set does not have."""
    from snnjax.data import catalog

    name, task = config.loss.name, catalog.entry_of(config.data).task
    if name in ("default", *LOSSES[task]):
        return ""
    problem = f"{config.data.name} is a {task} set"
    return complaint("loss.name", name, problem, ", ".join(("default", *LOSSES[task])))


def smoothing_needs_cross_entropy(config: Config) -> str:
    """Refuse label smoothing of any loss but cross-entropies, which alone have such a form here."""
    from snnjax.data import catalog

    smoothing, name = config.loss.label_smoothing, config.loss.name
    task = catalog.entry_of(config.data).task
    is_default = name == "default" and task != "regression"
    if not smoothing or is_default or name in ("cross_entropy", "sigmoid"):
        return ""
    shown = f"loss.name={name}" if name != "default" else f"{config.data.name}, a {task} set"
    problem = f"needs cross-entropy, not {shown}"
    return complaint("loss.label_smoothing", show(smoothing), problem, "0.0")


def class_weights_fit_task(config: Config) -> str:
    """Refuse weights of classes where there are none; of labels there are two each, not named."""
    from snnjax.data import catalog

    weights, task = config.loss.class_weights, catalog.entry_of(config.data).task
    if weights is None or task == "classification" or (task, weights) == ("multilabel", "balanced"):
        return ""
    allowed = "null" if task == "regression" else "balanced, null"
    shown = weights if isinstance(weights, str) else show([*weights])
    return complaint("loss.class_weights", shown, f"{config.data.name} is a {task} set", allowed)


def table_has_file(config: Config) -> str:
    """Refuse a table of one's own without a file."""
    data = config.data
    if data.name != "table" or (data.path and Path(data.path).expanduser().is_file()):
        return ""
    problem = "is not an existing file" if data.path else "data.name=table needs a file"
    return complaint("data.path", show(data.path), problem, "a CSV file with a header")


def images_have_folder(config: Config) -> str:
    """Refuse images of one's own without a folder."""
    data = config.data
    if data.name != "images" or (data.path and Path(data.path).expanduser().is_dir()):
        return ""
    problem = "is not an existing folder" if data.path else "data.name=images needs a folder"
    return complaint("data.path", show(data.path), problem, "a folder of images")


def kernels_are_addressable(config: Config) -> str:
    """Refuse hidden layers whose largest kernel has more elements than an array may have.

    Of a conic network the second layer is at least as wide as with a single output.
    """
    model = config.model
    hidden = model.depth + (model.name == "resnet")  # its first layer is none of its blocks
    if hidden <= 1:
        return ""
    inner = model.width * (model.pieces if model.activation == "maxout" else 1)
    if model.form == "conic":
        inner = round(inner * model.width ** (-1 / model.depth))
    elif model.form == "diavolo":
        inner = round(inner * model.bottleneck)
    if model.width * inner <= _MOST_ELEMENTS:
        return ""
    problem = f"the largest hidden kernel, {model.width} x {inner}, exceeds 2**31 elements"
    allowed = f"an integer <= {math.isqrt(_MOST_ELEMENTS)}"
    return complaint("model.width", show(model.width), problem, allowed)


def data_set_has_predictors(config: Config) -> str:
    """Refuse a data set that was published without its predictors."""
    from snnjax.data import catalog

    return catalog.missing_predictors(config.data.name)


def root_exists(config: Config) -> str:
    """Refuse a `data.root` that is no folder."""
    return no_such_folder("data.root", config.data.root) if config.data.root else ""


def fold_exists(config: Config) -> str:
    """Refuse a fold that the data set does not have."""
    from snnjax.data import catalog

    folds = catalog.entry_of(config.data).folds
    if config.data.fold < folds:
        return ""
    allowed = f"0 to {folds - 1} for {config.data.name}"
    return complaint("data.fold", show(config.data.fold), "out of range", allowed, str(folds - 1))


def monitor_fits_task(config: Config) -> str:
    """Refuse to watch a metric that the task of the data set does not have."""
    from snnjax.data import catalog

    monitor, task = config.training.monitor, catalog.entry_of(config.data).task
    if monitor in BY_TASK[task]:
        return ""
    problem = f"{config.data.name} is a {task} set"
    return complaint("training.monitor", monitor, problem, ", ".join(BY_TASK[task]))


def patience_needs_validation(config: Config) -> str:
    """Refuse early stopping without validation rows to judge by."""
    patience, validation = config.training.patience, config.data.validation
    if patience is None or validation != 0:
        return ""
    problem = f"needs validation rows, and data.validation={validation:g} leaves none"
    return complaint("training.patience", show(patience), problem, "null")


def gain_needs_validation(config: Config) -> str:
    """Refuse other ways to judge epochs where there are no validation rows to judge them by."""
    for name, off in (("min_gain", 0.0), ("smoothing", 1)):
        given = getattr(config.training, name)
        if given != off and config.data.validation == 0:
            problem = "needs validation rows, and data.validation=0 leaves none"
            return complaint(f"training.{name}", show(given), problem, show(off))
    return ""


def starts_are_not_undone(config: Config) -> str:
    """Refuse settings of initial weights that what begins from data undoes or cannot take."""
    model = config.model
    if model.norm == "weight" and model.init == "zeros":
        problem = "weights of length 0 have no direction for model.norm=weight"
        return complaint("model.init", model.init, problem, "any other initialiser")
    if model.norm == "weight" and model.init_bias != 0:
        problem = "model.norm=weight begins with the mean 0 of every unit, whatever its bias"
        return complaint("model.init_bias", show(model.init_bias), problem, "0.0")
    if model.init == "lsuv" and model.init_gain != 1:
        problem = "model.init=lsuv begins with the variance 1, whatever the gain"
        return complaint("model.init_gain", show(model.init_gain), problem, "1.0")
    return ""


def kept_moments_need_dropout(config: Config) -> str:
    """Refuse a fixed point for alpha dropout where nothing is dropped."""
    model, usual = config.model, ModelConfig()
    if model.highest_rate > 0 or ":" in model.name:
        return ""
    for name in ("dropout_mean", "dropout_variance"):
        if (given := getattr(model, name)) != (off := getattr(usual, name)):
            return complaint(f"model.{name}", show(given), "nothing is dropped", show(off))
    return ""


def passes_need_dropout(config: Config) -> str:
    """Refuse Monte-Carlo dropout of networks in which nothing is random."""
    model, passes = config.model, config.training.monte_carlo
    if not passes or model.highest_rate > 0 or model.activation == "rrelu" or ":" in model.name:
        return ""
    problem = "nothing is random in this network"
    return complaint("training.monte_carlo", show(passes), problem, "0, or model.dropout > 0")


def study_is_a_name(config: Config) -> str:
    """Refuse names of studies that could not be those of files or columns."""
    study = config.sweep.study
    if study is None or re.fullmatch(r"[A-Za-z0-9_]+", study):
        return ""
    allowed = f"{', '.join(STUDIES)}, or a name of letters, digits and _; null for none"
    return complaint("sweep.study", show(study), "not a name", allowed, nearest(study, STUDIES))


def no_such_folder(key: str, path: str) -> str:
    """Return a complaint about the value `path` of `key` unless it is an existing folder."""
    if Path(path).expanduser().is_dir():
        return ""
    return complaint(key, path, "is not an existing folder")


RULES: Sequence[Rule] = (
    nesterov_needs_momentum,
    optax_has_the_function,
    stretch_needs_restarts,
    form_fits_model,
    depth_fits_model,
    bottleneck_leaves_units,
    random_slopes_are_ordered,
    convolutions_need_images,
    onecycle_needs_momentum,
    times_ascend,
    loss_fits_task,
    smoothing_needs_cross_entropy,
    class_weights_fit_task,
    table_has_file,
    images_have_folder,
    kernels_are_addressable,
    data_set_has_predictors,
    root_exists,
    fold_exists,
    monitor_fits_task,
    patience_needs_validation,
    gain_needs_validation,
    starts_are_not_undone,
    kept_moments_need_dropout,
    passes_need_dropout,
    study_is_a_name,
)
