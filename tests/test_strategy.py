"""Mapping members changes nothing but the time it takes, on one device or several."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import QUIET

from snnjax import experiment, strategy
from snnjax.config.schema import Config, DataConfig, ModelConfig, TrainingConfig
from snnjax.strategy import Strategy, choose, map_members, padded_size

TESTS = Path(__file__).parent


@pytest.mark.parametrize("devices", [1, 4])
@pytest.mark.parametrize("lanes", [1, 2, 5])
@pytest.mark.parametrize("members", [1, 4, 5, 21])
def test_every_lane_has_a_member(lanes, devices, members):
    size = padded_size(Strategy(lanes, devices), members)
    assert size % (lanes * devices) == 0
    assert members <= size < members + lanes * devices


@pytest.mark.parametrize(
    ("lanes", "size"), [(1, 1), (1, 2), (1, 6), (2, 2), (2, 6), (3, 6), (6, 6)]
)
def test_mapping_equals_a_loop(lanes, size):
    """A function with a loop of its own, as long as each member wants."""

    def powers(member, shared):
        return jax.lax.fori_loop(0, member["times"], lambda _, x: x * shared, member["from"])

    members = {"from": jnp.arange(size) + 1.0, "times": jnp.arange(size)[::-1]}
    mapped = jax.jit(map_members, static_argnums=(0, 1))(
        Strategy(lanes), powers, members, jnp.float32(3)
    )
    one_by_one = [(i + 1) * 3.0 ** (size - 1 - i) for i in range(size)]
    np.testing.assert_array_equal(mapped, one_by_one)


@pytest.mark.parametrize(
    ("lanes", "name"), [(1, "one after another"), (2, "2 in lockstep"), (64, "64 in lockstep")]
)
def test_a_strategy_says_what_it_is(lanes, name):
    assert Strategy(lanes, 3).description() == {"map": name, "devices": 3}


@pytest.mark.parametrize("size", [1, 9, 5000])
def test_on_a_cpu_members_take_turns(size):
    assert choose(size) == Strategy(1, jax.device_count())


@pytest.mark.parametrize(
    ("size", "devices", "lanes"), [(1, 1, 1), (300, 1, 300), (5000, 1, 1024), (300, 8, 38)]
)
def test_on_an_accelerator_all_are_computed_at_once(size, devices, lanes, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(jax, "device_count", lambda: devices)
    assert choose(size) == Strategy(lanes, devices)
    assert strategy.default_workers() == 1
    assert strategy.most_members() == 1024 * devices


@pytest.mark.parametrize(
    ("stats", "limit"), [(None, None), ({}, None), ({"bytes_limit": 7, "num_allocs": 1}, 7)]
)
def test_memory_is_known_where_the_device_tells(stats, limit, monkeypatch):
    class Device:
        def memory_stats(self):
            return stats

    monkeypatch.setattr(jax, "local_devices", lambda: [Device()])
    assert strategy.memory_limit() == limit


def on_devices(count, *argv, cwd):
    env = {
        **os.environ,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={count}",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
    }
    done = subprocess.run(
        [sys.executable, *argv], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("lanes", "move"),
    [(2, ["smaller", 1]), pytest.param(1, ["regroup", 1], marks=pytest.mark.slow)],
)
@pytest.mark.slow
def test_on_four_devices_members_end_as_alone(lanes, move, tmp_path):
    """Those that stop make room there too; the script compares the numbers."""
    told = json.loads(on_devices(4, str(TESTS / "on_four_devices.py"), str(lanes), cwd=tmp_path))
    assert move in told["moves"]
    assert set(told["devices"]) == {4}
    assert (told["strategy"]["devices"], told["strategy"]["population"]) == (4, 8)
    assert told["chosen"] == [{"lanes": 1, "devices": 4, "rows": 1}] * 3
    assert told["workers"] == 1


@pytest.mark.slow
def test_a_sweep_on_four_devices_gives_the_same_runs(tmp_path):
    """On the command line; two lanes of the launcher are two on each device."""
    sweep = [
        "-m", "snnjax.train", "-m", "data.name=sklearn_wine", "model.depth=1", "model.width=8",
        "training.epochs=3,5", "seed=0,1,2", "logging=quiet", "hydra.sweep.dir=four",
    ]  # fmt: skip
    on_devices(4, *sweep, cwd=tmp_path)
    on_devices(4, *sweep[:-1], "hydra.sweep.dir=lanes", "hydra.launcher.lanes=2", cwd=tmp_path)
    for folder, name in (("four", "one after another"), ("lanes", "2 in lockstep")):
        results = [read_result(tmp_path / folder / str(job)) for job in range(6)]
        assert {result["strategy"]["devices"] for result in results} == {4}
        assert {result["strategy"]["map"] for result in results} == {name}
        assert [result["epochs"] for result in results] == [3, 3, 3, 5, 5, 5]
        for seed, result in enumerate(results[3:]):
            config = Config(
                seed=seed,
                data=DataConfig(name="sklearn_wine"),
                model=ModelConfig(depth=1, width=8),
                training=TrainingConfig(epochs=5),
                logging=QUIET,
            )
            experiment.run(config, tmp_path / f"{folder}-{seed}")
            expected = read_result(tmp_path / f"{folder}-{seed}")
            assert result["fingerprint"] == expected["fingerprint"]
            for split, metrics in expected["metrics"].items():
                assert result["metrics"][split] == pytest.approx(metrics, rel=1e-5)


def read_result(folder):
    return json.loads((folder / "result.json").read_text())
