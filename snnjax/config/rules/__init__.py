"""What no field can say of itself: combinations of values that make no sense together."""

from collections.abc import Callable, Sequence
from typing import Any

from snnjax.config.errors import complaint, enumerate_names, show
from snnjax.config.fields import applies, own_leaves, subsections
from snnjax.config.rules import data, model, optimizer, sweep, training
from snnjax.config.schema import Config

Rule = Callable[[Config], str]


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


RULES: Sequence[Rule] = (
    optimizer.nesterov_needs_momentum,
    optimizer.optax_has_the_function,
    optimizer.stretch_needs_restarts,
    model.form_fits_model,
    model.depth_fits_model,
    model.bottleneck_leaves_units,
    model.random_slopes_are_ordered,
    model.convolutions_need_images,
    optimizer.onecycle_needs_momentum,
    optimizer.times_ascend,
    training.loss_fits_task,
    training.smoothing_needs_cross_entropy,
    training.class_weights_fit_task,
    data.own_data_exist,
    model.kernels_are_addressable,
    data.data_set_has_predictors,
    data.root_exists,
    data.fold_exists,
    training.monitor_fits_task,
    training.patience_needs_validation,
    training.gain_needs_validation,
    model.starts_are_not_undone,
    model.kept_moments_need_dropout,
    model.passes_need_dropout,
    sweep.study_is_a_name,
)
