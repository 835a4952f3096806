"""Train the varied members on four devices, which test_strategy.py starts a process for.

Fails where populations differ from single runs; prints how they were trained.
"""

import json
import sys
from dataclasses import asdict

import jax
from varied_members import CHUNK, SETS, alone, assert_as_alone, layout, make_varied

from snnjax import crew, population, programs
from snnjax.strategy import Strategy, choose, default_workers

programs._MAX_CHUNK = CHUNK
population._WORTH = -1e9


def note(name, move, moves):
    """Let a move of the crew be noted."""

    def noting(people, running):
        after = move(people, running)
        if after is not None and after is not people:
            moves.append([name, after.strategy.lanes])
        return after

    return noting


def main(lanes: int) -> None:
    """Compare with single runs, and tell how it was done."""
    alone()
    moves: list[list[object]] = []
    crew.regroup = note("regroup", crew.regroup, moves)
    crew.smaller = note("smaller", crew.smaller, moves)
    program, members = make_varied()
    strategy = Strategy(lanes, 4)
    trained = population.train(program, members, layout(), sets=SETS, strategy=strategy)
    assert_as_alone(trained, exactly=lanes == 1)
    told = {
        "moves": moves,
        "strategy": trained.strategy,
        "devices": [len(leaf.sharding.device_set) for leaf in jax.tree.leaves(trained.state)],
        "chosen": [asdict(choose(size)) for size in (1, 3, 9)],
        "workers": default_workers(),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(int(sys.argv[1]))
