"""Where memory does not suffice, fewer are trained at once: nothing is lost or told twice."""

import gc
import time
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from varied_members import CHUNK, SETS, alone, assert_as_alone, layout, make_varied

from snnjax import population, programs
from snnjax.strategy import Strategy

EXHAUSTED = "RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes."


def instead(ready, **functions):
    """Replace programs by functions, which need the same memory."""
    for name, function in functions.items():
        function.memory_analysis = getattr(ready, name).memory_analysis
    return ready._replace(**functions)


@pytest.fixture
def small_device(monkeypatch):
    """Let a device run out of memory if too many members share it: at first in a chosen place.

    Later attempts with too many fail before anything is compiled, which would take long. Lists
    what was tried: lanes, slots and the number of arrays on the device.
    """
    monkeypatch.setattr(programs, "_MAX_CHUNK", CHUNK)
    real, tried = population.prepare, []

    def limit(where, lanes=1, slots=99, calls=0, message=EXHAUSTED):
        def prepare(program, problem, whole, strategy, seats, table):
            size = len(seats[0]["seed"])
            tried.append((strategy.lanes, size, len(jax.live_arrays())))
            is_too_much = strategy.lanes > lanes or size > slots
            if is_too_much and (where == "compile" or len(tried) > 1):
                raise jax.errors.JaxRuntimeError(message)
            ready = real(program, problem, whole, strategy, seats, table)
            left = iter(range(calls))

            def fail_later(*arguments):
                if next(left, None) is None:
                    raise jax.errors.JaxRuntimeError(message)
                return getattr(ready, where)(*arguments)

            return instead(ready, **{where: fail_later}) if is_too_much else ready

        monkeypatch.setattr(population, "prepare", prepare)
        return tried

    return limit


def train(strategy, chosen=slice(None), size=1):
    program, members = make_varied()
    records = []
    trained = population.train(
        program, members[chosen], layout(), records.append,
        sets=SETS[chosen], strategy=strategy, size=size,
    )  # fmt: skip
    for number, outcome in enumerate(trained.outcomes):
        epochs = [record.epoch for record in records if record.member == number]
        assert epochs == list(range(1, outcome.epochs + 1))
    assert {record.member for record in records} == set(range(len(members[chosen])))
    return trained


@pytest.mark.parametrize(
    ("where", "calls"), [("compile", 0), ("start", 0), ("advance", 3), ("score", 1)]
)
def test_fewer_in_lockstep(where, calls, small_device):
    alone()
    tried = small_device(where, lanes=1, calls=calls)
    lanes = 4 if where != "compile" else 8
    trained = train(Strategy(lanes))
    assert [now for now, _, _ in tried] == [lanes, *([4] if lanes == 8 else []), 2, 1]
    assert trained.strategy["map"] == "one after another"
    assert_as_alone(trained, exactly=True)


def test_what_failed_leaves_nothing_on_the_device(small_device):
    tried = small_device("advance", lanes=1, calls=3)
    gc.collect()
    train(Strategy(4))
    assert len(tried) == 3
    assert len({arrays for _, _, arrays in tried}) == 1


@pytest.mark.parametrize("where", ["compile", "advance"])
def test_half_of_the_members(where, small_device):
    alone()
    tried = small_device(where, slots=1, calls=2)
    trained = train(Strategy())
    quarter = [2, 1, 1]
    half = [4, *quarter, *quarter]
    assert [size for _, size, _ in tried] == [8, *half, *half]
    assert_as_alone(trained, exactly=True)
    assert trained.strategy["population"] == 1


def test_an_odd_number_of_members(small_device):
    tried = small_device("compile", slots=1)
    trained = train(Strategy(), slice(0, 3))
    assert [size for _, size, _ in tried] == [3, 2, 1, 1, 1]
    for ours, single in zip(trained.outcomes, alone(), strict=False):
        assert ours == single.outcomes[0]
    for leaf in jax.tree.leaves(trained.state):
        assert len(leaf) == 3


def test_those_that_do_nothing_go_first(small_device):
    tried = small_device("compile", slots=1)
    assert train(Strategy(), slice(0, 1), size=8).outcomes == alone()[0].outcomes
    assert [size for _, size, _ in tried] == [8, 1]


def test_one_member_that_does_not_fit_is_an_error(small_device):
    tried = small_device("compile", lanes=0)
    with pytest.raises(jax.errors.JaxRuntimeError, match="Out of memory"):
        train(Strategy(4), slice(0, 2))
    assert [(lanes, size) for lanes, size, _ in tried] == [(4, 4), (2, 2), (1, 2), (1, 1)]


def test_other_errors_are_not_about_memory(small_device):
    tried = small_device("compile", lanes=1, message="INTERNAL: a bug")
    with pytest.raises(jax.errors.JaxRuntimeError, match="a bug"):
        train(Strategy(4))
    assert len(tried) == 1


@pytest.mark.parametrize(
    ("limit", "lanes"),
    [(None, 16), (1100, 16), (1099, 8), (600, 8), (350, 4), (163, 1), (100, 1), (99, 0)],
)
def test_lanes_that_fit(limit, lanes, monkeypatch):
    """Kept are 60 + 100 - 60 bytes, each lane takes 62.5 more; fewer lanes keep as much."""
    needed = SimpleNamespace(
        argument_size_in_bytes=60,
        output_size_in_bytes=100,
        alias_size_in_bytes=60,
        temp_size_in_bytes=1000,
    )
    monkeypatch.setattr(programs, "memory_limit", lambda: limit)
    advance = SimpleNamespace(memory_analysis=lambda: needed)
    assert programs.fitting_lanes(advance, 16) == lanes


def test_a_backend_that_cannot_tell_gets_all_lanes(monkeypatch):
    monkeypatch.setattr(programs, "memory_limit", lambda: 1)
    assert programs.fitting_lanes(SimpleNamespace(memory_analysis=lambda: None), 4) == 4


def test_too_many_lanes_are_not_even_tried(small_device, monkeypatch):
    """The compiled program tells what it needs."""
    tried = small_device("start", lanes=1)
    monkeypatch.setattr(population, "fitting_lanes", lambda advance, lanes: 1)
    trained = train(Strategy(4))
    assert [lanes for lanes, _, _ in tried] == [4, 1]
    assert_as_alone(trained, exactly=True)


@pytest.fixture
def small_state(monkeypatch):
    """Let what is kept of more than some slots be too much. Lists lanes and slots."""
    monkeypatch.setattr(programs, "_MAX_CHUNK", CHUNK)
    real, tried = population.prepare, []

    def limit(slots):
        def prepare(program, problem, whole, strategy, seats, table):
            tried.append((strategy.lanes, len(seats[0]["seed"])))
            if tried[-1][1] > slots:
                return SimpleNamespace(seconds=0.0, advance=None)
            return real(program, problem, whole, strategy, seats, table)

        monkeypatch.setattr(population, "prepare", prepare)
        monkeypatch.setattr(
            population, "fitting_lanes", lambda advance, lanes: lanes if advance else 0
        )
        return tried

    return limit


def test_a_state_that_does_not_fit_is_halved_and_keeps_its_lanes(small_state):
    """Fewer lanes would keep as much."""
    tried = small_state(slots=4)
    trained = train(Strategy(2))
    assert tried == [(2, 8), (2, 4), (2, 4)]
    assert_as_alone(trained, exactly=False)


def test_parts_have_no_lanes_to_spare(small_state):
    """Three of four lanes would do nothing for a member alone, and be kept."""
    tried = small_state(slots=1)
    trained = train(Strategy(4), slice(0, 3))
    assert tried == [(4, 4), (3, 3), (2, 2), (1, 1), (1, 1), (1, 1)]
    assert trained.outcomes == [single.outcomes[0] for single in alone()[:3]]


def test_one_member_is_tried_whatever_it_is_said_to_need(monkeypatch):
    monkeypatch.setattr(programs, "memory_limit", lambda: 1)
    assert train(Strategy(), slice(0, 1)).outcomes == alone()[0].outcomes


@pytest.mark.slow
def test_every_member_is_told_how_it_was_trained_itself(small_device, monkeypatch):
    """The first half fits, the second must be halved; what was tried in vain took its time."""
    tried, told, nap = small_device("start"), [], 0.2
    noting = population.prepare

    def prepare(program, problem, whole, strategy, seats, table):
        if len(tried) in (0, 2):
            tried.append((strategy.lanes, len(seats[0]["seed"]), 0))
            time.sleep(nap)
            raise jax.errors.JaxRuntimeError(EXHAUSTED)
        return noting(program, problem, whole, strategy, seats, table)

    monkeypatch.setattr(population, "prepare", prepare)
    program, members = make_varied()
    trained = population.train(
        program, members, layout(), tell=told.append, sets=SETS, strategy=Strategy()
    )
    assert [size for _, size, _ in tried] == [8, 4, 4, 2, 2]
    assert [(sorted(e.outcomes), e.strategy["population"]) for e in told] == [
        ([0, 1, 2, 3], 4),
        ([4, 5], 2),
        ([6, 7], 2),
    ]
    assert told[0].seconds > nap
    assert trained.seconds >= told[2].seconds > told[0].seconds + nap
    assert trained.strategy == told[2].strategy


def test_those_that_do_nothing_cost_nothing(monkeypatch):
    """No epoch, no step, no row scored; one after another, that is no time."""
    monkeypatch.setattr(programs, "_MAX_CHUNK", CHUNK)
    real, seen = population.prepare, []

    def prepare(*arguments):
        ready = real(*arguments)

        def advance(*arguments):
            state, news = ready.advance(*arguments)
            seen.append(np.asarray([news["epoch"], news["step"]]))
            return state, news

        def score(state, seats, table, first, count, place):
            seen.append(np.asarray(count)[None])
            return ready.score(state, seats, table, first, count, place)

        return instead(ready, advance=advance, score=score)

    monkeypatch.setattr(population, "prepare", prepare)
    assert train(Strategy(), slice(0, 3), size=8).outcomes == [
        single.outcomes[0] for single in alone()[:3]
    ]
    idle = np.concatenate([rows[:, 3:] for rows in seen])
    assert idle.size > 0
    assert not idle.any()
    assert np.concatenate([rows[:, :3] for rows in seen]).all(0).any()
