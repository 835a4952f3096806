"""The run table: what it reads, what it keeps, what it says of folders that are broken."""

import os

import pandas as pd
import pyarrow.parquet as pq
import pytest
from made_runs import make_run, make_sweep

from snnjax.config.errors import ConfigError
from snnjax.report import cache
from snnjax.report.table import run_table, setting_columns, varying

TABLE = "runs.parquet"


@pytest.fixture
def sweep(tmp_path):
    """Return a sweep of eleven runs that differ in seed and learning rate."""
    folder = make_sweep(tmp_path / "sweep")
    for number in range(11):
        settings = {"seed": number, "optimizer.learning_rate": 0.1 if number % 2 else 0.01}
        make_run(folder / str(number), settings, validation=0.5 + number / 100, test=0.6)
    return folder


@pytest.fixture
def reads(monkeypatch):
    """Return the names of the run folders that are read."""
    found, read_row = [], cache.read_row

    def counted(folder):
        found.append(folder.name)
        return read_row(folder)

    monkeypatch.setattr(cache, "read_row", counted)
    return found


def test_there_is_a_row_for_each_run_in_the_order_of_their_numbers(sweep):
    runs = run_table([sweep]).runs
    assert list(runs["seed"]) == list(range(11))
    assert list(runs["folder"]) == [str(sweep / str(number)) for number in range(11)]
    row = runs.iloc[3]
    assert row["status"] == "done"
    assert (row["objective"], row["validation.accuracy"], row["test.accuracy"]) == (0.53, 0.53, 0.6)
    assert (row["rows.test"], row["checksum"], row["versions.jax"]) == (100, "ab" * 32, "0.10.2")
    assert (row["model.name"], row["optimizer.learning_rate"]) == ("snn", 0.1)


def test_only_what_is_new_or_changed_is_read_again(sweep, reads):
    cold = run_table([sweep]).runs
    assert len(reads) == 11
    reads.clear()
    pd.testing.assert_frame_equal(run_table([sweep]).runs, cold)
    assert not reads

    make_run(sweep / "11", {"seed": 11}, validation=0.9, test=0.9)
    make_run(sweep / "3", {"seed": 3}, validation=0.25, test=0.9)
    os.utime(sweep / "3" / "result.json", ns=(1, 1))
    runs = run_table([sweep]).runs
    assert sorted(reads) == ["11", "3"]
    assert list(runs["seed"]) == list(range(12))
    assert runs["objective"][3] == 0.25

    reads.clear()
    for name in ("0", "5"):
        os.rename(sweep / name, sweep.parent / name)
    assert list(run_table([sweep]).runs["seed"]) == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert not reads
    assert pq.read_metadata(sweep / TABLE).num_rows == 10


def test_runs_that_have_not_ended_are_read_every_time(sweep, reads):
    make_run(sweep / "11", {"seed": 11}, status="left")
    assert run_table([sweep]).runs["status"].iloc[-1] == "left"
    make_run(sweep / "11", {"seed": 11}, validation=0.7)
    reads.clear()
    assert run_table([sweep]).runs["status"].iloc[-1] == "done"
    assert reads == ["11"]


@pytest.mark.parametrize("content", [b"", b"PAR1 not really", b"PAR1" + bytes(50) + b"PAR1"])
def test_a_broken_table_is_built_anew_and_said(sweep, content):
    cold = run_table([sweep]).runs
    (sweep / TABLE).write_bytes(content)
    table = run_table([sweep])
    pd.testing.assert_frame_equal(table.runs, cold)
    assert len(table.notes) == 1
    assert f"{sweep / TABLE}: cannot be read, built anew" in table.notes[0]
    assert not run_table([sweep]).notes


def test_a_table_of_another_version_is_built_anew(sweep, reads, monkeypatch):
    run_table([sweep])
    reads.clear()
    monkeypatch.setattr(cache, "_VERSION", b"another")
    assert not run_table([sweep]).notes
    assert len(reads) == 11


def test_a_folder_that_cannot_be_written_has_no_table_and_says_so(sweep, monkeypatch):
    def refuse(path, content):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(cache, "write_whole", refuse)
    table = run_table([sweep])
    assert len(table.runs) == 11
    reason = "not written (Read-only file system); the runs are read again the next time"
    assert table.notes == [f"{sweep / TABLE}: {reason}"]
    assert not (sweep / TABLE).exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [("config.json", '{"mod'), ("result.json", '{"status": "do'), ("result.json", "[1]")],
)
def test_folders_written_by_halves_are_left_out_with_a_line(sweep, name, content):
    (sweep / "4" / name).write_text(content)
    table = run_table([sweep])
    assert list(table.runs["seed"]) == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert len(table.notes) == 1
    assert table.notes[0].startswith(f"left out: {sweep / '4' / name}: cannot be read")


def test_a_run_that_failed_is_there_with_its_reason(sweep):
    for name in ("3", "11"):
        (sweep / name).mkdir(exist_ok=True)
        (sweep / name / "error.json").write_text('{"message": "no memory", "exit_code": 1}')
    (sweep / "3" / "result.json").unlink()
    runs = run_table([sweep]).runs.set_index("folder")
    for name in ("3", "11"):
        row = runs.loc[str(sweep / name)]
        assert (row["status"], row["message"]) == ("failed", "no memory")
    assert runs.loc[str(sweep / "3"), "model.name"] == "snn"
    assert pd.isna(runs.loc[str(sweep / "11"), "model.name"])


def test_sweeps_are_stacked_though_their_columns_differ(tmp_path):
    first, second = make_sweep(tmp_path / "a"), make_sweep(tmp_path / "b")
    make_run(first / "0", {"data.validation": "default", "model.form": "conic"})
    make_run(second / "0", {"data.validation": 0.25, "own.key": [1, 2]})
    runs = run_table([tmp_path]).runs
    assert list(runs["data.validation"]) == ["default", "0.25"]
    assert list(runs["own.key"].fillna("")) == ["", "[1, 2]"]
    assert set(runs["home"]) == {str(first), str(second)}
    assert len(run_table([first, tmp_path, first]).runs) == 2


def test_a_run_alone_leaves_no_table_behind(sweep):
    assert list(run_table([sweep / "3"]).runs["seed"]) == [3]
    assert not list(sweep.rglob(TABLE))


@pytest.mark.parametrize(("name", "problem"), [("none", "no such folder"), ("a", "not a folder")])
def test_what_is_no_folder_is_refused(tmp_path, name, problem):
    (tmp_path / "a").write_text("")
    with pytest.raises(ConfigError, match=f"{name}: {problem}"):
        run_table([tmp_path / name])


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no runs below"):
        run_table([tmp_path])


def test_what_makes_a_trial_is_neither_seed_nor_fold_nor_data_nor_logging(sweep):
    settings = {"seed": 3, "data.fold": 2, "data.name": "wine", "logging.every": 7}
    make_run(sweep / "12", settings | {"sweep.study": "uci", "data.root": "/x"})
    make_run(sweep / "13", {"seed": 13, "model.depth": 3})
    runs = run_table([sweep]).runs
    assert varying(runs) == ["model.depth", "optimizer.learning_rate"]
    assert not {"test.accuracy", "rows.test", "versions.jax"} & set(setting_columns(runs))


def test_a_value_that_other_networks_lack_does_not_vary_but_null_does(tmp_path):
    sweep = make_sweep(tmp_path)
    make_run(sweep / "0", {"training.patience": None, "model.name": "snn", "svm.gamma": 0.1})
    make_run(sweep / "1", {"training.patience": 5, "model.name": "snn", "svm.gamma": 0.1})
    make_run(sweep / "2", {"training.patience": 5, "model.name": "msra"})
    assert varying(run_table([sweep]).runs) == ["model.name", "training.patience"]


def test_what_differs_between_data_sets_only_makes_no_trial(tmp_path):
    sweep = make_sweep(tmp_path)
    for number, (data, epochs, rate) in enumerate(
        [("mnist", 10, 0.1), ("mnist", 10, 0.01), ("cifar10", 20, 0.1)]
    ):
        settings = {"data.name": data, "training.epochs": epochs}
        make_run(sweep / str(number), settings | {"optimizer.learning_rate": rate})
    assert varying(run_table([sweep]).runs) == ["optimizer.learning_rate"]
