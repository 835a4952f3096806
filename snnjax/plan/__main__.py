"""`python -m snnjax.plan [KEY=VALUE...] [nodes=N gpus=M]`: what a sweep takes, told before.

Takes what `python -m snnjax.train` takes, such as `+sweep=uci` or `-m experiment=uci seed=0,1`,
and composes it without training: runs, programs, arithmetic, memory, hours, the disk. Of itself:

    nodes=N  gpus=M  cores=C  on so many machines, each with so many accelerators, or cores
    from=DIR                  as fast as the finished sweeps below a folder
    rate=F  memory=G          so many FLOP/s of an accelerator; its memory in gigabytes
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from snnjax.config.errors import ConfigError
from snnjax.endings import DONE, told
from snnjax.plan.machines import OWN


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what a sweep takes; return 0, 1 for a failure, 2 for a mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m snnjax.plan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="KEY=VALUE", help="as for snnjax.train")
    parser.add_argument("-m", "--multirun", action="store_true", help="as for snnjax.train")
    parser.add_argument(
        "--calibrate", nargs="?", const="", metavar="FILE",
        help="measure this machine again, for the user's cache folder or a file",
    )  # fmt: skip
    parser.add_argument(
        "--calibration", type=Path, metavar="FILE", help="what --calibrate FILE wrote elsewhere"
    )
    parser.add_argument("--json", action="store_true", help="print plain values")
    given = parser.parse_intermixed_args(arguments)
    return told(lambda: _plan(given))


def _plan(given: argparse.Namespace) -> int:
    from snnjax.config.overrides import check_overrides
    from snnjax.plan.describe import describe, facts
    from snnjax.plan.estimate import Estimate
    from snnjax.plan.groups import group
    from snnjax.plan.jobs import read_jobs
    from snnjax.plan.machines import Asked, place_of, rates_of, remeasure

    own, overrides = _own_words(given.words)
    asked = Asked.read(own, given.calibration)
    overrides = check_overrides(overrides)
    if given.calibrate is not None:
        file = remeasure(given.calibrate)
        if not (overrides or given.multirun):
            return DONE
        asked = replace(asked, calibration=asked.calibration or file)
    rates = rates_of(asked)
    place = place_of(asked, rates)
    began = time.perf_counter()
    jobs = read_jobs(overrides, given.multirun)
    batches, failed = zip(*map(group, jobs.batches()), strict=True)
    jobs = jobs._replace(invalid=sum(failed, Counter(jobs.invalid)))
    if not any(batches):
        lines = (f"{line}  ({n} of {jobs.runs} runs)" for line, n in jobs.invalid.items())
        raise ConfigError([*lines])
    estimate = Estimate(jobs, batches, rates, place)
    text = json.dumps(facts(estimate), indent=1) if given.json else describe(estimate)
    print(text if given.json else f"{text}\nplanned in {time.perf_counter() - began:.1f} seconds")
    return DONE


def _own_words(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the planner's own keys, and the overrides."""
    own, overrides = {}, []
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key in OWN:
            own[key] = value
        else:
            overrides.append(word)
    return own, overrides


if __name__ == "__main__":
    sys.exit(main())
