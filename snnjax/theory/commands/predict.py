"""`python -m snnjax.theory predict`: a network at initialisation, layer by layer."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from snnjax.theory.command_line import table

if TYPE_CHECKING:
    from snnjax.config.schema import Config
    from snnjax.data.dataset import Dataset
    from snnjax.theory.depth.forecast import Layer

SUMMARY = "moments, gradients and singular values of a network, layer by layer"
_HEAD = (
    "layer",
    "mean",
    "variance",
    "finite",
    "spread",
    "gradient",
    "by weight",
    "J mean",
    "J rms",
)
_NOTES = """\
finite: the variance over networks of this width, to first order; spread: the deviation of a row's
mean square between networks, relative. gradient, by weight: mean squares for one row, of the sum
of outputs with N(0, 1) weights. J: singular values of a layer's (or block's) Jacobian, mean and
root mean square. Inputs of mean {mean:.3g} and variance {variance:.3g}, dropout {dropout}."""

_PATCHES = """\
Patches of so few inputs differ in length, those of pixels that are alike the more: gradients in the
first convolution are 40 to 70 % above these."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the subcommand takes."""
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for snnjax.train")
    parser.add_argument("--evaluation", action="store_true", help="as without dropout")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a picture of it too")


def run(given: argparse.Namespace) -> int:
    """Print the table of a network, and draw it."""
    from snnjax.config.errors import ConfigError
    from snnjax.config.preflight import the_only
    from snnjax.data.load import load
    from snnjax.guard import inputs_of
    from snnjax.theory.depth.forecast import forecast
    from snnjax.theory.depth.network import STANDARD, Ends
    from snnjax.theory.moments.moment_map import Moments

    if given.out is not None:
        _check_picture(given.out)
    config = the_only(given.overrides, "one network at a time; allowed: one value for every key")
    data = load(config.data)
    inputs = inputs_of(data)
    start = STANDARD
    if config.data.standardize == "none":
        start = Moments(inputs.mean, inputs.variance)
    is_training, alike = not given.evaluation, likeness(config, data)
    layers = forecast(
        config.model,
        Ends(*inputs[:2]),
        start,
        training=is_training,
        correlation=alike,
    )
    if layers is None:
        problem = f"nothing is known of this {config.model.name} of {config.model.activation} units"
        raise ConfigError(f"model.name={config.model.name}: {problem} and {config.model.init}")
    print(_title(config))
    print(table(_HEAD, [_cells(layer) for layer in layers]))
    said = "on" if is_training and config.model.dropout else "off"
    print(_NOTES.format(mean=start.mean, variance=start.variance, dropout=said))
    if any(layer.finite is not None and layer.finite.moments is None for layer in layers):
        print(_of_narrow_layers())
    if config.model.activation == "sigmoid":
        print(_of_sigmoids())
    if _sees_patches(config, alike):
        print(_PATCHES)
    if given.out is not None:
        from snnjax.figures.style import save
        from snnjax.theory.pictures import draw_network

        save(draw_network(layers, _title(config)), given.out)
    return 0


def likeness(config: "Config", data: "Dataset") -> float:
    """Return how neighbouring pixels correlate in training rows; 0 but for images."""
    import numpy as np

    from snnjax.config.schema import CONVOLUTIONAL
    from snnjax.widths import IMAGES

    if config.model.name not in CONVOLUTIONAL or data.features.shape[1] not in IMAGES:
        return 0.0
    shape, _ = IMAGES[data.features.shape[1]]
    rows = data.rows["train"][:2000]
    x = (data.features[rows].astype(np.float64) - data.shift) * data.scale
    x = (x - x.mean()).reshape(-1, shape.channels, shape.height, shape.width)
    across, down = (x[..., 1:] * x[..., :-1]).mean(), (x[..., 1:, :] * x[..., :-1, :]).mean()
    diagonal = (x[..., 1:, 1:] * x[..., :-1, :-1]).mean()
    variance = (x**2).mean()
    return float(np.clip((across + down + diagonal) / 3 / variance, 0, 1)) if variance else 0.0


def _cells(layer: "Layer") -> tuple[str, ...]:
    from snnjax.theory.faults import show_mean

    finite, back = layer.finite, layer.backward
    is_infinite = not math.isfinite(layer.after.variance)
    own = ("", "inf") if is_infinite else (show_mean(layer.after), f"{layer.after.variance:.4g}")
    widths = ("", "")
    if finite is not None and finite.moments is not None:
        widths = f"{finite.moments.variance:.4g}", _short(finite.spread)
    if back is None:
        return (layer.name, *own, *widths, "", "", "", "")
    singular = "" if back.singular is None else _short(back.singular)
    gradients = f"{back.gradient:.3e}", f"{back.of_weight:.3e}"
    return (layer.name, *own, *widths, *gradients, singular, _short(math.sqrt(back.squared)))


def _short(number: float) -> str:
    return f"{number:.3g}"


def _title(config: "Config") -> str:
    model = config.model
    norm = "" if model.norm == "none" else f", {model.norm} norm"
    dropout = f", {model.dropout_kind} dropout {model.dropout:g}" if model.dropout else ""
    size = f"depth {model.depth}, width {model.width}"
    kind = f"{model.activation}, {model.init}{norm}{dropout}"
    return f"{model.name} on {config.data.name}: {kind}; {size}"


def _of_narrow_layers() -> str:
    from snnjax.theory.depth.finite_width import LARGEST_SPREAD

    return (
        f"No finite variance where the spread is above {LARGEST_SPREAD:g}: so narrow layers differ "
        "too much\nbetween networks for the first order."
    )


def _sees_patches(config: "Config", alike: float) -> bool:
    """Tell whether patches of pixels that are alike are normalised each by itself."""
    return alike > 0 and config.model.norm in ("layer", "rms")


def _of_sigmoids() -> str:
    from snnjax.theory.depth.chain_rule import LEAST_WEIGHT, STEEPEST, widest

    weight, width = widest()
    return (
        f"sigmoid' is at most {STEEPEST:g}: w sigmoid'(w x + b) exceeds 1 for |w| > "
        f"{LEAST_WEIGHT:g} only,\nand for x in an interval of at most {width:.3f}, at |w| = "
        f"{weight:.3f}."
    )


def _check_picture(path: Path) -> None:
    from snnjax.config.errors import ConfigError
    from snnjax.figures.style import SUFFIXES

    if path.suffix not in SUFFIXES:
        allowed = f"allowed: a name that ends in {', '.join(SUFFIXES)}"
        raise ConfigError(f"--out={path}: not the name of an image; {allowed}")
    if not path.parent.is_dir():
        raise ConfigError(f"--out={path}: no such folder as {path.parent}")
