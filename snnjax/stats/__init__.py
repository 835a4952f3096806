"""Statistics of methods compared on many data sets. NumPy, SciPy and pandas only.

A table of scores has one row per data set and one column per method; NaN is a missing score, which
ranks last. Seeds, where a function takes them, are a second level of the index. A table of trials
has one row per trial.
"""

from snnjax.stats.binomial import (
    binomial_interval,
    compare_with_printed,
    difference_interval,
    expected_difference,
)
from snnjax.stats.budget import best_of_k, best_of_trials
from snnjax.stats.hyperparameters import edges, isolation
from snnjax.stats.improvement import probability_of_improvement
from snnjax.stats.intervals import bootstrap_interval, interquartile_mean
from snnjax.stats.ranking import (
    average_ranks,
    mean_scores,
    rank_differences,
    ranks,
    split_by_size,
    win_tie_loss,
)
from snnjax.stats.significance import (
    cliques,
    critical_difference,
    friedman,
    holm,
    nemenyi,
    wilcoxon,
)

__all__ = [
    "average_ranks",
    "best_of_k",
    "best_of_trials",
    "binomial_interval",
    "bootstrap_interval",
    "cliques",
    "compare_with_printed",
    "critical_difference",
    "difference_interval",
    "edges",
    "expected_difference",
    "friedman",
    "holm",
    "interquartile_mean",
    "isolation",
    "mean_scores",
    "nemenyi",
    "probability_of_improvement",
    "rank_differences",
    "ranks",
    "split_by_size",
    "wilcoxon",
    "win_tie_loss",
]
