"""Who writes checkpoints and who tidies them at the same time: nobody's files are lost."""

import contextlib
import fcntl

import pytest

from snnjax.checkpoint import shelf as module
from snnjax.checkpoint.shelf import claim, tidy
from snnjax.checkpoint.store import TEMPORARY
from snnjax.sinks.jsonl import is_locked


@pytest.fixture
def shelf(tmp_path):
    return tmp_path / "checkpoints"


def begin_to_write(shelf, writer):
    path = shelf / f"{writer}-000000{TEMPORARY}"
    path.mkdir()
    return path


def test_what_the_dead_left_is_removed(shelf):
    shelf.mkdir()
    begin_to_write(shelf, "dead")
    (shelf / "dead.lock").touch()
    with claim(shelf, "alive"):
        own = begin_to_write(shelf, "alive")
        tidy(shelf, 1)
        assert sorted(shelf.iterdir()) == [own, shelf / "alive.lock"]
    tidy(shelf, 1)
    assert not shelf.exists()


@pytest.mark.parametrize("times", [1, 3])
def test_a_lock_that_is_removed_before_it_is_held_is_made_again(shelf, monkeypatch, times):
    """Between opening and locking it, others see an unlocked file, and an empty folder."""
    flock, others = fcntl.flock, iter(range(times))

    def late(file, operation):
        if operation & fcntl.LOCK_EX and next(others, None) is not None:
            (shelf / "one.lock").unlink()
            shelf.rmdir()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with claim(shelf, "one"):
        assert next(others, None) is None
        assert is_locked(shelf / "one.lock")
        own = begin_to_write(shelf, "one")
        tidy(shelf, 1)
        assert own.exists()


def test_a_lock_that_is_always_removed_is_told(shelf, monkeypatch):
    flock = fcntl.flock

    def late(file, operation):
        (shelf / "one.lock").unlink()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(OSError, match=r"again and again.*one\.lock"), claim(shelf, "one"):
        pass


def test_a_lock_that_is_had_just_before_it_is_removed_stays(shelf, monkeypatch):
    """Who tidies saw it unlocked, and its writer locks it then."""
    with claim(shelf, "one"):
        own = begin_to_write(shelf, "one")
        monkeypatch.setattr(module, "is_locked", lambda _: False)
        tidy(shelf, 1)
        assert is_locked(shelf / "one.lock")
        assert own.exists()


def test_who_begins_while_others_tidy_is_left_alone(shelf, monkeypatch):
    shelf.mkdir()
    (shelf / "dead.lock").touch()
    with contextlib.ExitStack() as stack:
        begun = []

        def meanwhile(path):
            if not begun:
                stack.enter_context(claim(shelf, "one"))
                begun.append(begin_to_write(shelf, "one"))
            return is_locked(path)

        monkeypatch.setattr(module, "is_locked", meanwhile)
        tidy(shelf, 1)
        assert begun[0].exists()
        assert not (shelf / "dead.lock").exists()
