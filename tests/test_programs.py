"""How long a chunk is and how many rows are scored at once: bounded, and never nothing."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from snnjax import programs
from snnjax.config.schema import Config, TrainingConfig
from snnjax.config.split import split
from snnjax.shapes import Problem
from snnjax.strategy import Strategy


def make_state(members, weights):
    params = {"kernel": jax.ShapeDtypeStruct((members, weights), np.float32)}
    return SimpleNamespace(
        status=jax.ShapeDtypeStruct((members,), np.int32),
        train=SimpleNamespace(network=SimpleNamespace(params=params)),
    )


def make_problem(outputs, rows):
    return Problem("classification", 16, outputs, train_rows=(rows,), validation_rows=(rows // 4,))


WIDE_AND_DEEP = 16 * 1024 + 31 * 1024**2 + 1024 * 26


@pytest.mark.parametrize(
    ("members", "weights", "outputs", "rows", "length"),
    [
        (1, WIDE_AND_DEEP, 26, 13312, 1),  # an epoch takes longer than a chunk should
        (1, 500, 3, 128, 64),  # an epoch takes no time
        (64, 500, 3, 128, 64),
        (1024, 500, 128, 128, 8),  # 2112 bytes for each of 1024 members and 15 epochs
        (100_000, 500, 128, 128, 1),
        (1, 1_000_000, 10, 1024, 4),  # 6e9 operations an epoch
        (64, 1_000_000, 10, 1024, 1),
    ],
)
def test_chunks_are_as_long_as_they_may(members, weights, outputs, rows, length):
    state, problem = make_state(members, weights), make_problem(outputs, rows)
    assert programs._chunk_length(None, problem, Strategy(), state) == length


def test_an_accelerator_gets_longer_chunks(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    state = make_state(64, 1_000_000)
    assert programs._chunk_length(None, make_problem(10, 1024), Strategy(), state) == 64


@pytest.mark.parametrize(("rows", "length"), [(128, 64), (10_000, 8), (1_000_000, 1)])
def test_devices_that_share_rows_take_so_many_steps_at_once(rows, length):
    """A batch of 100: so that a signal is heard soon, however slow the network between them."""
    program, _ = split(Config(training=TrainingConfig(batch_size=100)))
    state, problem = make_state(1, 10), make_problem(3, rows)
    assert programs._chunk_length(program, problem, Strategy(rows=2), state) == length


@pytest.mark.parametrize(
    ("members", "outputs", "rows", "scored"),
    [
        (1, 26, 13312, 4096),
        (1, 3, 100, 104),  # not more than a split can have
        (1024, 128, 13312, 64),  # 32 MiB of scores
        (64, 2, 100_000, 4096),
        (10_000_000, 128, 1000, 1),
    ],
)
def test_scores_at_once_fit_into_memory(members, outputs, rows, scored):
    problem = make_problem(outputs, rows)
    assert programs._scored_rows(problem, make_state(members, 1)) == scored
