"""Sweeps of several methods: what a file says, changed by what the command line gives."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from snnjax.config.axes import axes_of, values_of
from snnjax.config.errors import ConfigError
from snnjax.config.methods import read_sweep

PARSER = OverridesParser.create()
FILE: dict[str, Any] = {
    "params": {"seed": "range(3)", "rate": "0.01,0.1"},
    "methods": {
        "snn": {"model.depth": "2,8", "model.dropout": "0.05,0"},
        "batchnorm": {"model.depth": "2,8"},
        "resnet": [{"form": "flat"}, {"form": "narrow", "neck": "0.25,0.5"}],
    },
    "scaled": {"rounded": ["epochs"], "first": ["seed"], "evenly": ["model.*", "rate"]},
}


def jobs(
    *given: str, settings: dict[str, Any] | None = None, share: float = 1, **values: Any
) -> list[list[dict[str, str]]]:
    sweep = read_sweep(settings or FILE, axes_of(PARSER, given), partial(values_of, PARSER))
    stages = sweep.jobs(share, {"epochs": 100, **values}.get)
    return [[dict(text.split("=", 1) for text in job) for job in stage] for stage in stages]


def only(*given: str, **more: Any) -> list[dict[str, str]]:
    (stage,) = jobs(*given, **more)
    return stage


def by_model(found: list[dict[str, str]]) -> dict[str, int]:
    return Counter(job["model"] for job in found)


def test_every_method_has_its_own_grid() -> None:
    found = only()
    assert by_model(found) == {"snn": 24, "batchnorm": 12, "resnet": 18}
    assert len({frozenset(job.items()) for job in found}) == len(found)
    assert all(("model.dropout" in job) == (job["model"] == "snn") for job in found)
    assert all(("neck" in job) == (job.get("form") == "narrow") for job in found)


def test_a_model_of_the_command_line_picks_its_method() -> None:
    assert by_model(only("model=snn")) == {"snn": 24}
    assert by_model(only("model=resnet,snn")) == {"snn": 24, "resnet": 18}


def test_an_axis_of_the_command_line_replaces_that_of_the_file() -> None:
    found = only("model.depth=16", "seed=7", "rate=1,2,3", "model=snn")
    assert {job["model.depth"] for job in found} == {"16"}
    assert {job["seed"] for job in found} == {"7"}
    assert len(found) == 3 * 2


def test_what_a_method_has_no_axis_of_it_is_given_all_the_same() -> None:
    assert {job["model.dropout"] for job in only("model.dropout=0.5")} == {"0.5"}


def test_of_several_grids_those_with_the_value_are_taken() -> None:
    assert len(only("model=resnet", "form=narrow")) == 12
    assert len(only("model=resnet", "form=flat")) == 6
    assert {job["neck"] for job in only("model=resnet", "neck=0.5") if "neck" in job} == {"0.5"}
    found = only("model=resnet", "form=round")  # neither has it: in place of what they have
    assert {job["form"] for job in found} == {"round"}


def test_runs_met_before_are_left_out() -> None:
    settings = {"methods": {"one": {"model": "mlp", "a": "1,2"}, "two": {"model": "mlp", "a": "2"}}}
    assert [job["a"] for job in only(settings=settings)] == ["1", "2"]
    assert [job["a"] for job in only("a=2", settings=settings)] == ["2"]


def test_stages_come_one_after_another_and_keep_the_order_of_keys() -> None:
    settings = FILE | {"stages": [{"data": "b,c"}, {"data": "a", "epochs": "5"}]}
    first, second = jobs(settings=settings)
    assert {job["data"] for job in first} == {"b", "c"}
    assert {(job["data"], job["epochs"]) for job in second} == {("a", "5")}
    (alone,) = jobs("data=a", settings=settings)
    assert [*map(list, alone)] == [*map(list, second)]
    replaced = jobs("data=z", settings=settings)
    assert {job["data"] for stage in replaced for job in stage} == {"z"}


def test_a_share_is_taken_of_epochs_seeds_and_points() -> None:
    found = only(share=0.5)
    assert {job["epochs"] for job in found} == {"50"}
    assert {job["seed"] for job in found} == {"0", "1"}
    # Of 8, 4 and 2 points (forms are no part of this grid) 2 each: 6 of 14, as near 7 as 8 are.
    seeds, forms = 2, 3
    expected = {"snn": 2 * seeds, "batchnorm": 2 * seeds, "resnet": 2 * seeds * forms}
    assert by_model(found) == expected


def test_a_small_share_leaves_one_of_each() -> None:
    found = only(share=0.001)
    assert {job["epochs"] for job in found} == {"1"}
    assert by_model(found) == {"snn": 1, "batchnorm": 1, "resnet": 3}


def test_epochs_of_the_sweep_are_shared_too() -> None:
    assert {job["epochs"] for job in only("epochs=10,11", share=0.1)} == {"1"}
    assert {job["epochs"] for job in only("epochs=20", share=0.1)} == {"2"}


def test_the_whole_is_the_share_of_1() -> None:
    assert "epochs" not in only()[0]
    assert len(only(share=1)) == 54


@pytest.mark.parametrize(
    "given",
    [
        ("seed=0,1", "model=snn,msra"),
        ("model.depth=range(2,9,3)", "+experiment=uci", "seed=choice(1,2)"),
        ("a='x, y',z", "b=[1,2]", "c={d: 1}", "seed=4"),
    ],
)
def test_without_methods_jobs_are_those_of_hydras_own_sweeper(given: tuple[str, ...]) -> None:
    params = {"seed": "5,6", "optimizer": "sgd,adam"}
    texts = [*(f"{key}={value}" for key, value in params.items()), *given]
    (expected,) = BasicSweeper.split_arguments(PARSER.parse_overrides(texts), None)
    sweep = read_sweep({"params": params}, axes_of(PARSER, given), partial(values_of, PARSER))
    assert [[*map(list, stage)] for stage in sweep.jobs(1, {}.get)] == [expected]


def broken(**changes: Any) -> Iterator[str]:
    with pytest.raises(ConfigError) as caught:
        only(settings=FILE | changes)
    yield str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"methods": {"snn": {"model.depth": ""}}},
            "hydra.sweeper.methods.snn.model.depth='': no value among them to run with; "
            "allowed: values with commas",
        ),
        (
            {"params": {"seed": "range(0)"}},
            "hydra.sweeper.params.seed=range(0): no value among them to run with; "
            "allowed: values with commas",
        ),
        (
            {"methods": ["snn"]},
            "hydra.sweeper.methods=['snn']: is a group of keys; "
            "allowed: names of methods with their keys",
        ),
        (
            {"methods": {"snn": "model.depth"}},
            "hydra.sweeper.methods.snn=model.depth: is a group of keys; allowed: keys with values",
        ),
        (
            {"scaled": {"even": ["seed"]}},
            "hydra.sweeper.scaled.even: unknown key; allowed: rounded, first, evenly; "
            "did you mean evenly?",
        ),
        (
            {"scaled": {"first": "seed"}},
            "hydra.sweeper.scaled.first=seed: not a list; "
            "allowed: a list of keys or patterns such as model.*",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(changes: dict[str, Any], message: str) -> None:
    assert [*broken(**changes)] == [message]


def test_a_model_that_is_no_method_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        only("model=msra")
    assert str(caught.value) == (
        "model=msra: no method of this sweep; allowed: snn, batchnorm, resnet"
    )


def test_a_share_of_what_is_no_number_is_told() -> None:
    with pytest.raises(ConfigError, match=r"^epochs=many: no whole number that 0\.5 could"):
        only(share=0.5, epochs="many")
