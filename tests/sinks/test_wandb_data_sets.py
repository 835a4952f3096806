"""A population's wandb run where members train on different data sets: never an average of them."""

import json

import pytest

from snnjax.config.schema import WandbConfig
from snnjax.sinks.wandb_population import open_population

from .wandb_files import inspect, rows_on_disk

pytestmark = pytest.mark.usefixtures("wandb")

CONFIG = WandbConfig(mode="offline", per="population")
# The accuracies of runs 0 to 3 in their only epoch.
ACCURACIES = (0.25, 0.75, 0.5, 1.0)


def mirror(make_run, epoch_of, sweep, names):
    """Train a member on each data set; return rows, table and overview of the wandb run."""
    members = [
        make_run(
            folder=sweep / str(number),
            epochs=1,
            sweep=sweep,
            config={"data": {"name": name, "fold": 0}, "seed": number},
        )
        for number, name in enumerate(names)
    ]
    with open_population(CONFIG, sweep, "p0", members) as shares:
        for share, accuracy in zip(shares, ACCURACIES, strict=True):
            for evaluation in epoch_of(1, accuracy):
                share.write(evaluation)
            metrics = {"validation": {"accuracy": accuracy}}
            share.finish({"status": "done", "best_epoch": 1, "epochs": 1, "metrics": metrics})
    [folder] = (sweep / "wandb").glob("offline-run-*")
    [table] = folder.glob("files/media/table/*.table.json")
    rows = [row for row in rows_on_disk(folder) if "runs._type" not in row]
    return rows, json.loads(table.read_text()), json.loads(inspect(folder, "--summary"))


def test_each_data_set_has_its_own_curves_and_best_run(make_run, epoch_of, tmp_path):
    rows, table, overview = mirror(
        make_run, epoch_of, tmp_path / "sweep", ["wine", "letter", "wine", "letter"]
    )
    assert rows == [
        {
            "epoch": 1,
            "wine/validation/accuracy/mean": 0.375,
            "wine/validation/accuracy/min": 0.25,
            "wine/validation/accuracy/max": 0.5,
            "wine/validation/accuracy/members": 2,
            "letter/validation/accuracy/mean": 0.875,
            "letter/validation/accuracy/min": 0.75,
            "letter/validation/accuracy/max": 1.0,
            "letter/validation/accuracy/members": 2,
        }
    ]
    summary = overview["summary"]
    best = {key: value for key, value in summary.items() if key.startswith("best")}
    assert best == {
        "best/wine/validation/accuracy": 0.5,
        "best_run/wine": "2",
        "best/letter/validation/accuracy": 1.0,
        "best_run/letter": "3",
    }
    assert overview["config"]["data"] == {"fold": 0}
    assert overview["config"]["varying"] == ["data.name", "seed"]
    assert [row[1] for row in table["data"]] == ["wine", "letter", "wine", "letter"]


def test_one_data_set_is_not_named(make_run, epoch_of, tmp_path):
    rows, _, overview = mirror(make_run, epoch_of, tmp_path / "sweep", ["wine"] * 4)
    assert rows[0]["validation/accuracy/mean"] == 0.625
    assert overview["summary"]["best/validation/accuracy"] == 1.0
    assert overview["summary"]["best_run"] == "3"
