"""Strict conversion, field by field: the cases come from the schema, so new fields are covered."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import pytest
from conftest import check_each

from snnjax.config.declare import Arguments
from snnjax.config.errors import ConfigError, enumerate_names
from snnjax.config.fields import TAG, Leaf, annotations, is_open, own_leaves, sections, tags
from snnjax.config.optimization import NadamConfig, SgdConfig
from snnjax.config.schema import Config, TrainingConfig
from snnjax.config.strict import convert, from_hydra
from snnjax.config.values import names
from snnjax.registry import ACTIVATIONS

KNOWN = enumerate_names([*ACTIVATIONS])
TOP = enumerate_names([*annotations(Config)])

PROBES: tuple[Any, ...] = (
    True,
    3,
    3.0,
    0.25,
    "text",
    "3",
    "1e-3",
    "",
    None,
    [1],
    {"a": 1},
    math.nan,
)


@dataclass(frozen=True)
class Case:
    """A leaf, and the names that must be chosen for it to exist."""

    leaf: Leaf
    chosen: tuple[tuple[str, str], ...] = ()

    def mapping(self, value: Any) -> dict[str, Any]:
        whole: dict[str, Any] = {}
        for path, given in (*self.chosen, (self.leaf.path, value)):
            *parents, key = path.split(".")
            node = whole
            for parent in parents:
                node = node.setdefault(parent, {})
            node[key] = given
        return whole

    def convert(self, value: Any) -> Any:
        config: Any = convert(Config, self.mapping(value))
        for key in self.leaf.path.split("."):
            config = getattr(config, key)
        return config


def cases(schema: type = Config, prefix: str = "", chosen: Any = ()) -> Iterator[Case]:
    for leaf in own_leaves(schema, prefix).values():
        yield Case(leaf, chosen)
    for name, annotation in annotations(schema).items():
        inner = f"{prefix}{name}."
        if len(sections(annotation)) > 1:
            for tag, section in tags(annotation).items():
                yield from cases(section, inner, (*chosen, (inner + TAG, tag)))
        for section in sections(annotation)[: len(sections(annotation)) == 1]:
            yield from cases(section, inner, chosen)


def has_list(annotation: Any) -> bool:
    return any(get_origin(option) is tuple for option in (annotation, *get_args(annotation)))


CASES = list(cases())
LISTS = [case for case in CASES if has_list(case.leaf.annotation)]
NUMBERS = [case for case in CASES if "low" in case.leaf.metadata and case not in LISTS]


def by_path(case: Case) -> str:
    return ":".join((*(tag for _, tag in case.chosen), case.leaf.path))


def is_of_type(annotation: Any, value: Any) -> bool:
    if get_origin(annotation) is Literal:
        return any(type(value) is type(a) and value == a for a in get_args(annotation))
    if get_origin(annotation) is tuple:
        kind = get_args(annotation)[0]
        return type(value) is tuple and all(is_of_type(kind, item) for item in value)
    if get_args(annotation):
        return any(is_of_type(option, value) for option in get_args(annotation))
    return type(value) is annotation


def test_defaults_convert() -> None:
    assert convert(Config, {}) == from_hydra({"hydra": {"x": 1}}) == Config()


def test_default_is_accepted_and_typed() -> None:
    check_each(CASES, by_path, accepts_the_default)


def accepts_the_default(case: Case) -> None:
    value = case.convert(case.leaf.default)
    assert value == case.leaf.default
    assert is_of_type(case.leaf.annotation, value)


@pytest.mark.parametrize("probe", PROBES, ids=repr)
def test_accepts_the_declared_type_or_refuses(probe: Any) -> None:
    check_each(CASES, by_path, lambda case: accepts_or_refuses(case, probe))


def accepts_or_refuses(case: Case, probe: Any) -> None:
    try:
        value = case.convert(probe)
    except ConfigError as error:
        (line,) = error.mistakes
        assert line.startswith(f"{case.leaf.path}=")
        assert "allowed: " in line
        assert "\n" not in line
        return
    assert is_of_type(case.leaf.annotation, value)
    if type(value) is tuple:
        assert list(value) == probe
        return
    if is_open(case.leaf):
        assert (type(value), value) == (Arguments, probe)
        return
    assert type(value) is type(probe) or (type(value) is float and float(probe) == value)


def test_true_is_no_number_and_text_no_switch() -> None:
    check_each(CASES, by_path, refuses_true_or_its_name)


def refuses_true_or_its_name(case: Case) -> None:
    options = get_args(case.leaf.annotation) or (case.leaf.annotation,)
    wrong = "true" if bool in options else True
    with pytest.raises(ConfigError, match=case.leaf.path):
        case.convert(wrong)


def test_range_is_enforced_to_the_last_step() -> None:
    check_each(NUMBERS, by_path, enforces_its_range)


def enforces_its_range(case: Case) -> None:
    bounds, whole = (
        case.leaf.metadata,
        int in (case.leaf.annotation, *get_args(case.leaf.annotation)),
    )
    step = 1 if whole else 1e-5
    if math.isfinite(low := bounds["low"]):
        assert case.convert(low) == low
        refuse(case, low - step)
    if math.isfinite(high := bounds["high"]):
        assert case.convert(high) == high
        # Of single precision the next number after a large one is further away.
        refuse(case, high + (1 if whole else max(step, high * 1e-7)))
    if "above" in bounds:
        refuse(case, bounds["above"])
        assert case.convert(bounds["above"] + step) == bounds["above"] + step
    if "below" in bounds:
        refuse(case, bounds["below"])
        assert case.convert(bounds["below"] - step) == bounds["below"] - step


@pytest.mark.parametrize(
    ("path", "value", "allowed"),
    [
        ("data.targets", [], "a list, each item text or null"),
        ("data.targets", ["a", 1], "a list, each item text or null"),
        ("data.targets", "a", r"a list, each item text or null; did you mean \[a\]\?"),
        ("loss.class_weights", [1, -1], "balanced or a list, each item a number >= 0 or null"),
        (
            "loss.class_weights",
            [1, math.nan],
            "balanced or a list, each item a number >= 0 or null",
        ),
        ("loss.class_weights", "balance", "balanced or .*; did you mean balanced\\?"),
    ],
)
def test_lists(path: str, value: Any, allowed: str) -> None:
    (case,) = [case for case in LISTS if case.leaf.path == path]
    with pytest.raises(ConfigError, match=rf"^{path}=.*; allowed: {allowed}"):
        case.convert(value)


@pytest.mark.parametrize("case", LISTS, ids=by_path)
@pytest.mark.parametrize(
    ("value", "problem"),
    [([], "an empty list names nothing"), ([{}], "wrong type, an item of the list")],
)
def test_a_list_is_not_said_to_be_no_list(case: Case, value: Any, problem: str) -> None:
    if case.leaf.default == () == tuple(value):
        assert case.convert(value) == ()  # which says that there is nothing, where that is allowed
        return
    with pytest.raises(ConfigError, match=rf"^{case.leaf.path}=\S+: {problem}; allowed: "):
        case.convert(value)


def test_no_integer_is_without_bounds() -> None:
    check_each(NUMBERS, by_path, is_bounded)


def is_bounded(case: Case) -> None:
    if int in (case.leaf.annotation, *get_args(case.leaf.annotation)):
        # of folds a data set has as many as the catalog says, which is a rule
        assert math.isfinite(case.leaf.metadata["high"]) or case.leaf.path == "data.fold"


def refuse(case: Case, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{case.leaf.path}=\S+: .*allowed: "):
        case.convert(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "nan", "inf", "1e999"], ids=repr)
def test_numbers_are_finite(value: Any) -> None:
    check_each(NUMBERS, by_path, lambda case: refuse(case, value))


@pytest.mark.parametrize("value", ["0.1e", "1_0", " 1", "0x1", "1e400"])
def test_text_that_is_no_plain_number_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="learning_rate"):
        convert(Config, {"optimizer": {"learning_rate": value}})


def test_numbers_written_as_yaml_leaves_them() -> None:
    optimizer = convert(Config, {"optimizer": {"learning_rate": "1e-3"}}).optimizer
    assert optimizer.learning_rate == 1e-3
    assert type(convert(Config, {"model": {"dropout": 0}}).model.dropout) is float


@pytest.mark.parametrize(
    ("key", "value"), [("model.dropout", 1 - 1e-12), ("learning_rate", 1e-50), (".eps", 1e39)]
)
def test_what_single_precision_makes_of_a_value_counts(key: str, value: float) -> None:
    (case,) = [c for c in CASES if c.leaf.path.endswith(key)][-1:]
    with pytest.raises(ConfigError, match="single precision"):
        case.convert(value)


NAMED = [case for case in CASES if "registry" in case.leaf.metadata]


@pytest.mark.parametrize("case", NAMED, ids=by_path)
def test_every_registered_name_and_no_other(case: Case) -> None:
    known = names(case.leaf.metadata["registry"])
    if case in LISTS:
        assert case.convert(list(known)) == tuple(known)
        with pytest.raises(ConfigError, match=rf"did you mean \[{known[0]}\]\?"):
            case.convert(known[0])
        with pytest.raises(ConfigError, match=f"did you mean {known[0]}"):
            case.convert([known[0], known[0] + "x"])
        return
    assert all(case.convert(name) == name for name in known)
    with pytest.raises(ConfigError, match=f"did you mean {known[0]}"):
        case.convert(known[0] + "x")


def test_a_name_of_ones_own_must_lead_to_a_module() -> None:
    assert convert(Config, {"model": {"name": "json.decoder:JSONDecoder"}}).model.name
    for name in ("json.nope:X", "nope.nope:X", "json:", ":X", "json:a b", "os.path.x:y"):
        with pytest.raises(ConfigError, match=r"model\.name"):
            convert(Config, {"model": {"name": name}})


def test_union_is_chosen_by_name() -> None:
    assert isinstance(convert(Config, {"optimizer": {"name": "nadam"}}).optimizer, NadamConfig)
    assert isinstance(convert(Config, {"optimizer": {}}).optimizer, SgdConfig)
    with pytest.raises(ConfigError, match=r"^optimizer.name=nadm: .*did you mean nadam\?$"):
        convert(Config, {"optimizer": {"name": "nadm"}})
    with pytest.raises(ConfigError, match=r"^optimizer.b1=0.9: is a key of optimizer=adam; "):
        convert(Config, {"optimizer": {"name": "sgd", "b1": 0.9}})


@pytest.mark.parametrize(
    ("mapping", "line"),
    [
        (
            {"optimizer": {"learning_rat": 0.1}},
            "optimizer.learning_rat=0.1: unknown key; allowed: name, learning_rate, momentum, "
            "nesterov; did you mean optimizer.learning_rate?",
        ),
        (
            {"epochs": 3},
            f"epochs=3: unknown key; allowed: {TOP}; did you mean training.epochs?",
        ),
        (
            {"model": {"depth": 3.0}},
            "model.depth=3.0: wrong type, a number; allowed: an integer >= 0 and <= 10000; "
            "did you mean 3?",
        ),
        (
            {"optimizer": {"nesterov": True}},
            "optimizer.nesterov=true: needs momentum; allowed: false, or true with "
            "optimizer.momentum > 0",
        ),
        (
            {"data": {"fold": 5}},
            "data.fold=5: out of range; allowed: 0 to 4 for sklearn_digits; did you mean 4?",
        ),
        (
            {"training": None},
            "training=null: is a group of keys; allowed: "
            + enumerate_names([*annotations(TrainingConfig)]),
        ),
        (
            {"logging": {"wandb": {"mod": "offline"}}},
            "logging.wandb.mod=offline: unknown key; allowed: mode, per, project, entity, group; "
            "did you mean logging.wandb.mode?",
        ),
        (
            {"experiment": {"seed": 1}},
            "experiment={'seed': 1}: unknown key (the first line of a file that sets other keys "
            f"must be # @package _global_); allowed: {TOP}",
        ),
        (
            {"model": {"activation": "tanhh"}},
            f"model.activation=tanhh: no such activation; allowed: {KNOWN}; did you mean tanh?",
        ),
        (
            {"model": {"activation": 3}},
            f"model.activation=3: wrong type, an integer; allowed: {KNOWN}",
        ),
        (
            {"logging": {"wandb": {"project": 3}}},
            "logging.wandb.project=3: wrong type, an integer; allowed: text; did you mean '3'?",
        ),
        ({3: 4}, f"3=4: unknown key; allowed: {TOP}"),
    ],
)
def test_the_line_a_user_reads(mapping: Any, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_hydra(mapping)
    assert str(caught.value) == line


def test_all_mistakes_are_told_at_once() -> None:
    wrong = {"seed": -1, "model": {"depth": "a", "x": 1}, "logging": {"wandb": {"mode": "of"}}}
    with pytest.raises(ConfigError) as caught:
        from_hydra(wrong)
    assert [line.partition("=")[0] for line in caught.value.mistakes] == [
        "seed",
        "model.x",
        "model.depth",
        "logging.wandb.mode",
    ]


def test_interpolations_are_resolved_and_a_bad_one_is_one_line() -> None:
    from omegaconf import OmegaConf

    cfg = OmegaConf.create({"model": {"depth": "${training.epochs}"}, "training": {"epochs": 7}})
    assert from_hydra(cfg).model.depth == 7
    for text, line in (
        ("${nope}", "there is no key nope; allowed: an integer >= 1 and <= 1000000"),
        ("${modle.depth}", r"there is no key modle.depth; .*; did you mean \$\{model.depth\}\?"),
        ("${oc.env:NO_PE}", "KeyError raised .*NO_PE.*; allowed: an integer"),
    ):
        with pytest.raises(ConfigError, match=rf"^model\.width={re.escape(text)}: {line}"):
            from_hydra(OmegaConf.create({"model": {"width": text}}))


def test_an_empty_name_gets_no_hint() -> None:
    with pytest.raises(ConfigError, match=r"^data\.name='': no such dataset; (?!.*did you mean)"):
        convert(Config, {"data": {"name": ""}})


def test_missing_value_is_refused_and_none_type_is_only_for_optional() -> None:
    for case in CASES:
        if NoneType in get_args(case.leaf.annotation):
            assert case.convert(None) is None
        else:
            refuse(case, None)
