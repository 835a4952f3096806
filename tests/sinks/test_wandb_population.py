"""A population's wandb run: its curves and its table, read back from an offline run."""

import json
import math

import pytest

from snnjax.config.schema import LoggingConfig, WandbConfig
from snnjax.sinks import Evaluation, open_sinks
from snnjax.sinks.curves import Curves
from snnjax.sinks.member_table import common_config, member_table, varying_keys
from snnjax.sinks.wandb_population import open_population

from .wandb_files import inspect, rows_on_disk

pytestmark = pytest.mark.usefixtures("wandb")

CONFIG = WandbConfig(mode="offline", per="population")
LOGGING = LoggingConfig(progress="none", wandb=CONFIG)
RATES = (0.1, 0.2, 0.4)


@pytest.fixture
def members(make_run, tmp_path):
    """Three runs of two epochs that differ in their learning rate."""
    sweep = tmp_path / "widths"
    return [
        make_run(
            folder=sweep / str(number),
            epochs=2,
            sweep=sweep,
            fingerprint=f"f{number}",
            config={"seed": 0, "optimizer": {"name": "sgd", "learning_rate": rate}},
        )
        for number, rate in enumerate(RATES)
    ]


def result(status="done", accuracy=0.5):
    metrics = {"validation": {"accuracy": accuracy}, "test": {"accuracy": 0.25}}
    return {"status": status, "best_epoch": 1, "epochs": 2, "metrics": metrics}


def written(sweep):
    """Return the rows of the one run below `sweep`, the table apart, and its overview."""
    [folder] = (sweep / "wandb").glob("offline-run-*")
    [table] = folder.glob("files/media/table/*.table.json")
    rows = [row for row in rows_on_disk(folder) if "runs._type" not in row]
    return rows, json.loads(table.read_text()), json.loads(inspect(folder, "--summary"))


def test_a_population_is_one_run_with_curves_and_a_table(members, epoch_of, capfd):
    sweep = members[0].sweep
    with open_population(CONFIG, sweep, "digits-p0", members) as shares:
        for number, share in enumerate(shares):
            for epoch in (1, 2):
                for evaluation in epoch_of(epoch, (number + epoch) / 8):
                    share.write(evaluation)
        for number, share in enumerate(shares):
            share.finish(result(accuracy=(0.5, 0.75, 0.25)[number]))
            share.close()
    rows, table, overview = written(sweep)
    name = "validation/accuracy"
    assert rows == [
        {
            "epoch": epoch,
            f"{name}/mean": (1 + epoch) / 8,
            f"{name}/min": epoch / 8,
            f"{name}/max": (2 + epoch) / 8,
            f"{name}/members": 3,
        }
        for epoch in (1, 2)
    ]
    assert table["columns"] == [
        *("run", "optimizer.learning_rate", "status", "best_epoch", "epochs"),
        *("validation/accuracy", "test/accuracy", "fingerprint"),
    ]
    assert table["data"] == [
        ["0", 0.1, "done", 1, 2, 0.5, 0.25, "f0"],
        ["1", 0.2, "done", 1, 2, 0.75, 0.25, "f1"],
        ["2", 0.4, "done", 1, 2, 0.25, 0.25, "f2"],
    ]
    assert (overview["name"], overview["state"]) == ("digits-p0", "finished")
    varying = ["optimizer.learning_rate"]
    assert overview["config"] == {
        "seed": 0, "optimizer": {"name": "sgd"}, "members": 3, "varying": varying
    }  # fmt: skip
    summary = overview["summary"]
    assert (summary["runs"], summary["done"]) == (3, 3)
    assert (summary["best/validation/accuracy"], summary["best_run"]) == (0.75, "1")
    assert capfd.readouterr() == ("", "")


def test_the_group_of_a_population_is_its_sweep(members):
    sweep = members[0].sweep
    with open_population(CONFIG, sweep, "p0", members):
        pass
    [folder] = (sweep / "wandb").glob("offline-run-*")
    records = [json.loads(line) for line in inspect(folder).splitlines()]
    [opened] = [record["run"] for record in records if record["type"] == "run"]
    assert opened["run_group"] == "widths"


def test_runs_feed_their_population_through_their_sinks_and_have_no_wandb_of_their_own(
    members, epoch_of
):
    sweep = members[0].sweep

    def interrupted():
        with open_population(CONFIG, sweep, "p0", members[:1]) as [share]:  # noqa: SIM117
            with open_sinks(LOGGING, members[0], share) as sinks:
                sinks.write(epoch_of(1, 0.5)[1])
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    rows, table, overview = written(sweep)
    assert [row["epoch"] for row in rows] == [1]
    assert table["columns"][:5] == ["run", "status", "best_epoch", "epochs", "error"]
    assert table["data"][0][1] == "interrupted"
    assert (overview["state"], overview["exit_code"]) == ("failed", 1)
    assert [path.name for path in members[0].folder.iterdir()] == ["metrics.jsonl"]


def test_members_that_fail_or_diverge_do_so_alone(members):
    sweep = members[0].sweep
    with open_population(CONFIG, sweep, "p0", members) as shares:
        shares[0].finish({"status": "failed", "error": "OSError: full"})
        shares[1].finish(result("diverged", accuracy=math.nan))
    _, table, overview = written(sweep)
    statuses = [row[table["columns"].index("status")] for row in table["data"]]
    accuracies = [row[table["columns"].index("validation/accuracy")] for row in table["data"]]
    assert (statuses, accuracies) == (["failed", "diverged", "failed"], [None, None, None])
    assert overview["exit_code"] == 0
    assert (overview["summary"]["failed"], overview["summary"]["diverged"]) == (2, 1)
    assert "best_run" not in overview["summary"]


@pytest.mark.parametrize(
    "config", [WandbConfig(per="job"), WandbConfig(mode="disabled", per="population")]
)
def test_no_population_is_opened_where_none_is_asked_for(members, config):
    sweep = members[0].sweep
    with open_population(config, sweep, "p0", members) as shares:
        assert shares == [None, None, None]
    assert not sweep.exists()


def test_a_table_that_cannot_be_kept_costs_the_curves_nothing(
    members, epoch_of, wandb, monkeypatch, capsys
):
    def refuse(**_):
        raise PermissionError("Unable to write staging files")

    monkeypatch.setattr(wandb, "Table", refuse)
    sweep = members[0].sweep
    with open_population(CONFIG, sweep, "p0", members[:1]) as [share]:
        share.write(epoch_of(1, 0.5)[1])
        share.finish(result())
    [folder] = (sweep / "wandb").glob("offline-run-*")
    assert [row["epoch"] for row in rows_on_disk(folder)] == [1]
    assert json.loads(inspect(folder, "--summary"))["state"] == "finished"
    assert "takes no table of the runs (Unable to write" in capsys.readouterr().err


def test_a_wandb_that_does_not_start_is_one_warning(members, epoch_of, monkeypatch, capsys):
    def fail():
        raise ImportError("no wandb here")

    monkeypatch.setattr("snnjax.sinks.wandb_thread.load_wandb", fail)
    with (
        open_population(CONFIG, members[0].sweep, "p0", members) as shares,
        open_sinks(LOGGING, members[0], shares[0]) as sinks,
    ):
        sinks.write(epoch_of(1, 0.5)[1])
        sinks.finish(result())
    assert capsys.readouterr().err.splitlines() == [
        "snnjax: wandb did not start (ImportError: no wandb here); metrics.jsonl is complete"
    ]


def accuracy(epoch, value):
    return Evaluation(epoch, epoch, "validation", {"accuracy": value})


def test_an_epoch_is_a_row_once_every_member_has_passed_it_or_ended(members):
    curves = Curves(members)
    for epoch in (1, 2):
        curves.add(0, accuracy(epoch, 0.5))
    assert list(curves.settled()) == []
    curves.add(1, accuracy(1, 0.25))
    assert list(curves.settled()) == []
    curves.end(2)
    [first] = curves.settled()
    assert (first["epoch"], first["validation/accuracy/mean"]) == (1, 0.375)
    curves.add(1, accuracy(2, 1.0))
    [second] = curves.settled()
    assert (second["epoch"], second["validation/accuracy/max"]) == (2, 1.0)
    assert list(curves.settled()) == []


def test_what_is_not_finite_is_left_out_of_the_curves(members):
    curves = Curves(members)
    for member, value in enumerate((0.25, math.nan, math.inf)):
        curves.add(member, accuracy(1, value))
        curves.end(member)
    [row] = curves.settled()
    name = "validation/accuracy"
    assert row == {
        "epoch": 1, f"{name}/mean": 0.25, f"{name}/min": 0.25, f"{name}/max": 0.25,
        f"{name}/members": 1,
    }  # fmt: skip


def test_splits_that_are_not_watched_do_not_enter_the_curves(members):
    curves = Curves(members[:1])
    curves.add(0, Evaluation(1, 1, "train", {"accuracy": 0.5}))
    curves.add(0, Evaluation(1, 1, "validation", {"loss": 0.5}))
    curves.end(0)
    assert list(curves.settled()) == []


def test_keys_vary_where_a_value_differs_or_is_missing():
    configs = [
        {"seed": 0, "optimizer": {"name": "sgd", "rate": 0.1}, "clip": None},
        {"seed": 0, "optimizer": {"name": "sgd", "rate": 0.2}, "clip": 1.0},
        {"seed": 0, "optimizer": {"name": "sgd", "rate": 0.1, "extra": [1]}, "clip": None},
    ]
    keys = varying_keys(configs)
    assert keys == ("optimizer.rate", "clip", "optimizer.extra")
    assert common_config(configs[2], keys) == {"seed": 0, "optimizer": {"name": "sgd"}}
    assert varying_keys(configs[:1]) == ()


def test_the_table_holds_what_strict_json_can_say(members):
    odd = {**members[0].config, "extra": (1, 2)}
    run = type(members[0])(**{**vars(members[0]), "config": odd})
    columns, rows = member_table([run], ("extra",), [result(accuracy=math.inf)])
    row = dict(zip(columns, rows[0], strict=True))
    assert (row["extra"], row["validation/accuracy"], row["run"]) == ("(1, 2)", None, "0")
    json.dumps(rows, allow_nan=False)
