"""`python -m snnjax.schedules [KEY=VALUE...]`: the learning rate over a training, as a plot.

Takes what `python -m snnjax.train` takes, such as `schedule=cosine schedule.time=5`. A plateau is
shown as if the monitored metric never improved.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from snnjax.config.errors import ConfigError
from snnjax.config.schema import Config
from snnjax.endings import DONE, told

_LINES, _POINTS, _BAR = 25, 1000, 48
_IMAGES = (".png", ".svg", ".pdf")


class Curve(NamedTuple):
    """What a schedule does over a training.

    Attributes:
        epochs: Of each point, counted from 0; fractions are steps within an epoch.
        rates: The learning rates.
        momenta: The momenta; empty where the schedule leaves them alone.
    """

    epochs: Sequence[float]
    rates: Sequence[float]
    momenta: Sequence[float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the schedule of a configuration; return 0, 1 for a failure, 2 for a mistake."""
    parser = argparse.ArgumentParser(prog="python -m snnjax.schedules", description=__doc__)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for snnjax.train")
    parser.add_argument("--epoch-steps", type=int, default=100, help="steps of an epoch (100)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="an image too")
    given = parser.parse_args(arguments)
    return told(lambda: _show(given))


def _show(given: argparse.Namespace) -> int:
    if given.epoch_steps < 1:
        problem = f"--epoch-steps={given.epoch_steps}: out of range"
        raise ConfigError([f"{problem}; allowed: an integer >= 1"])
    if given.out is not None and given.out.suffix not in _IMAGES:
        problem = f"--out={given.out}: not the name of an image"
        raise ConfigError([f"{problem}; allowed: a name that ends in {', '.join(_IMAGES)}"])
    config = _composed(given.overrides)
    print(draw(curve_of(config, given.epoch_steps, _LINES)))
    if given.out is not None:
        _save(curve_of(config, given.epoch_steps, _POINTS), given.out)
    return DONE


def curve_of(config: Config, epoch_steps: int, points: int) -> Curve:
    """Return the rates at so many steps, or at all if there are fewer, the last among them.

    Args:
        config: A run.
        epoch_steps: How many steps its epochs have.
        points: How many steps to look at; with an odd number of them also the middle one.
    """
    import jax
    import numpy as np

    from snnjax.config.split import split
    from snnjax.optim.plateau import begin, observe
    from snnjax.optim.schedules import Pace, momentum_of, rate_factor
    from snnjax.step import numbers_of

    program, member = split(config)
    value = numbers_of(program.schedule, "schedule", member)
    last = config.training.epochs * epoch_steps - 1
    steps = np.unique(np.linspace(0, last, points).round().astype(np.uint32))
    factors = np.ones(config.training.epochs, np.float32)
    if config.schedule.name == "plateau":
        plateau, watch = begin(), jax.jit(lambda plateau: observe(value, plateau, 1.0))
        for epoch in range(len(factors)):
            factors[epoch] = plateau.factor
            plateau = watch(plateau)

    def at(step: Any, factor: Any) -> tuple[Any, Any]:
        pace = Pace(epoch_steps, config.training.epochs, factor)
        rate = config.optimizer.learning_rate * rate_factor(program.schedule, value, step, pace)
        return rate, momentum_of(program.schedule, value, step, pace)

    rates, momenta = jax.vmap(at)(steps, factors[steps // epoch_steps])
    rates = np.broadcast_to(rates, steps.shape)
    momenta = [] if momenta is None else momenta.tolist()
    return Curve((steps / epoch_steps).tolist(), rates.tolist(), momenta)


def draw(curve: Curve) -> str:
    """Return a line per point: the epoch, the rate, the momentum if it changes, and a bar."""
    most = max(curve.rates)
    lines = [f"{'epoch':>9} {'rate':>10}" + (f" {'momentum':>8}" if curve.momenta else "")]
    for place, (epoch, rate) in enumerate(zip(curve.epochs, curve.rates, strict=True)):
        momentum = f" {curve.momenta[place]:8.4f}" if curve.momenta else ""
        bar = "#" * max(1, round(_BAR * rate / most))
        lines.append(f"{epoch:9.2f} {rate:10.3g}{momentum} {bar}")
    return "\n".join(lines)


def _composed(overrides: Sequence[str]) -> Config:
    from snnjax.config.preflight import the_only

    return the_only(overrides, "one schedule at a time; allowed: one value for every key")


def _save(curve: Curve, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    axes = figure.subplots(2 if curve.momenta else 1, sharex=True, squeeze=False)[:, 0]
    axes[0].plot(curve.epochs, curve.rates)
    axes[0].set(ylabel="learning rate")
    if curve.momenta:
        axes[1].plot(curve.epochs, curve.momenta)
        axes[1].set(ylabel="momentum")
    axes[-1].set(xlabel="epoch")
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
