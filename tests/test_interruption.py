"""Ctrl-C ends a run at once, wherever Python happens to deliver it, and nothing written is lost."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from snnjax import interruption


def send_interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def send_interrupt_and_wait():
    send_interrupt()
    time.sleep(1)


def test_an_interrupt_that_a_callback_swallows_is_still_heard(capfd):
    """Exceptions in garbage collection callbacks are ignored, and with them the Ctrl-C."""

    def collect(phase, info):
        if phase == "start":
            send_interrupt()
            time.sleep(0.01)  # the handler runs here, inside the callback

    with interruption.heard():
        gc.callbacks.append(collect)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(collect)
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
    interruption.check()
    assert capfd.readouterr().err == ""


def test_the_handler_before_is_put_back():
    before, hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    with interruption.heard():
        assert signal.getsignal(signal.SIGINT) is not before
    assert (signal.getsignal(signal.SIGINT), sys.unraisablehook) == (before, hook)


def test_other_threads_hear_it_too():
    heard = threading.Event()

    def work():
        try:
            while True:
                interruption.check()
                time.sleep(0.001)
        except KeyboardInterrupt:
            heard.set()

    thread = threading.Thread(target=work)
    with interruption.heard():
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            send_interrupt_and_wait()
        thread.join(2)
    assert heard.is_set()


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [[], ["-m", "seed=0,1,2"]], ids=["run", "sweep"])
@pytest.mark.parametrize("seconds", [2.5, 5.0, 8.0])
def test_a_command_leaves_soon_after_an_interrupt(tmp_path, arguments, seconds):
    """During import, compilation and training; a started compilation is waited for."""
    settings = [
        *("experiment=quickstart", "training.epochs=1000000", "logging.wandb.mode=disabled"),
        *("hydra.run.dir=run", "hydra.sweep.dir=run"),
    ]
    command = [sys.executable, "-m", "snnjax.train", *arguments, *settings]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    began = time.perf_counter()
    _, complaint = process.communicate(timeout=60)
    assert time.perf_counter() - began < 20
    assert process.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in complaint
    for path in tmp_path.rglob("metrics.jsonl"):
        assert all(json.loads(line) for line in path.read_text().splitlines())
    assert not list(tmp_path.rglob("result.json"))
