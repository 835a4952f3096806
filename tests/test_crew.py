"""Members that stopped make room for others, and none is lost, doubled or mixed up."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from varied_members import CHUNK, SETS, assert_as_alone, layout, make_varied

from snnjax import crew, population, programs
from snnjax.strategy import Strategy


@pytest.fixture
def on_one_device(monkeypatch):
    """Leave arrays where they are: which member goes where does not depend on it."""
    monkeypatch.setattr(crew, "deal_out", lambda strategy, tree: jax.tree.map(np.asarray, tree))


def make_crew(strategy, slots):
    people = crew.assemble(strategy, {"name": np.arange(slots) + 100})
    return replace(people, state={"age": np.zeros(slots, int), "name": np.arange(slots) + 100})


def grow_older(people, running, ages):
    """Do what an advance does: only those at work and running change."""
    assert running[people.order].sum() == running.sum()
    ages[running] += 1
    age = np.asarray(people.state["age"]) + running[people.order]
    return replace(people, state={**people.state, "age": age})


def assert_in_place(people):
    np.testing.assert_array_equal(people.at_work["name"], people.order + 100)
    np.testing.assert_array_equal(people.state["name"], people.order + 100)


def busy_groups(people, running):
    """Count by hand, device by device, and return the most."""
    lanes, devices = people.strategy.lanes, people.strategy.devices
    each = len(people.order) // devices
    counts = []
    for device in range(devices):
        own = people.order[device * each : (device + 1) * each]
        groups = [own[start : start + lanes] for start in range(0, each, lanes)]
        counts.append(sum(any(running[member] for member in group) for group in groups))
    return max(counts)


CASES = [(1, 1, 6), (2, 1, 6), (4, 1, 3), (3, 2, 2), (1, 4, 3), (2, 4, 2)]


@pytest.mark.parametrize(("lanes", "devices", "groups"), CASES)
def test_regrouping_keeps_everyone_in_the_fewest_groups(lanes, devices, groups, on_one_device):
    random, unit = np.random.default_rng(0), lanes * devices
    moves = 0
    for _ in range(20):
        people = make_crew(Strategy(lanes, devices), unit * groups)
        running, ages = np.ones(unit * groups, bool), np.zeros(unit * groups, int)
        while running.any():
            people = grow_older(people, running, ages)
            running &= random.random(len(running)) < 0.7
            before, needed = busy_groups(people, running), -(-running.sum() // unit)
            after = crew.regroup(people, running)
            assert (after is people) == (before == needed)
            assert busy_groups(after, running) == needed
            np.testing.assert_array_equal(np.sort(after.order), np.arange(unit * groups))
            assert_in_place(after)
            moves += after is not people
            people = after
        np.testing.assert_array_equal(crew.states(people)["age"], ages)
        np.testing.assert_array_equal(crew.states(people)["name"], people.numbers["name"])
    # One after another on one device every member is a group of its own.
    assert (moves > 0) == (unit > 1)


@pytest.mark.parametrize(("lanes", "devices"), [(8, 1), (6, 1), (5, 2), (4, 4)])
def test_a_smaller_crew_has_all_who_run_and_forgets_no_one(lanes, devices, on_one_device):
    random, slots = np.random.default_rng(0), lanes * devices
    sizes = set()
    for _ in range(20):
        people = make_crew(Strategy(lanes, devices), slots)
        running, ages = np.ones(slots, bool), np.zeros(slots, int)
        while running.any():
            people = grow_older(people, running, ages)
            running &= random.random(slots) < 0.7
            few = crew.smaller(people, running)
            if few is None:
                half = people.strategy.lanes // 2 * devices
                assert running.sum() > half or people.strategy.lanes == 1
                continue
            assert len(few.order) == few.strategy.lanes * devices < len(people.order)
            assert running.sum() > few.strategy.lanes // 2 * devices or few.strategy.lanes == 1
            assert len(set(few.order)) == len(few.order)
            assert set(few.order) <= set(people.order)
            assert few.strategy.devices == devices
            assert_in_place(few)
            sizes.add(len(few.order))
            people = few
        np.testing.assert_array_equal(crew.states(people)["age"], ages)
        np.testing.assert_array_equal(crew.states(people)["name"], people.numbers["name"])
    assert min(sizes) == devices


def test_a_crew_of_several_groups_is_not_made_smaller():
    people = make_crew(Strategy(2), 4)
    assert crew.smaller(people, np.array([True, False, False, False])) is None


@pytest.fixture
def moves(monkeypatch):
    """Look at the host often, and note every new order."""
    monkeypatch.setattr(programs, "_MAX_CHUNK", CHUNK)
    seen = []

    def note(name, move):
        def noting(people, running):
            after = move(people, running)
            if after is not None and after is not people:
                seen.append((name, after.strategy.lanes, after.order.tolist()))
            return after

        monkeypatch.setattr(crew, name, noting)

    note("regroup", crew.regroup)
    note("smaller", crew.smaller)
    return seen


def train_all(strategy, records):
    program, members = make_varied()
    return population.train(
        program, members, layout(), records.append, sets=SETS, strategy=strategy
    )


def assert_each_epoch_once(records, trained):
    for number, outcome in enumerate(trained.outcomes):
        epochs = [record.epoch for record in records if record.member == number]
        assert epochs == list(range(1, outcome.epochs + 1))


@pytest.mark.slow  # quick, `test_ending` compares two in lockstep
@pytest.mark.parametrize("lanes", [2, 4])
def test_those_moved_together_end_as_alone(lanes, moves):
    records = []
    together = train_all(Strategy(lanes), records)
    assert {name for name, *_ in moves} == {"regroup"}
    assert_as_alone(together, exactly=False)
    assert_each_epoch_once(records, together)


@pytest.mark.slow
def test_those_in_a_smaller_crew_end_as_alone(moves, monkeypatch):
    monkeypatch.setattr(population, "_WORTH", -1e9)
    records = []
    together = train_all(Strategy(8), records)
    assert [lanes for _, lanes, _ in moves] == [4, 2, 1]
    assert_as_alone(together, exactly=False)
    assert_each_epoch_once(records, together)


def test_a_smaller_crew_must_be_worth_its_compilation(moves):
    """It was all compiled before, and what is left here takes no time at all."""
    train_all(Strategy(8), [])
    assert moves == []
