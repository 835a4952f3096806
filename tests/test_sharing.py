"""Several processes in one sweep folder, killed ones, full disks: no run twice, none lost."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

import snnjax
from snnjax import experiment, interruption, recorder, sweep
from snnjax.config.schema import Config, DataConfig, LoggingConfig, ModelConfig, TrainingConfig
from snnjax.config.schema import WandbConfig as Wandb
from snnjax.experiment import Means, Run
from snnjax.sinks.jsonl import lock_alone, read_evaluations
from snnjax.status import read_states

ROOT = Path(snnjax.__file__).parent.parent
# The program, noting which process wrote which result, and the objectives that it returned.
PROGRAM = """
import json, os, sys
from snnjax import app, multirun, recorder
write, run_jobs = recorder.write_json, multirun.run_jobs

def write_json(path, content):
    write(path, content)
    if path.name == "result.json":
        with open("trained", "a") as file:
            file.write(f"{os.getpid()} {path.parent.name}\\n")

def note_objectives(*arguments):
    objectives = run_jobs(*arguments)
    with open(f"objectives-{os.getpid()}", "w") as file:
        json.dump(objectives, file)
    return objectives

recorder.write_json, multirun.run_jobs = write_json, note_objectives
sys.exit(app.main())
"""
SETTINGS = (
    *("data.name=sklearn_wine", "model.depth=3", "model.width=16", "logging.progress=plain"),
    *("logging.wandb.mode=disabled", "hydra.sweep.dir=out", "model=snn,msra"),
    # one worker and small populations, so that there is something to share
    *("hydra.launcher.members=2", "hydra.launcher.workers=1"),
)

FOUR = ("out/0", "out/1", "out/2", "out/3")


def configs(count: int) -> list[Config]:
    return [
        Config(
            seed=seed,
            data=DataConfig(name="sklearn_wine"),
            model=ModelConfig(depth=2, width=8),
            training=TrainingConfig(epochs=4, batch_size=32),
            logging=LoggingConfig(progress="none", wandb=Wandb(mode="disabled")),
        )
        for seed in range(count)
    ]


def make_runs(folder: Path, count: int = 6) -> list[Run]:
    return [Run(config, folder / str(number)) for number, config in enumerate(configs(count))]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often the result of each run is written."""
    counts: Counter[str] = Counter()
    write = recorder.write_json

    def count(path: Path, content: dict[str, object]) -> None:
        if path.name == "result.json":
            counts[path.parent.name] += 1
        write(path, content)

    monkeypatch.setattr(recorder, "write_json", count)
    monkeypatch.setattr(sweep, "_LOOK_SECONDS", 0.05)
    return counts


def test_two_sweeps_in_one_folder_train_each_run_once(tmp_path, trained):
    ends: dict[int, list[sweep.Ended]] = {}

    def start(number: int) -> None:
        means = Means(members=1, workers=1)
        ends[number] = sweep.run_sweep(make_runs(tmp_path), tmp_path, means).ended

    threads = [threading.Thread(target=start, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trained == Counter({str(number): 1 for number in range(6)})
    one, other = ([end.objective for end in ends[number]] for number in range(2))
    assert one == other
    for statuses in zip(*([end.status for end in ends[n]] for n in range(2)), strict=True):
        assert sorted(statuses) == ["done", "skipped"]


def hold(path: Path) -> Callable[[], None]:
    """Take the lock of a run as another process would; return what lets it go."""
    path.parent.mkdir(parents=True)
    file = path.open("ab")
    lock_alone(file)
    return file.close


def test_what_another_process_leaves_undone_is_taken_over(tmp_path, trained, capsys):
    runs = make_runs(tmp_path, 3)
    threading.Timer(1.5, hold(tmp_path / "1/metrics.jsonl")).start()
    ended = sweep.run_sweep(runs, tmp_path).ended
    assert [end.status for end in ended] == ["done"] * 3
    assert trained == Counter({"0": 1, "1": 1, "2": 1})


def test_what_another_process_ends_is_not_repeated(tmp_path, trained):
    (theirs,) = sweep.run_sweep(make_runs(tmp_path / "theirs", 1), tmp_path).ended
    let_go = hold(tmp_path / "0/metrics.jsonl")

    def end() -> None:
        for name in ("config.json", "result.json"):
            (tmp_path / "0" / name).write_bytes((tmp_path / "theirs/0" / name).read_bytes())
        let_go()

    threading.Timer(1.5, end).start()
    ended = sweep.run_sweep(make_runs(tmp_path, 3), tmp_path).ended
    assert [end.status for end in ended] == ["skipped", "done", "done"]
    assert ended[0].objective == theirs.objective
    assert trained == Counter({"0": 1, "1": 1, "2": 1})  # "0" in the folder of theirs


def test_an_interruption_tells_what_has_ended(tmp_path, trained, monkeypatch):
    let_go = hold(tmp_path / "1/metrics.jsonl")

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    clock = SimpleNamespace(perf_counter=time.perf_counter, sleep=interrupt)
    monkeypatch.setattr(sweep, "time", clock)
    with pytest.raises(sweep.SweepInterrupted) as stop:
        sweep.run_sweep(make_runs(tmp_path, 3), tmp_path)
    let_go()
    assert {n: end.status for n, end in stop.value.ended.items()} == {0: "done", 2: "done"}
    assert stop.value.account["populations"] >= 1


@pytest.mark.parametrize(
    "place", ["data.load.read", "grouping.check", "sweep.run_population", "population.train"]
)
def test_what_an_interruption_breaks_did_not_fail(tmp_path, trained, monkeypatch, place):
    """An import, say, that Ctrl-C ends fails with an error of its own, and swallows the Ctrl-C."""

    def break_down(*_: object, **__: object) -> None:
        interruption.ask()
        raise ImportError("numpy._core.multiarray failed to import")

    monkeypatch.setattr(f"snnjax.{place}", break_down)
    try:
        with pytest.raises(sweep.SweepInterrupted) as stop:
            sweep.run_sweep(make_runs(tmp_path, 2), tmp_path)
    finally:
        interruption.withdraw()
    assert stop.value.ended == {}
    assert not trained


def test_a_file_system_without_locks_is_trained_on_all_the_same(tmp_path, trained, monkeypatch):
    from snnjax.sinks import jsonl

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(jsonl.fcntl, "flock", refuse)
    ended = sweep.run_sweep(make_runs(tmp_path, 2), tmp_path).ended
    assert [end.status for end in ended] == ["done", "done"]


@pytest.mark.parametrize("is_glance", [True, False], ids=["a glance", "a run"])
def test_a_start_is_not_refused_because_someone_looks_at_the_lock(tmp_path, monkeypatch, is_glance):
    """Whoever asks whether a run is under way holds its lock for a moment."""
    from snnjax.sinks import jsonl

    path = tmp_path / "0/metrics.jsonl"
    path.parent.mkdir()
    path.touch()
    file, naps = path.open("rb"), []
    jsonl.fcntl.flock(file, jsonl.fcntl.LOCK_SH)

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if is_glance:
            file.close()

    monkeypatch.setattr(jsonl, "time", SimpleNamespace(sleep=nap))
    (run,) = make_runs(tmp_path, 1)
    refusal = pytest.raises(OSError, match="another process is training in this folder")
    with nullcontext() if is_glance else refusal:
        assert experiment.run(run.config, run.folder).status == "done"
    file.close()
    assert 1 <= len(naps) <= 10
    assert sum(naps) <= 0.1


def test_the_code_that_a_run_is_made_by_is_that_of_its_start(tmp_path, monkeypatch):
    runs = make_runs(tmp_path, 1)
    digests = iter(["at the start", "at the start", "at the start"])
    monkeypatch.setattr(recorder, "code_digest", lambda config: next(digests, "edited since"))
    train = sweep.run_population

    def edit_meanwhile(*arguments, **keywords):
        results = train(*arguments, **keywords)
        assert recorder.code_digest(runs[0].config) == "edited since"
        return results

    monkeypatch.setattr(sweep, "run_population", edit_meanwhile)
    sweep.run_sweep(runs, tmp_path)
    result = json.loads((tmp_path / "0/result.json").read_text())
    assert result["versions"]["code"] == "at the start"


# --- real processes -----------------------------------------------------------------------------


class Started:
    """A process in a session of its own, with what it prints."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-c", PROGRAM, "-m", *SETTINGS, *arguments]
        self.process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def wait(self) -> int:
        self.out, self.err = self.process.communicate(timeout=300)
        return self.process.returncode

    def table(self) -> str:
        """Return the summary that it printed at the end."""
        return self.out[self.out.index("\nrun ") :]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    started: list[Started] = []

    def begin(*arguments: str) -> Started:
        started.append(Started(tmp_path, *arguments))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.wait()


def trained_runs(folder: Path) -> Counter[str]:
    lines = (folder / "trained").read_text().split("\n")[:-1]
    return Counter(line.split()[1] for line in lines)


def wait_for_results(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while len([*folder.glob("out/*/result.json")]) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def contents(folder: Path, names: Sequence[str]) -> dict[str, tuple[bytes, int]]:
    files = [path for name in names for path in (folder / name).rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def check_complete(folder: Path, runs: int, epochs: int) -> None:
    assert set(read_states(folder / "out").values()) == {"done"}
    results = [*folder.glob("out/*/result.json")]
    assert len(results) == runs
    for path in results:
        lines = read_evaluations(path.parent / "metrics.jsonl")
        assert [e.epoch for e in lines if e.split == "train"] == [*range(1, epochs + 1)]
        assert not (path.parent / "error.json").exists()


@pytest.mark.slow
def test_two_processes_share_a_sweep(start, tmp_path):
    both = [start("seed=range(6)", "training.epochs=300") for _ in range(2)]
    assert [one.wait() for one in both] == [0, 0]
    check_complete(tmp_path, 12, 300)
    assert trained_runs(tmp_path) == Counter({str(number): 1 for number in range(12)})
    assert both[0].table() == both[1].table()
    assert "failed" not in both[0].out + both[1].out
    one, other = (json.loads(path.read_text()) for path in tmp_path.glob("objectives-*"))
    assert one == other
    assert len(one) == 12


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_one_takes_over_from_another_that_is_stopped(start, tmp_path, how):
    both = [start("seed=range(6)", "training.epochs=3000") for _ in range(2)]
    wait_for_results(tmp_path, 2)
    both[0].process.send_signal(how)
    assert both[0].wait() == (130 if how == signal.SIGINT else -how)
    if how == signal.SIGINT:
        assert "hydra.sweep.dir=" in both[0].out
        assert "Traceback" not in both[0].err
        account = json.loads((tmp_path / "out/sweep.json").read_text())
        assert account["interrupted"]
        assert account["runs"] == 12
    assert both[1].wait() == 0, both[1].err
    check_complete(tmp_path, 12, 3000)
    assert trained_runs(tmp_path) == Counter({str(number): 1 for number in range(12)})


@pytest.mark.slow
def test_a_killed_sweep_goes_on_and_grows(start, tmp_path):
    """What is done is left as it is; numbers equal those of a sweep that was never killed."""
    first = start("seed=range(4)", "training.epochs=3000")
    wait_for_results(tmp_path, 2)
    first.process.kill()
    first.wait()
    done = [path.parent.name for path in tmp_path.glob("out/*/result.json")]
    assert 2 <= len(done) < 8
    before = contents(tmp_path / "out", done)
    second = start("seed=range(5)", "training.epochs=3000")
    assert second.wait() == 0, second.err
    assert before == contents(tmp_path / "out", done)
    check_complete(tmp_path, 10, 3000)
    assert trained_runs(tmp_path) == Counter({str(number): 1 for number in range(10)})
    (tmp_path / "out").rename(tmp_path / "killed")
    whole = start("seed=range(5)", "training.epochs=3000")
    assert whole.wait() == 0
    assert numbers(tmp_path / "killed") == numbers(tmp_path / "out")


def numbers(folder: Path) -> dict[tuple[str, int], tuple[object, bytes]]:
    """Return what was measured, by method and seed."""
    found = {}
    for path in folder.glob("*/result.json"):
        config = json.loads((path.parent / "config.json").read_text())
        metrics = json.loads(path.read_text())["metrics"]
        own = (config["model"]["name"], config["seed"])
        found[own] = (metrics, (path.parent / "metrics.jsonl").read_bytes())
    return found


@pytest.mark.slow
def test_results_of_other_source_code_are_refused(start, tmp_path):
    arguments = ("seed=0,1", "training.epochs=3")
    assert start(*arguments).wait() == 0
    for number, code in (("0", "0123456789ab"), ("1", "0123456789ab"), ("2", None)):
        path = tmp_path / "out" / number / "result.json"
        result = json.loads(path.read_text())
        result["versions"] |= {"code": code}
        path.write_text(json.dumps(result))
    before = contents(tmp_path, FOUR)
    refused = start(*arguments)
    assert refused.wait() == 2
    assert refused.err.count("comes from other source code (0123456789ab, now ") == 1
    assert refused.err.count("(2 of 4 runs)") == 1
    assert refused.err.count("(1 of 4 runs)") == 1
    mixed = start(*arguments, "sweep.mix_versions=true")
    assert mixed.wait() == 0
    assert before == contents(tmp_path, FOUR)
    assert trained_runs(tmp_path) == Counter({str(number): 1 for number in range(4)})


@pytest.mark.slow
def test_a_sweep_folder_that_takes_no_list_is_trained_in(start, tmp_path):
    for name in ("runs.jsonl", "sweep.json"):
        (tmp_path / "out" / name).mkdir(parents=True)
    one = start("seed=0", "training.epochs=3")
    assert one.wait() == 0
    assert one.err.count("snnjax: the list of runs is not written") == 1
    assert one.err.count("snnjax: the account of the sweep is not written") == 1
    assert len([*tmp_path.glob("out/*/result.json")]) == 2
