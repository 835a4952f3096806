"""`python -m snnjax.baselines [KEY=VALUE...]`: what networks are compared with, on their splits.

Random forest, support vector machine, nearest neighbours, logistic regression and gradient boosting
through scikit-learn. Takes the words of `python -m snnjax.train` for the data, and

  model=random_forest,svm,knn,logistic_regression,gradient_boosting   the methods (random_forest)
  model.C=1,10                      values to try instead of those of the method's grid
  training.refit=true               fit again on training and validation rows for the test rows
  seed=0,1,2 data.name=wine,abalone  a run for each combination and each point of the grids

Every run is fitted on the training rows, and leaves the run folder that a network leaves; the
report chooses among the points of a grid by the validation rows, as it does among networks. Started
again, it goes on with what is not done.
"""

import argparse
import sys
from pathlib import Path

from snnjax import interruption
from snnjax.config.errors import ConfigError
from snnjax.endings import SESSION, gravest, told


def main() -> int:
    """Run what `sys.argv` asks for; return 0, 1 for a failure, 2 for a mistake, 130 for Ctrl-C."""
    return told(_run)


def _run() -> int:
    given = _parser().parse_args()
    if given.jobs < 1:
        raise ConfigError(f"--jobs={given.jobs}: out of range; allowed: integers from 1")
    from snnjax.baselines.command import read_configs
    from snnjax.baselines.parallel import run_all
    from snnjax.sinks.base import say

    configs = read_configs(given.overrides)
    with interruption.heard():
        run_all(configs, given.out.absolute(), given.jobs)
    say(f"run folders: {given.out}")
    return gravest(SESSION.codes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m snnjax.baselines",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for snnjax.train")
    default = Path("runs/baselines")
    parser.add_argument("--out", type=Path, default=default, metavar="DIR", help=f"({default})")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (1)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
