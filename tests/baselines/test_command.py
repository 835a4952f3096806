"""What a command line of baselines describes, and what it refuses."""

from collections import Counter

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from snnjax.baselines import jobs
from snnjax.baselines.command import read_configs
from snnjax.baselines.config import METHODS, BaselineConfig
from snnjax.baselines.grids import GRIDS, grid_points
from snnjax.config.errors import ConfigError
from snnjax.config.preflight import VERSION_BASE, the_only
from snnjax.config.sources import folder
from snnjax.config.strict import convert


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_grid_of_valid_configurations(method):
    configs = [convert(BaselineConfig, {"model": point}) for point in grid_points(method)]
    sizes = [len(values) for values in GRIDS[method].values()]
    product = 1
    for size in sizes:
        product *= size
    assert len(set(configs)) == len(configs) == product
    assert {config.model.name for config in configs} == {method}


def test_data_are_those_of_a_network_of_the_same_words():
    words = ["experiment=uci", "data.name=wine", "data.fold=2", "seed=3", "sweep.study=uci"]
    network = the_only(words, "")
    for config in read_configs([*words, "model=knn"]):
        assert config.data == network.data
        assert (config.seed, config.sweep) == (network.seed, network.sweep)
        assert config.training.monitor == network.training.monitor == "accuracy"


def test_there_is_a_run_for_each_combination_and_each_point_of_the_grid():
    words = ["experiment=uci", "data.name=wine,iris", "seed=range(3)", "model=knn,random_forest"]
    configs = read_configs(words)
    counts = Counter((c.data.name, c.seed, c.model.name) for c in configs)
    assert set(counts.values()) == {
        len([*grid_points("knn")]),
        len([*grid_points("random_forest")]),
    }
    assert len(counts) == 2 * 3 * 2
    assert len(set(configs)) == len(configs)
    names = [config.data.name for config in configs]
    assert names == sorted(names, key=["wine", "iris"].index)  # one data set after another


def test_values_replace_those_of_the_grid_of_the_methods_that_have_them():
    words = ["data=digits", "model=random_forest,logistic_regression", "model.C=0.3,3"]
    configs = read_configs(words)
    assert [c.model.C for c in configs if c.model.name == "logistic_regression"] == [0.3, 3.0]
    forests = [c for c in configs if c.model.name == "random_forest"]
    assert len(forests) == len([*grid_points("random_forest")])


def test_both_ways_of_fitting_are_different_runs():
    words = ["data=digits", "model=knn", "model.n_neighbors=1", "model.weights=uniform"]
    once, again = read_configs([*words, "training.refit=false,true"])
    assert (once.training.refit, again.training.refit) == (False, True)


def test_a_group_of_data_may_be_swept():
    names = [config.data.name for config in read_configs(["data=digits,htru2", "model=knn"])]
    assert list(dict.fromkeys(names)) == ["sklearn_digits", "htru2"]


def test_a_sweep_file_gives_data_and_seeds_but_no_networks():
    configs = read_configs(["sweep=quickstart", "model=knn"])
    assert {config.seed for config in configs} == {0, 1, 2}
    assert {config.model.name for config in configs} == {"knn"}
    fewer = read_configs(["sweep=quickstart", "model=knn", "seed=5"])
    assert {config.seed for config in fewer} == {5}


def test_a_group_that_a_sweep_file_varies_is_composed(monkeypatch):
    stages = [{"data": ["digits", "htru2"], "seed": [0, 1]}]
    monkeypatch.setattr(jobs, "swept_by_file", lambda parser, composed: iter(stages))
    configs = read_configs(["model=knn"])
    names = dict.fromkeys((config.data.name, config.seed) for config in configs)
    assert [*names] == [(n, s) for n in ("sklearn_digits", "htru2") for s in (0, 1)]
    configs = read_configs(["model=knn", "data=boston"])
    assert {config.data.name for config in configs} == {"boston"}


def test_stages_of_a_sweep_file_follow_one_another():
    sweeper = {
        "params": {"seed": "0,1", "model.width": "8,16"},
        "stages": [{"data.name": "iris, wine"}, {"data.name": "letter", "seed": 7}],
    }
    composed = OmegaConf.create({"hydra": {"sweeper": sweeper}})
    with initialize_config_dir(str(folder("conf")), version_base=VERSION_BASE):
        parser = OverridesParser.create(GlobalHydra.instance().config_loader())
        first, second = jobs.swept_by_file(parser, composed)
    assert first == {"seed": [0, 1], "data.name": ["iris", "wine"]}
    assert second == {"seed": [7], "data.name": ["letter"]}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["model=random_forrest"], "model=random_forrest: no such method; allowed: random_forest,"),
        (["model=rf"], "logistic_regression, gradient_boosting"),
        (["modle=svm"], "modle=svm: unknown key; allowed: data, experiment,"),
        (["modle=svm"], "did you mean model?"),
        (["model.width=8"], "model.width=8: no number of random_forest; allowed: n_estimators,"),
        (["model=svm", "model.Gama=1"], "did you mean model.gamma?"),
        (["model.name=svm"], "is set by choosing the model; did you mean model=svm?"),
        (["optimizer.learning_rate=1"], "is a key of networks, not of baselines"),
        (["optimizer=adam"], "optimizer=adam: is a key of networks"),
        (["training.epochs=5"], "training.epochs=5: is a key of networks"),
        (["data.nmae=wine"], "did you mean data.name?"),
        (["data.name=wnie"], "did you mean wine?"),
        (["data.name=wine", "data.fold=4"], "data.fold=4: out of range; allowed: 0 to 3 for wine"),
        (["data.name=miniboone"], "its predictors are missing from the published archive"),
        (["model.max_features=interval(0,1)"], "model.max_features: an interval; allowed: single"),
        (["data.fold=interval(0,1)"], "data.fold: an interval; allowed: single values"),
        (["model.max_features=2"], "allowed: sqrt or a number > 0 and <= 1; did you mean 1?"),
        (["model=svm"], "training.monitor=loss: svm has no probabilities; allowed: accuracy,"),
        (["data=boston", "model=logistic_regression"], "boston is a regression set; allowed: rand"),
        (["data=boston", "training.monitor=accuracy"], "boston is a regression set; allowed: loss"),
        (["data=shapeset"], "data.name=shapeset: endless; random_forest is fitted on given rows"),
        (["scale=0.5"], "sweep.scale=0.5: baselines take all of the data sets and of their own"),
        (["training.refit=perhaps"], "training.refit=perhaps: wrong type, text"),
        (["wine"], "wine: not of the form key=value"),
        (["seed=${nope}"], "Interpolation key 'nope' not found"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(words, line):
    with pytest.raises(ConfigError) as error:
        read_configs(words)
    assert line in str(error.value)
    assert len(error.value.mistakes) == 1
