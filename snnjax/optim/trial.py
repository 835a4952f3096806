"""Whether an optimizer of optax can take steps with the arguments it is given: tried on shapes.

What optax takes is not written down anywhere, and some of it depends on other arguments: in the
end it is asked. Nothing is computed, and no program compiled.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from snnjax.config.declare import Arguments
from snnjax.config.errors import complaint, show
from snnjax.config.optimization import OptaxConfig
from snnjax.config.schema import Config
from snnjax.config.split import split
from snnjax.nn.products import Precision, types_of
from snnjax.optim.optimizers import make_optimizer

# Wide enough for what is done to large kernels only, as in Adafactor.
_SHAPES = {"hidden": {"kernel": (160, 144), "bias": (144,)}, "output": {"kernel": (144, 2)}}


def misfit(config: Config) -> str:
    """Return what is wrong with the arguments of a function of optax, an empty string if nothing.

    The argument without which all would be well is named; the function, if there is none.
    """
    given = config.optimizer
    optimizer, precision = split(config)[0].optimizer, config.training.precision
    if not (isinstance(optimizer, OptaxConfig) and isinstance(given, OptaxConfig)):
        return ""
    if not (reason := _failure(optimizer, precision)):
        return ""
    problem = f"optax.{optimizer.function} cannot take a step with it: {reason}"
    for name, value in given.arguments.items():
        others = {key: own for key, own in optimizer.arguments.items() if key != name}
        if not _failure(replace(optimizer, arguments=Arguments(others)), precision):
            hint = "another value, or none"
            return complaint(f"optimizer.arguments.{name}", show(value), problem, hint)
    return complaint("optimizer.function", optimizer.function, problem)


@lru_cache(maxsize=256)
def _failure(optimizer: OptaxConfig, precision: Precision) -> str:
    """Return why an optimizer with numbers of members in it takes no step, else nothing."""
    with types_of(precision):
        real = jnp.dtype("float64" if precision == "float64" else "float32")
        params = jax.tree.map(
            lambda shape: jax.ShapeDtypeStruct(shape, real),
            _SHAPES,
            is_leaf=lambda node: isinstance(node, tuple),
        )
        number = jax.ShapeDtypeStruct((), real)

        def step(number: jax.Array, params: Any) -> tuple[Any, Any]:
            made = make_optimizer(optimizer, lambda _: number)
            state = made.init(params)
            return state, made.update(params, state, params)[1]

        try:
            before, after = jax.eval_shape(step, number, params)
        except Exception as error:  # whatever optax and JAX raise
            return _first_line(error)
    is_steady = _types(before) == _types(after)
    return "" if is_steady else "its state changes shape or type from step to step"


def _types(tree: Any) -> tuple[Any, list[Any]]:
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(leaf.shape, leaf.dtype) for leaf in leaves]


def _first_line(error: Exception) -> str:
    """Return the beginning of what an exception says, with its kind."""
    said = next(filter(None, map(str.strip, str(error).splitlines())), "")
    return f"{type(error).__name__}{said and ': '}{said}".rstrip(".")
