"""Rows of batches shared among devices: the numbers of one device, but for rounding."""

import json
import socket
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_strategy import TESTS, on_devices

from snnjax import experiment, processes, programs, strategy
from snnjax.config.errors import ConfigError
from snnjax.config.schema import Config, TrainingConfig
from snnjax.config.split import fingerprint, split
from snnjax.executables import Executables
from snnjax.rows import over_devices
from snnjax.strategy import Strategy, choose, row_devices


@pytest.fixture
def eight(monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: 8)


@pytest.mark.parametrize(
    ("size", "sharing", "expected"),
    [
        (1, None, Strategy(1, 8)),
        (1, "all", Strategy(1, 1, 8)),
        (9, "all", Strategy(1, 1, 8)),
        (1, 2, Strategy(1, 1, 2)),
        (9, 2, Strategy(1, 4, 2)),
        (9, 3, Strategy(1, 2, 3)),
        (9, 1, Strategy(1, 8)),
    ],
)
def test_devices_are_dealt_out_to_members_in_groups(size, sharing, expected, eight):
    assert choose(size, sharing=sharing) == expected
    assert choose(size, 5, sharing).lanes == 5


def test_it_is_said_how_many_devices_a_member_has():
    assert Strategy(rows=8).description() == {
        "map": "one after another", "devices": 1, "devices_per_member": 8
    }  # fmt: skip


@pytest.mark.parametrize("asked", [9, 1000])
def test_more_devices_than_there_are_are_refused(asked, eight):
    with pytest.raises(ConfigError, match=rf"training.devices={asked}: there are 8 .* 1 to 8"):
        row_devices(asked)


def test_a_run_that_asks_for_too_many_leaves_nothing_behind(tmp_path):
    config = Config(training=TrainingConfig(devices=jax.device_count() + 1))
    with pytest.raises(ConfigError, match=r"training\.devices"):
        experiment.run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_several_processes_take_part_with_all_devices(eight, monkeypatch):
    monkeypatch.setattr(processes, "_company", processes._Company(count=2, is_joined=True))
    assert row_devices(None) == row_devices("all") == row_devices(8) == 8
    with pytest.raises(ConfigError, match="2 processes have 8 devices"):
        row_devices(4)


def test_a_process_that_joined_nobody_takes_part_with_all_devices(eight, monkeypatch):
    monkeypatch.setattr(processes, "_company", processes._Company(is_joined=True))
    assert row_devices(None) == row_devices("all") == 8
    assert row_devices(4) == 4


def test_the_number_of_devices_is_no_part_of_a_run():
    one, many = (Config(training=TrainingConfig(devices=n)) for n in (None, 8))
    assert fingerprint(one) == fingerprint(many)
    assert split(one)[0] == split(many)[0]


def test_on_one_device_nothing_is_shared():
    array = jnp.arange(3)
    assert over_devices(array) is array


def test_programs_for_several_devices_are_not_kept(eight, tmp_path):
    """Whether those are here or in other processes."""
    arguments = (np.zeros(3),)
    kept = Executables(tmp_path)
    assert jax.local_device_count() == 1
    assert kept.place(programs.start_members, (Strategy(),), arguments) is None


@pytest.mark.slow
def test_eight_devices_give_the_numbers_of_one(tmp_path):
    """The script compares them: weights, sums, scores; some of them members side by side."""
    told = json.loads(on_devices(8, str(TESTS / "on_eight_devices.py"), cwd=tmp_path))
    assert (told["devices"], told["devices_per_member"], told["population"]) == (2, 4, 3)


@pytest.mark.slow
def test_a_run_on_the_command_line_shares_its_batches(tmp_path):
    command = [
        "-m", "snnjax.train", "data.name=sklearn_wine", "model.depth=1", "model.width=8",
        "training.epochs=3", "logging=quiet", "training.devices=all", "hydra.run.dir=run",
    ]  # fmt: skip
    on_devices(2, *command, cwd=tmp_path)
    result = json.loads((Path(tmp_path) / "run" / "result.json").read_text())
    assert result["strategy"]["devices_per_member"] == 2


@pytest.mark.slow
def test_one_process_of_one_shares_its_batches_among_all_devices(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        "-m", "snnjax.distributed", "--coordinator", coordinator, "--processes=1", "--process=0",
        "data.name=sklearn_wine", "model.depth=1", "model.width=8", "training.epochs=3",
        "logging=quiet", "hydra.run.dir=run",
    ]  # fmt: skip
    on_devices(4, *command, cwd=tmp_path)
    result = json.loads((Path(tmp_path) / "run" / "result.json").read_text())
    assert result["device"]["devices"] == result["strategy"]["devices_per_member"] == 4


def test_the_mesh_has_an_axis_for_members_and_one_for_rows():
    mesh = strategy._sharding(Strategy(), strategy._MEMBERS).mesh
    assert dict(mesh.shape) == {"members": 1, "rows": 1}
