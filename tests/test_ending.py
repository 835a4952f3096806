"""Who ends before the others has the numbers it would have had, and a result at once."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import QUIET
from varied_members import CHUNK, EPOCHS, SETS, alone, assert_as_alone, layout, make_varied

from snnjax import ending, population, programs, sweep
from snnjax.compilation import program_count
from snnjax.config.schema import Config, DataConfig, ModelConfig, TrainingConfig
from snnjax.ending import Ended
from snnjax.experiment import Means, Run
from snnjax.outcomes import EpochRecord, Outcome
from snnjax.recorder import is_in_use
from snnjax.sinks.jsonl import MetricsFile
from snnjax.strategy import Strategy


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch):
    monkeypatch.setattr(programs, "_MAX_CHUNK", CHUNK)


@pytest.fixture
def at_once(monkeypatch):
    """Tell of members as soon as they are known to have ended."""
    monkeypatch.setattr(ending, "_WAIT_SECONDS", 0.0)
    monkeypatch.setattr(ending, "_PARTS", 0.0)


def train(strategy):
    program, members = make_varied()
    told, epochs = [], [0] * len(members)

    def note(record):
        epochs[record.member] = record.epoch

    def tell(ended):
        told.append((ended, list(epochs)))

    trained = population.train(
        program, members, layout(), note, tell=tell, sets=SETS, strategy=strategy
    )
    return trained, told


@pytest.mark.parametrize("lanes", [1, 2, 8])
def test_those_that_end_early_are_told_early_and_once(lanes, at_once, monkeypatch):
    alone()
    monkeypatch.setattr(ending, "_WAIT_SECONDS", 1e9)
    late, told = train(Strategy(lanes))
    assert [len(ended.outcomes) for ended, _ in told] == [len(EPOCHS)]
    known = program_count()
    monkeypatch.setattr(ending, "_WAIT_SECONDS", 0.0)
    early, told = train(Strategy(lanes))
    assert program_count() == known
    assert len(told) > 3
    assert sorted(n for ended, _ in told for n in ended.outcomes) == list(range(len(EPOCHS)))
    for ended, epochs in told[:-1]:
        assert all(epochs[n] == EPOCHS[n] for n in ended.outcomes)
        assert epochs[1] < EPOCHS[1]
    assert early.outcomes == late.outcomes
    assert_as_alone(early, exactly=lanes == 1)


def test_those_of_a_smaller_crew_are_told_too(at_once, monkeypatch):
    monkeypatch.setattr(population, "_WORTH", -1e9)
    trained, told = train(Strategy(8))
    assert len(told) > 3
    assert_as_alone(trained, exactly=False)


def test_only_those_that_ended_are_scored(at_once, monkeypatch):
    real, scored = population.prepare, []

    def prepare(*arguments):
        ready = real(*arguments)

        def score(state, seats, table, first, count, place):
            scored.append(np.flatnonzero(count))
            return ready.score(state, seats, table, first, count, place)

        score.memory_analysis = ready.score.memory_analysis
        return ready._replace(score=score)

    monkeypatch.setattr(population, "prepare", prepare)
    _, told = train(Strategy())
    ends = [sorted(ended.outcomes) for ended, _ in told]
    for members in scored:
        assert members.tolist() in ends
    assert len(scored) == 3 * len(ends)  # splits


def test_scoring_takes_a_small_part_of_the_time(at_once, monkeypatch):
    """However long it takes, and with a clock that tells no other time."""
    monkeypatch.setattr(ending, "_PARTS", 1e9)
    _, told = train(Strategy())
    assert len(told) == 2


@pytest.fixture
def in_one_population(monkeypatch):
    monkeypatch.setattr("snnjax.strategy._TURNS", 1)


def make_runs(folder):
    base = Config(
        data=DataConfig(name="sklearn_wine"),
        model=ModelConfig(depth=2, width=8),
        training=TrainingConfig(epochs=3, batch_size=32),
        logging=QUIET,
    )
    long = replace(base, training=replace(base.training, epochs=40))
    return [Run(base, folder / "0"), Run(long, folder / "1"), Run(base, folder / "2")]


def results(folder):
    return {p.parent.name: json.loads(p.read_text()) for p in folder.glob("*/result.json")}


def test_a_killed_population_has_the_results_of_those_that_had_ended(
    at_once, in_one_population, tmp_path, monkeypatch
):
    """They are there, let go and not trained again, though the population never came to its end."""
    runs, means = make_runs(tmp_path), Means(members=3, workers=1)
    write, seen = MetricsFile.write, []

    def die(self, evaluation):
        if evaluation.epoch == 30:
            seen.append([is_in_use(run.folder) for run in runs])
            raise KeyboardInterrupt
        write(self, evaluation)

    monkeypatch.setattr(MetricsFile, "write", die)
    with pytest.raises(KeyboardInterrupt):
        sweep.run_sweep(runs, tmp_path, means)
    assert seen == [[False, True, False]]
    before = results(tmp_path)
    assert set(before) == {"0", "2"}
    monkeypatch.undo()
    ended = sweep.run_sweep(runs, tmp_path, means).ended
    assert [end.status for end in ended] == ["skipped", "done", "skipped"]
    after = results(tmp_path)
    assert {name: after[name] for name in before} == before


def test_an_error_is_of_those_only_that_had_not_ended(
    at_once, in_one_population, tmp_path, monkeypatch
):
    runs, write = make_runs(tmp_path), population.report_news

    def fail(news, *arguments):
        if news["first"].max() >= 20:
            raise RuntimeError("a bug")
        write(news, *arguments)

    monkeypatch.setattr(population, "report_news", fail)
    first, long, last = sweep.run_sweep(runs, tmp_path, Means(members=3, workers=1)).ended
    assert (first.status, str(long), last.status) == ("done", "a bug", "done")
    assert set(results(tmp_path)) == {"0", "2"}


def test_times_add_up(at_once, in_one_population, tmp_path):
    sweep.run_sweep(make_runs(tmp_path), tmp_path, Means(members=3, workers=1))
    written = results(tmp_path).values()
    whole = max(result["strategy"]["population_seconds"] for result in written)
    assert sum(result["training_seconds"] for result in written) == pytest.approx(whole, abs=2e-3)
    assert len({result["strategy"]["population_seconds"] for result in written}) == 2


def test_who_was_told_of_is_not_heard_of_again(monkeypatch):
    """A second attempt, after memory did not suffice, may train a member an epoch longer."""
    program, members = make_varied()
    outcome = Outcome("done", 1, 1, 1, 4, {})
    heard = []

    def attempts(_, audience):
        audience.report(EpochRecord(0, 1, 4, {}))
        audience.tell(Ended({0: outcome}, {}, 1.0, 0.0))
        for member in (0, 1):
            audience.report(EpochRecord(member, 2, 8, {}))
        audience.tell(Ended(dict.fromkeys(range(len(members)), outcome), {}, 2.0, 0.0))
        return population.Trained([], None, {}, 2.0, 0.0)

    monkeypatch.setattr(population, "_fit", attempts)
    population.train(
        program,
        members,
        layout(),
        lambda record: heard.append((record.member, record.epoch)),
        tell=lambda ended: heard.append([*ended.outcomes]),
        sets=SETS,
    )
    assert heard == [(0, 1), [0], (1, 2), list(range(1, len(members)))]
