"""What no key of the network can say of itself alone."""

import math
from collections.abc import Mapping, Sequence

from snnjax.config.errors import complaint, show
from snnjax.config.schema import CONVOLUTIONAL, Config, ModelConfig

_FROM_1 = "integers from 1"
_FORMS: Mapping[str, Sequence[str]] = {
    "highway": ("rectangular",),
    "resnet": ("rectangular", "diavolo"),
}
_MOST_ELEMENTS = 2**31  # of one array: indices of 32 bits end there


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
