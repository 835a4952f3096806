import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnjax
from snnjax.config.fields import annotations, values
from snnjax.config.optimization import NadamConfig, SgdConfig
from snnjax.config.schema import Config, DataConfig, LoggingConfig, ModelConfig
from snnjax.config.split import IN_MEMBER, Program, fingerprint, split, to_dict
from snnjax.config.strict import convert

ROOT = Path(snnjax.__file__).parent.parent
VARIED = [
    replace(Config(), model=replace(ModelConfig(), dropout=0.0)),
    replace(Config(), optimizer=SgdConfig(momentum=0.9, nesterov=True)),
    replace(Config(), optimizer=NadamConfig()),
    replace(Config(), training=replace(Config().training, patience=3)),
]


@pytest.mark.parametrize("config", [Config(), *VARIED])
def test_every_field_is_in_the_program_or_in_the_member(config: Config) -> None:
    program, member = split(config)
    kept = dict(values_by_path(program))
    for leaf, value in values(config):
        if leaf.role == "static":
            assert kept[leaf.path] == value
        elif leaf.role != "member":
            assert kept.get(leaf.path, leaf.default) == leaf.default
        elif "off" in leaf.metadata and value == leaf.metadata["off"]:
            assert kept[leaf.path] == value
            assert leaf.path not in member
        else:
            assert kept.get(leaf.path, IN_MEMBER) is IN_MEMBER
            assert member[leaf.path].shape == ()
            assert member[leaf.path] == np.asarray(value, member[leaf.path].dtype)


def values_by_path(section: Any) -> list[tuple[str, Any]]:
    return [(leaf.path, value) for leaf, value in values(section)]


def test_program_has_every_section_that_shapes_a_program() -> None:
    shaping = {
        leaf.path.partition(".")[0]
        for leaf, _ in values(Config())
        if leaf.role in ("static", "member") and leaf.path != "seed"
    }
    assert shaping == set(annotations(Program))


def test_kinds_of_numbers() -> None:
    config = replace(Config(), seed=2**32 - 1, training=replace(Config().training, patience=3))
    _, member = split(config)
    kinds = {key: array.dtype for key, array in member.items()}
    assert kinds == {
        "seed": np.uint32,
        "model.dropout": np.float32,
        "optimizer.learning_rate": np.float32,
        "training.epochs": np.int32,
        "training.patience": np.int32,
    }
    assert member["seed"] == 2**32 - 1


def test_members_share_a_program_where_only_numbers_differ() -> None:
    first, _ = split(Config())
    second, _ = split(
        convert(
            Config,
            {"seed": 5, "optimizer": {"learning_rate": 1}, "data": {"name": "mnist", "fold": 2}},
        )
    )
    assert first == second
    assert hash(first) == hash(second)
    without, member = split(replace(Config(), model=replace(ModelConfig(), dropout=0.0)))
    assert without != first
    assert "model.dropout" not in member
    assert len({first, second, without}) == 2


def test_sentinel_is_loud_and_survives_pickling() -> None:
    assert pickle.loads(pickle.dumps(IN_MEMBER)) is IN_MEMBER
    assert pickle.loads(pickle.dumps(split(Config())[0])) == split(Config())[0]
    for operation in (lambda x: x * 2, lambda x: x > 0, lambda x: 1 - x, float, int):
        with pytest.raises(TypeError):
            operation(IN_MEMBER)


def test_fingerprint_is_the_same_in_another_process() -> None:
    code = "from snnjax.config.split import *; from snnjax.config.schema import Config\n"
    out = subprocess.run(
        [sys.executable, "-c", code + "print(fingerprint(Config()))"],
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == fingerprint(Config())
    assert len(fingerprint(Config())) == 16


def test_fingerprint_ignores_paths_logging_and_spelling() -> None:
    quiet = replace(Config(), logging=LoggingConfig(every=9, progress="none"))
    elsewhere = replace(Config(), data=replace(Config().data, root="here"))
    spelt = replace(Config(), model=replace(ModelConfig(), input_dropout=0))
    negative = replace(Config(), model=replace(ModelConfig(), input_dropout=-0.0))
    assert {fingerprint(c) for c in (Config(), quiet, elsewhere, spelt, negative)} == {
        fingerprint(Config())
    }


def test_fingerprint_of_a_table_is_that_of_its_content(tmp_path: Path) -> None:
    one, other = tmp_path / "a.csv", tmp_path / "b.csv"
    for path in (one, other):
        path.write_text("x,y\n1,0\n")

    def identity(path: Path) -> str:
        return fingerprint(Config(data=DataConfig(name="table", path=str(path))))

    before = identity(one)
    assert identity(other) == before
    one.write_text("x,y\n2,0\n")
    os.utime(one, ns=(1, 1))
    assert identity(one) != before
    assert identity(tmp_path / "none.csv") != before


def test_fingerprint_tells_runs_apart() -> None:
    different = [
        *VARIED,
        Config(),
        replace(Config(), seed=1),
        replace(Config(), data=replace(Config().data, fold=1)),
        replace(Config(), data=replace(Config().data, validation=0.1)),
    ]
    assert len({fingerprint(config) for config in different}) == len(different)


@pytest.mark.parametrize("config", [Config(), *VARIED])
def test_dictionary_comes_back_the_same(config: Config) -> None:
    written = json.loads(json.dumps(to_dict(config)))
    assert convert(Config, written) == config
