"""What only the data can tell of a configuration is told in a line before anything is compiled."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import make_dataset

from snnjax.config.errors import ConfigError
from snnjax.config.optimization import LossConfig
from snnjax.config.schema import Config, TrainingConfig
from snnjax.data.dataset import Dataset
from snnjax.fit import check_data


def labels(kinds: tuple[float, ...], part: str = "validation") -> Dataset:
    """Make a set whose every label of the validation (or other) rows is one of its column's."""
    data = make_dataset(classes=len(kinds), task="multilabel")
    targets = data.targets.copy()
    targets[data.rows[part]] = kinds
    return replace(data, targets=targets)


def weighted(*weights: float) -> Config:
    return Config(loss=LossConfig(class_weights=weights))


AREA = Config(training=TrainingConfig(monitor="roc_auc"))
REFUSED = {
    "a list too short": (
        weighted(1.0, 2.0),
        make_dataset(),
        "loss.class_weights=[1.0, 2.0]: 2 weights for the 3 classes of made; "
        "allowed: a list of 3, balanced, null",
    ),
    "nothing weighs": (
        weighted(0.0, 0.0, 0.0),
        make_dataset(),
        "loss.class_weights=[0.0, 0.0, 0.0]: every training row weighs 0; allowed: one above 0",
    ),
    "labels of one kind each": (
        AREA,
        labels((0.0, 1.0, np.nan)),
        "training.monitor=roc_auc: undefined, because the validation rows hold no task's labels "
        "of both kinds; allowed: loss, accuracy",
    ),
    "no labels": (
        Config(),
        labels((np.nan, np.nan)),
        "data.fold=0: none of the 53 validation rows of made has a label; "
        "allowed: another fold, or another data.validation",
    ),
    "no labels to test by": (
        Config(),
        labels((np.nan, np.nan), "test"),
        "data.fold=0: none of the 47 test rows of made has a label; "
        "allowed: another fold, or another data.folds",
    ),
    "a metric of another task": (
        AREA,
        make_dataset(task="regression"),
        "training.monitor=roc_auc: made is a regression set; allowed: loss, mse, rmse, r2",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_the_data(case: str) -> None:
    config, data, line = REFUSED[case]
    with pytest.raises(ConfigError) as raised:
        check_data(config, data)
    assert str(raised.value) == line


def test_what_fits() -> None:
    check_data(weighted(0.0, 1.0, 2.0), make_dataset())
    check_data(AREA, make_dataset(task="multilabel"))
    check_data(Config(), labels((0.0, np.nan)))
