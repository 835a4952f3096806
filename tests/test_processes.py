"""What processes tell one another, with the store of words that JAX gives them left out."""

import signal
import time

import jax
import numpy as np
import pytest

from snnjax import interruption, messages, multirun, processes
from snnjax.config.errors import ConfigError
from snnjax.experiment import Means
from snnjax.processes import Stopped, _Company


class Words:
    """What several processes say, as JAX's client keeps it."""

    def __init__(self):
        self.said = {}

    def key_value_set(self, name, text):
        self.said[name] = text

    def blocking_key_value_get(self, name, milliseconds):
        if name not in self.said:
            raise jax.errors.JaxRuntimeError("DEADLINE_EXCEEDED: nobody says so")
        if self.said[name] is None:
            raise jax.errors.JaxRuntimeError("UNAVAILABLE: nobody is there")
        return self.said[name]


@pytest.fixture
def words(monkeypatch):
    own = Words()
    monkeypatch.setattr(messages, "_client", lambda: own)
    return own


@pytest.fixture
def become(monkeypatch):
    def become(index, count=3):
        monkeypatch.setattr(processes, "_company", _Company(count, index))
        monkeypatch.setitem(messages._told, "count", 0)

    return become


def voting(monkeypatch, *others):
    """Let other processes vote; arrays are gathered as JAX does."""
    from jax.experimental import multihost_utils

    monkeypatch.setattr(
        multihost_utils, "process_allgather", lambda own: np.stack([own, *map(np.array, others)])
    )


def test_messages_arrive_in_their_order(words, become):
    become(0)
    messages.go(True, 7)
    messages.say_goodbye(3)
    become(2)
    assert messages.listen() == {"do": "train", "resumes": True, "epoch": 7}
    assert messages.listen() == {"do": "leave", "code": 3}


def test_who_cannot_train_a_run_is_named(words, become):
    words.said = {"snnjax/answer/1/1": "", "snnjax/answer/1/2": "on n2: table holds other data"}
    become(0)
    with pytest.raises(ConfigError, match=r"^process 2 on n2: table holds other data$"):
        messages.call({"seed": 1}, "abc", {})


def test_alone_nothing_is_said(words):
    messages.call({}, "abc", {})
    messages.go(False, 0)
    messages.say_goodbye(0)
    assert not words.said
    assert processes.from_first({"a": 1}) == {"a": 1}
    assert processes.agree(True)
    assert not processes.agree(False)


def test_a_lost_process_is_told(words, become):
    become(1)
    words.said["snnjax/told/0"] = None
    with pytest.raises(ConnectionError, match="gone"):
        messages.listen()
    assert processes.is_broken()


def test_waiting_for_answers_can_be_interrupted(words, become):
    become(0)
    interruption.ask()
    try:
        with pytest.raises(KeyboardInterrupt):
            messages.answers()
    finally:
        interruption.withdraw()


@pytest.mark.parametrize(("others", "agreed"), [([0, 0], False), ([0, 1], True)])
def test_one_wish_is_enough(others, agreed, become, monkeypatch):
    become(0, 2)
    voting(monkeypatch, others)
    assert processes.agree(False) is agreed


def test_all_stop_where_one_was_asked_to(become, monkeypatch):
    """With the exit code that the signal stands for, and not before they agree."""
    become(0, 2)
    voting(monkeypatch, [10, 0])
    try:
        with pytest.raises(Stopped), processes.in_step():
            processes.agree(False)
        assert interruption.is_asked()
        assert interruption.exit_code() == 138
        with processes.in_step():
            interruption.check()
        assert not processes.is_broken()
    finally:
        interruption.withdraw()
        interruption._last["signal"] = 2


def test_the_grace_begins_when_all_agree(become, monkeypatch):
    """However long the chunk took, what is in hand can then be saved."""
    become(0, 2)
    voting(monkeypatch, [0, 0])
    try:
        interruption.ask(signal.SIGTERM)
        monkeypatch.setitem(interruption._last, "time", time.monotonic() - 100)
        assert interruption.seconds_left(50) == 0
        with pytest.raises(Stopped):
            processes.agree(False)
        assert 0 < interruption.seconds_left(50) <= 50
    finally:
        interruption.withdraw()
        interruption._last["signal"] = 2


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (jax.errors.JaxRuntimeError("Gloo all-reduce failed: closed"), ConnectionError),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: memory"), jax.errors.JaxRuntimeError),
        (OSError("the disk is full"), OSError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_an_error_in_the_middle_parts_them(error, raised, become):
    become(0, 2)
    with pytest.raises(raised), processes.in_step():
        raise error
    assert processes.is_broken()


def test_a_sweep_is_refused_as_a_whole(become, tmp_path):
    become(0, 2)
    with pytest.raises(ConfigError, match="2 processes train one run at a time; allowed: basic"):
        multirun.run_jobs([], tmp_path, Means())
