"""Signals: which code they end with, when they raise, how much time they leave."""

import os
import signal
import time

import pytest

from snnjax import interruption


def send(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0.01)  # the handler runs here


@pytest.mark.parametrize(
    ("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGUSR1", 138), ("SIGUSR2", 140)]
)
def test_a_signal_is_heard_and_has_its_exit_code(name, code):
    before = signal.getsignal(getattr(signal, name))
    with interruption.heard(), pytest.raises(KeyboardInterrupt):
        send(getattr(signal, name))
    assert interruption.exit_code() == code
    assert code in interruption.EXIT_CODES
    assert signal.getsignal(getattr(signal, name)) is before


def test_the_first_signal_names_the_code():
    with interruption.heard():
        with interruption.deferred():
            send(signal.SIGUSR1)
            send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
    assert interruption.exit_code() == 138


def test_a_signal_waits_for_the_next_check_where_it_is_deferred():
    with interruption.heard(), interruption.deferred():
        send(signal.SIGTERM)
        assert interruption.is_asked()
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
        with interruption.unheard():
            interruption.check()
        with pytest.raises(KeyboardInterrupt):
            interruption.check()


def test_who_presses_ctrl_c_again_does_not_wait():
    with interruption.heard(), interruption.deferred():
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_the_grace_runs_from_the_first_request():
    assert interruption.seconds_left(10) is None
    with interruption.heard():
        interruption.ask()
        time.sleep(0.02)
        left = interruption.seconds_left(10)
        interruption.ask()
        assert interruption.seconds_left(10) <= left < 10
        assert interruption.seconds_left(0.01) == 0
    assert interruption.seconds_left(10) is None
