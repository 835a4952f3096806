"""What is wrong with a combination of values, told by name before NumPy or JAX is imported."""

from collections.abc import Callable
from typing import Any

import pytest

from snnjax.config import rules
from snnjax.config.errors import ConfigError
from snnjax.config.rules import RULES
from snnjax.config.strict import from_hydra
from snnjax.data import catalog
from snnjax.metric_names import BY_TASK

CLASSIFICATION, REGRESSION, MULTILABEL = (", ".join(names) for names in BY_TASK.values())
TABLE = {"name": "table", "path": __file__}
LABELS = TABLE | {"task": "multilabel"}
MAXOUT = {"activation": "maxout"}
BROKEN: list[tuple[dict[str, Any], str]] = [
    (
        {"training": {"monitor": "rmse"}},
        f"training.monitor=rmse: sklearn_digits is a classification set; allowed: {CLASSIFICATION}",
    ),
    (
        {"training": {"monitor": "accuracy"}, "data": {"name": "boston"}},
        f"training.monitor=accuracy: boston is a regression set; allowed: {REGRESSION}",
    ),
    (
        {"training": {"patience": 3}, "data": {"validation": 0}},
        "training.patience=3: needs validation rows, and data.validation=0 leaves none; "
        "allowed: null",
    ),
    (
        {"sweep": {"study": "figure 1"}},
        "sweep.study=figure 1: not a name; allowed: uci, htru2, tox21, figure1, keras, "
        "glorot_table1, or a name of letters, digits and _; null for none; did you mean figure1?",
    ),
    (
        {"data": {"name": "miniboone"}},
        "data.name=miniboone: its predictors are missing from the published archive; "
        "allowed: the other 120 UCI sets, or any other name",
    ),
    (
        {"data": {"root": "/no/such/folder"}},
        "data.root=/no/such/folder: is not an existing folder",
    ),
    (
        {"data": {"fold": 10**30}},
        f"data.fold={10**30}: out of range; allowed: 0 to 4 for sklearn_digits; did you mean 4?",
    ),
    (
        {"model": {"width": 46341}},
        "model.width=46341: the largest hidden kernel, 46341 x 46341, exceeds 2**31 elements; "
        "allowed: an integer <= 46340",
    ),
    (
        {"model": {"width": 50_000, "depth": 200, "form": "conic"}},
        "model.width=50000: the largest hidden kernel, 50000 x 47367, exceeds 2**31 elements; "
        "allowed: an integer <= 46340",
    ),
    (
        {"model": {"width": 30_000, "depth": 1, "name": "resnet", "pieces": 3} | MAXOUT},
        "model.width=30000: the largest hidden kernel, 30000 x 90000, exceeds 2**31 elements; "
        "allowed: an integer <= 46340",
    ),
    (
        {"model": {"form": "conic", "name": "highway"}},
        "model.form=conic: highway has no such form; allowed: rectangular",
    ),
    (
        {"model": {"form": "conic", "name": "resnet"}},
        "model.form=conic: resnet has no such form; allowed: rectangular, diavolo",
    ),
    (
        {"model": {"form": "diavolo"}},
        "model.form=diavolo: snn has no such form; allowed: rectangular, conic",
    ),
    (
        {"model": {"form": "conic", "depth": 0}},
        "model.depth=0: no layers are left that model.form=conic could narrow; "
        "allowed: integers from 1, or model.form=rectangular",
    ),
    (
        {"model": {"name": "highway", "depth": 0}},
        "model.depth=0: the first layer of highway is a plain one; allowed: integers from 1",
    ),
    (
        {"model": {"name": "resnet", "form": "diavolo", "bottleneck": 0.25, "width": 2}},
        "model.bottleneck=0.25: rounds to 0 of model.width=2 units; allowed: numbers > 0.25",
    ),
    (
        {"model": {"activation": "rrelu", "rrelu_low": 0.5}},
        "model.rrelu_low=0.5: larger than model.rrelu_high=0.333333; allowed: numbers <= 0.333333",
    ),
    (
        {"model": {"name": "cnn"}, "data": {"name": "plant-margin"}},
        "model.name=cnn: plant-margin holds no images; "
        "allowed: data.name=cifar10, mnist, fashion_mnist, shapeset, sklearn_digits, images",
    ),
    (
        {"model": {"gate_bias": -1}},
        "model.gate_bias=-1.0: has no meaning without model.name=highway; allowed: -2.0",
    ),
    (
        {"model": {"conv_dropout": 0.1}},
        "model.conv_dropout=0.1: has no meaning without model.name=cnn, cnn_relu; allowed: 0.0",
    ),
    (
        {"model": {"bottleneck": 0.25, "name": "resnet"}},
        "model.bottleneck=0.25: has no meaning without model.form=diavolo; allowed: 0.5",
    ),
    (
        {"model": {"block_layers": 4, "name": "resnet"}},
        "model.block_layers=4: wrong type, an integer; allowed: 2, 3",
    ),
    (
        {"model": {"leaky_slope": 0.2, "activation": "relu"}},
        "model.leaky_slope=0.2: has no meaning without model.activation=leaky_relu; allowed: 0.01",
    ),
    (
        {"optimizer": {"nesterov": True}},
        "optimizer.nesterov=true: needs momentum; allowed: false, or true with "
        "optimizer.momentum > 0",
    ),
    (
        {"schedule": {"name": "onecycle"}},
        "optimizer.momentum=0.0: onecycle moves the momentum, and it is off; "
        "allowed: a number > 0 and < 1",
    ),
    (
        {"schedule": {"name": "onecycle"}, "optimizer": {"name": "adagrad"}},
        "optimizer=adagrad: has no momentum for onecycle to move; "
        "allowed: sgd, rmsprop, adam, adamw, nadam, adamax, lion, muon",
    ),
    (
        {"schedule": {"name": "piecewise", "time_1": 20, "time_2": 20}},
        "schedule.time_2=20.0: is not later; allowed: a number > 20, that of schedule.time_1",
    ),
    (
        {"schedule": {"name": "cosine", "stretch": 2}},
        "schedule.stretch=2.0: has no meaning without schedule.time, the length of the first "
        "period; allowed: 1.0",
    ),
    (
        {"optimizer": {"name": "optax", "function": "yogy"}},
        "optimizer.function=yogy: optax has no such optimizer; allowed: adabelief, adadelta, "
        "adafactor, adagrad, adam, adamax, adamaxw, adamw, adan, amsgrad, fromage, lamb and 14 "
        "more; did you mean yogi?",
    ),
    (
        {"optimizer": {"name": "optax", "function": "lbfgs"}},
        "optimizer.function=lbfgs: needs the value of the loss at every step, which an optimizer "
        "is not given here",
    ),
    (
        {"optimizer": {"name": "optax", "arguments": {"esp": 1e-3}}},
        "optimizer.arguments.esp=0.001: no argument of optax.yogi; allowed: b1, b2, eps; "
        "did you mean optimizer.arguments.eps?",
    ),
    (
        {"optimizer": {"name": "optax", "arguments": {"b1": "much"}}},
        "optimizer.arguments.b1=much: does not fit optax.yogi; allowed: a number >= 0 and < 1",
    ),
    (
        {"optimizer": {"name": "optax", "function": "radam", "arguments": {"nesterov": 1.0}}},
        "optimizer.arguments.nesterov=1.0: does not fit optax.radam; allowed: true, false",
    ),
    (
        {"optimizer": {"name": "optax", "arguments": 3}},
        "optimizer.arguments=3: is a group of keys; allowed: names of arguments",
    ),
    (
        {"schedule": {"name": "onecycle"}, "optimizer": {"name": "optax", "arguments": {"b1": 0}}},
        "optimizer.arguments.b1=0: onecycle moves the momentum, and it is off; "
        "allowed: a number > 0 and < 1",
    ),
    (
        {"loss": {"name": "huber"}},
        "loss.name=huber: sklearn_digits is a classification set; "
        "allowed: default, cross_entropy, quadratic",
    ),
    (
        {"loss": {"name": "quadratic"}, "data": {"name": "boston"}},
        "loss.name=quadratic: boston is a regression set; allowed: default, squared_error, huber",
    ),
    (
        {"loss": {"name": "quadratic", "label_smoothing": 0.1}},
        "loss.label_smoothing=0.1: needs cross-entropy, not loss.name=quadratic; allowed: 0.0",
    ),
    (
        {"loss": {"label_smoothing": 0.1}, "data": {"name": "boston"}},
        "loss.label_smoothing=0.1: needs cross-entropy, not boston, a regression set; allowed: 0.0",
    ),
    (
        {"training": {"monitor": "mse"}, "data": LABELS},
        f"training.monitor=mse: table is a multilabel set; allowed: {MULTILABEL}",
    ),
    (
        {"loss": {"name": "cross_entropy"}, "data": LABELS},
        "loss.name=cross_entropy: table is a multilabel set; allowed: default, sigmoid",
    ),
    (
        {"loss": {"class_weights": "balanced"}, "data": {"name": "boston"}},
        "loss.class_weights=balanced: boston is a regression set; allowed: null",
    ),
    (
        {"loss": {"class_weights": [1, 2]}, "data": LABELS},
        "loss.class_weights=[1.0, 2.0]: table is a multilabel set; allowed: balanced, null",
    ),
    (
        {"data": {"name": "table"}},
        "data.path=null: data.name=table needs a file; allowed: a CSV file with a header",
    ),
    (
        {"data": {"name": "images"}},
        "data.path=null: data.name=images needs a folder; allowed: a folder of images",
    ),
    (
        {"data": {"name": "images", "path": "no"}},
        "data.path=no: is not an existing folder; allowed: a folder of images",
    ),
    (
        {"data": {"name": "table", "path": "no.csv"}},
        "data.path=no.csv: is not an existing file; allowed: a CSV file with a header",
    ),
    (
        {"data": {"weight": "w"}},
        "data.weight=w: has no meaning without data.name=table; allowed: null",
    ),
    (
        {"data": TABLE | {"fold": 3, "folds": 3}},
        "data.fold=3: out of range; allowed: 0 to 2 for table; did you mean 2?",
    ),
    (
        {"training": {"min_gain": 0.1}, "data": {"validation": 0}},
        "training.min_gain=0.1: needs validation rows, and data.validation=0 leaves none; "
        "allowed: 0.0",
    ),
    (
        {"training": {"smoothing": 10}, "data": {"validation": 0}},
        "training.smoothing=10: needs validation rows, and data.validation=0 leaves none; "
        "allowed: 1",
    ),
    (
        {"model": {"norm": "weight", "init": "zeros"}},
        "model.init=zeros: weights of length 0 have no direction for model.norm=weight; "
        "allowed: any other initialiser",
    ),
    (
        {"model": {"norm": "weight", "init_bias": 0.5}},
        "model.init_bias=0.5: model.norm=weight begins with the mean 0 of every unit, whatever its "
        "bias; allowed: 0.0",
    ),
    (
        {"model": {"init": "lsuv", "init_gain": 2}},
        "model.init_gain=2.0: model.init=lsuv begins with the variance 1, whatever the gain; "
        "allowed: 1.0",
    ),
    (
        {"model": {"dropout": 0, "dropout_variance": 2}},
        "model.dropout_variance=2.0: nothing is dropped; allowed: 1.0",
    ),
    (
        {"training": {"monte_carlo": 20}, "model": {"dropout": 0}},
        "training.monte_carlo=20: nothing is random in this network; "
        "allowed: 0, or model.dropout > 0",
    ),
]


@pytest.mark.parametrize(("mapping", "line"), BROKEN)
def test_the_line_a_user_reads(mapping: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_hydra(mapping)
    assert str(caught.value) == line


def test_every_rule_is_broken_by_some_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a rule some case has fewer complaints."""
    complaints = count_complaints()
    for rule in RULES:
        monkeypatch.setattr(rules, "RULES", [other for other in RULES if other != rule])
        assert count_complaints() < complaints, rule


def count_complaints() -> int:
    """Count the lines about all broken cases."""
    lines = 0
    for mapping, _ in BROKEN:
        try:
            from_hydra(mapping)
        except ConfigError as error:
            lines += len(error.mistakes)
    return lines


@pytest.mark.parametrize(
    "mapping",
    [
        {"training": {"patience": 3}, "data": {"validation": 0.1}},
        {"training": {"patience": 3}},
        {"training": {"restore_best": True}, "data": {"validation": 0}},
        {"model": {"width": 46340}},
        {"model": {"width": 30_000, "pieces": 3, "depth": 1} | MAXOUT},
        {"model": {"depth": 0}},
        {"model": {"depth": 0, "name": "resnet"}},
        {"model": {"name": "resnet", "form": "diavolo", "bottleneck": 0.25, "width": 3}},
        {"model": {"name": "resnet", "form": "diavolo", "width": 60_000}},
        {"model": {"name": "cnn_relu", "norm": "batch", "form": "conic"}},
        {"model": {"name": "snnjax.nn.mlp:MLP", "form": "diavolo", "gate_bias": 1}},
        {"model": {"width": 1_000_000, "depth": 1}},
        {"model": {"width": 50_000, "depth": 2, "form": "conic"}},
        {"schedule": {"name": "onecycle"}, "optimizer": {"momentum": 0.5}},
        {"schedule": {"name": "onecycle"}, "optimizer": {"name": "muon"}},
        {
            "schedule": {"name": "onecycle"},
            "optimizer": {"name": "optax", "arguments": {"b1": 0.9}},
        },
        {"schedule": {"name": "cosine", "stretch": 2, "time": 3}},
        {"schedule": {"name": "plateau"}, "data": {"validation": 0}},
        {"schedule": {"name": "piecewise", "time_1": 1, "time_2": 1.5}},
        {"loss": {"name": "cross_entropy", "label_smoothing": 0.1}},
        {"loss": {"label_smoothing": 0.1}},
        {"loss": {"name": "huber"}, "data": {"name": "boston"}},
        {"training": {"min_gain": 0.1, "smoothing": 10}},
        {"loss": {"class_weights": "balanced"}},
        {"loss": {"class_weights": [1, 0.5]}},
        {"loss": {"class_weights": "balanced", "name": "sigmoid"}, "data": LABELS},
        {"loss": {"label_smoothing": 0.1}, "data": LABELS},
        {"data": TABLE | {"fold": 6, "folds": 7}},
        {"data": {"root": "~"}},
        {"data": {"root": ""}},
    ],
)
def test_what_makes_sense_passes(mapping: dict[str, Any]) -> None:
    from_hydra(mapping)


@pytest.mark.parametrize("monitor", sorted({name for names in BY_TASK.values() for name in names}))
@pytest.mark.parametrize(
    "data",
    [{"name": name} for name in ("sklearn_iris", "sklearn_linnerud", "wine", "boston")]
    + [TABLE | {"task": task} for task in BY_TASK],
    ids=lambda data: data.get("task", data["name"]),
)
def test_a_metric_is_watched_where_there_is_one(data: dict[str, Any], monitor: str) -> None:
    mapping = {"data": data, "training": {"monitor": monitor}}
    task = data.get("task") or catalog.entry(data["name"]).task
    if monitor in BY_TASK[task]:
        assert from_hydra(mapping).training.monitor == monitor
        return
    allowed = ", ".join(BY_TASK[task])
    line = rf"^training\.monitor={monitor}: {data['name']} is a {task} set; allowed: {allowed}$"
    with pytest.raises(ConfigError, match=line):
        from_hydra(mapping)


def test_rules_are_checked_without_numpy(run_code: Callable[..., Any]) -> None:
    code = (
        "from snnjax.config.strict import from_hydra\n"
        "from snnjax.config.errors import ConfigError\n"
        "try:\n from_hydra({'training': {'monitor': 'rmse'}, 'data': {'name': 'wine'}})\n"
        "except ConfigError as error: print(error)"
    )
    done, imported = run_code(code)
    assert done.stdout.strip().endswith(CLASSIFICATION)
    assert not imported & {"numpy", "jax"}
