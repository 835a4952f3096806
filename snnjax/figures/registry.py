"""The figures by name: what each needs, and the function that draws it."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from snnjax.figures.by_depth import KEYS, draw_gradient_by_layer
from snnjax.figures.curves import draw_learning_curves
from snnjax.figures.groups import Group
from snnjax.figures.histograms import (
    INITIAL,
    draw_final_histograms,
    draw_initial_histograms,
)
from snnjax.figures.images import draw_by_layer, draw_weights_over_time
from snnjax.figures.over_epochs import (
    draw_activations,
    draw_moments,
    draw_percentiles,
    draw_speed,
    draw_units,
    draw_weight_gradients,
)
from snnjax.figures.panels import MOST_GROUPS
from snnjax.figures.picture import Choices, Drawn
from snnjax.figures.spectra import draw_singular_values


class Picture(NamedTuple):
    """A figure that can be asked for by name.

    Attributes:
        draw: Draws groups of runs, each of which has what the figure needs.
        needs: The arrays of diagnostics that a run must have; without any, and without `one_of`,
            its metrics are what is drawn.
        one_of: Arrays of which it must have at least one.
        most: So many groups are drawn at most.
    """

    draw: Callable[[Sequence[Group], Choices], Drawn]
    needs: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    most: int = MOST_GROUPS

    @property
    def summary(self) -> str:
        """What the figure shows, in a line."""
        return (self.draw.__doc__ or "").splitlines()[0]


PICTURES: Mapping[str, Picture] = {
    "activations": Picture(draw_activations, ("activation_mean", "activation_variance")),
    "percentiles": Picture(draw_percentiles, ("activation_p98", "activation_variance")),
    "initial_histograms": Picture(
        draw_initial_histograms, (), tuple(f"{name}_histogram" for name in INITIAL)
    ),
    "final_histograms": Picture(
        draw_final_histograms, ("activation_histogram", "activation_edges")
    ),
    "weight_gradients": Picture(draw_weight_gradients, ("weight_gradient_variance",)),
    "gradient_by_layer": Picture(draw_gradient_by_layer, (), tuple(KEYS), 48),
    "singular_values": Picture(draw_singular_values, (), ("layer_singular", "whole_singular")),
    "units": Picture(draw_units, (), ("saturated", "dead", "revived")),
    "weights_over_time": Picture(draw_weights_over_time, ("weight_histogram", "weight_edges")),
    "by_layer": Picture(draw_by_layer, ("activation_histogram", "activation_edges")),
    "moments": Picture(
        draw_moments,
        ("activation_mean", "activation_variance"),
        ("predicted_mean", "fixed_mean"),
    ),
    "speed": Picture(draw_speed, ("update_norm", "weight_norm")),
    "learning_curves": Picture(draw_learning_curves),
}
"""Adding a figure is one function and one row here."""

SURFACE = "surface"
"""The one figure that is not drawn from runs, see `snnjax.figures.surfaces`."""

NAMES = (*PICTURES, SURFACE)
"""The names of all figures, in the order they are drawn in."""
