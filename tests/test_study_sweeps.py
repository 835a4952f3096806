"""The sweep files of published tables hold the papers' grids, on the data sets they should."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from snnjax.config.axes import axes_of, values_of
from snnjax.config.methods import read_sweep
from snnjax.config.overrides import check_overrides
from snnjax.config.sources import folder, register
from snnjax.data.catalog import uci_table

# Klambauer et al. 2017, appendix: widths * depths * rates * dropouts * forms. Widths of highway
# networks are not listed and taken to be those of the others; bottlenecks belong to one form.
TWO_FORMS = 3 * 6 * 3 * 2
UCI_TRIALS = {
    "snn": TWO_FORMS * 2,
    "msra": TWO_FORMS * 2,
    "batchnorm": TWO_FORMS,
    "weightnorm": TWO_FORMS,
    "layernorm": TWO_FORMS,
    "highway": 3 * 6 * 3 * 2,
    "resnet": 3 * 5 * 3 * (1 + 2),
}
SMALL_TRIALS = {
    "snn": 16,
    "msra": 16,
    "batchnorm": 8,
    "weightnorm": 8,
    "layernorm": 8,
    "highway": 8,
    "resnet": 8,
}
COMPLETE = {name: entry for name, entry in uci_table().items() if entry.sha256}


@pytest.fixture(autouse=True)
def _hydra() -> Iterator[None]:
    register()
    with initialize_config_dir(str(folder("conf")), version_base="1.3"):
        yield


def stages_of(*argv: str) -> list[list[dict[str, str]]]:
    given = check_overrides(argv)
    composed = compose("config", given, return_hydra_config=True)
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    settings: Any = OmegaConf.to_container(composed.hydra.sweeper)
    sweep = read_sweep(settings, axes_of(parser, given), partial(values_of, parser))
    stages = sweep.jobs(composed.sweep.scale, partial(OmegaConf.select, composed))
    return [[dict(text.split("=", 1) for text in job) for job in stage] for stage in stages]


def names_of(stages: Sequence[Sequence[dict[str, str]]]) -> list[set[str]]:
    return [{job["data.name"] for job in stage} for stage in stages]


def trials(stages: Sequence[Sequence[dict[str, str]]], data: str) -> dict[str, int]:
    own = [job for stage in stages for job in stage if job["data.name"] == data]
    return Counter(job["model"] for job in own)


def test_uci_is_the_whole_grid_on_every_complete_set() -> None:
    stages = stages_of("sweep=uci")
    assert set.union(*names_of(stages)) == set(COMPLETE)
    assert len(COMPLETE) == 120
    assert sum(map(len, stages)) == 120 * sum(UCI_TRIALS.values()) == 119_880
    assert trials(stages, "wine") == trials(stages, "connect-4") == UCI_TRIALS
    largest = [max(COMPLETE[name].rows for name in names) for names in names_of(stages)]
    smallest = [min(COMPLETE[name].rows for name in names) for names in names_of(stages)]
    assert all(last < first for last, first in zip(largest, smallest[1:], strict=False))


def test_the_small_grid_is_on_all_sets_up_to_5000_rows_the_smallest_first() -> None:
    stages = stages_of("sweep=uci_small")
    below_1000, above = names_of(stages)
    assert below_1000 == {name for name, entry in COMPLETE.items() if entry.rows < 1000}
    assert above == {name for name, entry in COMPLETE.items() if 1000 <= entry.rows <= 5000}
    assert trials(stages, "wine") == trials(stages, "abalone") == SMALL_TRIALS


def test_the_small_grid_on_larger_sets_is_one_after_another() -> None:
    stages = stages_of("sweep=uci_small_large")
    assert all(len(names) == 1 for names in names_of(stages))
    order = [name for (name,) in names_of(stages)]
    large = [name for name, entry in COMPLETE.items() if entry.rows > 5000]
    assert order == sorted(large, key=lambda name: COMPLETE[name].rows)
    assert trials(stages, "letter") == SMALL_TRIALS


def test_the_small_grid_is_a_part_of_the_whole() -> None:
    def points(sweep: str) -> set[frozenset[tuple[str, str]]]:
        (stage,) = stages_of(f"sweep={sweep}", "data.name=wine")
        return {frozenset(job.items()) - {("+sweep", sweep)} for job in stage}

    # Of narrowing blocks that of a half, which is the default.
    extra, whole = {("model.bottleneck", "0.5")}, points("uci")
    assert all({point, point | extra} & whole for point in points("uci_small"))


def test_a_tenth_of_uci_has_the_same_number_of_trials_of_every_method() -> None:
    (stage,) = stages_of("sweep=uci", "scale=0.1", "data.name=wine")
    counts = Counter(job["model"] for job in stage)
    assert counts == dict.fromkeys(UCI_TRIALS, 14)  # 98 of 999; 15 each would be 105
    assert {job["training.epochs"] for job in stage} == {"10"}
    for key, values in (("model.width", 3), ("model.depth", 6), ("optimizer.learning_rate", 3)):
        taken = Counter(job[key] for job in stage if job["model"] == "snn")
        assert len(taken) == values
        assert max(taken.values()) - min(taken.values()) <= 1


def test_htru2_is_the_whole_grid_over_ten_folds() -> None:
    (stage,) = stages_of("sweep=htru2")
    expected = {model: count // 6 * 5 for model, count in UCI_TRIALS.items()}
    assert Counter(job["model"] for job in stage if job["data.fold"] == "3") == expected | {
        "resnet": 3 * 5 * 3 * (1 + 2)
    }
    assert Counter(job["data.fold"] for job in stage).keys() == {str(fold) for fold in range(10)}


@pytest.mark.parametrize(
    ("sweep", "study", "runs"),
    [
        ("uci", "uci", 119_880),
        ("uci_quick", "uci", 800),
        ("htru2", "htru2", 8_550),
        ("figure1_mnist", "figure1", 6),
        ("figure1_cifar10", "figure1", 6),
        ("keras_cifar10", "keras", 10),
        ("keras_fashion", "keras", 10),
        ("keras_boston", "keras", 10),
        ("glorot_table1", "glorot_table1", 60),
    ],
)
def test_a_sweep_of_a_study_names_it_and_resumes_by_the_same_command(
    sweep: str, study: str, runs: int
) -> None:
    composed = compose("config", [f"+sweep={sweep}"], return_hydra_config=True)
    assert composed.sweep.study == study
    assert composed.hydra.sweep.dir == f"runs/studies/{sweep}/1.0"
    assert composed.logging.wandb.mode == "disabled"
    assert sum(map(len, stages_of(f"sweep={sweep}"))) == runs


def test_figure_1_takes_the_steps_of_the_published_script() -> None:
    for name, width, share in (("mnist", 784, 1 / 6), ("cifar10", 3072, 1 / 5)):
        composed = compose("config", [f"+sweep=figure1_{name}", "model=batchnorm"])
        assert composed.optimizer.learning_rate == pytest.approx(1e-5 * 128)
        assert (composed.training.epochs, composed.training.batch_size) == (2000, 128)
        assert (composed.model.width, composed.model.dropout) == (width, 0)
        assert round(composed.data.validation * {"mnist": 60_000, "cifar10": 50_000}[name]) == (
            10_000
        )
        assert composed.data.validation == share
