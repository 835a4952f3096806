"""What no key of the loss and of training can say of itself alone."""

from collections.abc import Mapping

from snnjax.config.errors import complaint, show
from snnjax.config.schema import Config
from snnjax.metric_names import BY_TASK

LOSSES: Mapping[str, tuple[str, ...]] = {
    "classification": ("cross_entropy", "quadratic"),
    "regression": ("squared_error", "huber"),
    "multilabel": ("sigmoid",),
}


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
