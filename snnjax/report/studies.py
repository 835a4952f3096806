"""The published tables that sweeps belong to (`sweep.study`), a description each."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from snnjax.report.table import varying

NAMES: Mapping[str, str] = {
    "snn": "SNN",
    "msra": "MSRAinit",
    "layernorm": "LayerNorm",
    "highway": "Highway",
    "resnet": "ResNet",
    "weightnorm": "WeightNorm",
    "batchnorm": "BatchNorm",
    "random_forest": "random forest",
    "svm": "SVM",
    "gradient_boosting": "gradient boosting",
    "logistic_regression": "logistic regression",
    "knn": "k-NN",
}
"""How methods are called in reports, by `model.name`, in the order they are shown in."""

UNKNOWN = "unknown"
"""The method of a run that failed before its configuration was known."""

_FEW_SETTINGS = 12  # more of them are trials to choose from rather than methods to compare


@dataclass(frozen=True)
class Study:
    """A published table or figure and what is compared with it.

    Attributes:
        name: The value of `sweep.study`; empty for runs of no published table.
        title: What it is called on the page.
        metric: The metric that is compared, as in `test.NAME`.
        sections: The names of its sections, see `chapters.SECTIONS`.
        about: How the comparison is made.
        method: The columns that make a method beside `model.name`.
    """

    name: str
    title: str
    metric: str
    sections: tuple[str, ...]
    about: str
    method: tuple[str, ...] = field(default=())


_SEARCH = ("budget", "isolation", "edges", "infeasible")
_RANKS = ("ranks", "significance", "pairs")

STUDIES: Mapping[str, Study] = {
    study.name: study
    for study in (
        Study(
            "uci", "UCI: seven networks on 121 data sets", "accuracy",
            ("beside", *_RANKS, "sizes", "spread", *_SEARCH, "selected", "ours"),
            "Test accuracy, beside Table A11 of Klambauer et al. 2017, which is one test split "
            "per data set (`data.fold` 0).",
        ),
        Study(
            "htru2", "HTRU2: pulsars", "roc_auc", ("folds", *_SEARCH, "selected", "ours"),
            "Area under the ROC curve over ten-fold nested cross-validation, beside Table 3 of "
            "Klambauer et al. 2017.",
        ),
        Study(
            "tox21", "Tox21: toxicity of compounds", "roc_auc",
            ("tasks", "spread", *_SEARCH, "selected", "ours"),
            "Area under the ROC curve, mean over twelve tasks, on the test compounds of the "
            "challenge, beside Table 2 of Klambauer et al. 2017.",
        ),
        Study(
            "figure1", "Figure 1: training error of deep networks", "loss", ("curves",),
            "Training cross-entropy per example by epoch, beside points read off Figure 1 of "
            "Klambauer et al. 2017 (about 10 % either way).",
        ),
        Study(
            "keras", "SNN against the regular network", "accuracy", ("comparison", "spread"),
            "The same network with SELU and alpha dropout, and with ReLU and dropout: what it "
            "reaches, when, and in what time.",
        ),
        Study(
            "glorot_table1", "Table 1 of Glorot & Bengio 2010", "accuracy",
            ("errors", "spread", *_SEARCH),
            "Test error in percent by activation and initialisation, five hidden layers.",
            ("model.activation", "model.init"),
        ),
    )
}  # fmt: skip

_OTHER = ("ours", *_RANKS, "spread", *_SEARCH)


def study_of(name: str | None, runs: pd.DataFrame) -> Study:
    """Return the description of a study, made up from its runs where it has none.

    Its methods are then settings, where these are few, or else networks whose settings are chosen
    by validation; its metric is accuracy, for numbers as targets the root of the mean square.
    """
    if name is not None and name in STUDIES:
        study = STUDIES[name]
        is_known = has_metric(runs, study.metric)
        other = next((m for m in ("r2", "rmse") if has_metric(runs, m)), study.metric)
        return study if is_known else replace(study, metric=other)
    columns = varying(runs)
    known = runs[runs["model.name"].notna()]
    count = len(known[columns].drop_duplicates()) if columns else 1
    method = tuple(c for c in columns if c != "model.name") if count <= _FEW_SETTINGS else ()
    metric = next((m for m in ("accuracy", "rmse") if has_metric(runs, m)), "loss")
    title = name or "Runs of no published table"
    about = "Methods are " + ("settings." if method else "networks, settings chosen by validation.")
    return Study(name or "", title, metric, _OTHER, about, method)


def has_metric(runs: pd.DataFrame, metric: str) -> bool:
    """Tell whether any run has a metric on any split."""
    columns = [f"{split}.{metric}" for split in ("test", "validation", "train")]
    return any(column in runs and bool(runs[column].notna().any()) for column in columns)


def label(runs: pd.DataFrame, study: Study) -> pd.Series:
    """Return the name of the method of each run."""
    names = runs["model.name"].map(lambda name: NAMES.get(name, name), na_action="ignore")
    names = names.fillna(UNKNOWN).astype("str")
    varied = [c for c in study.method if c in runs and runs[c].nunique() > 1]
    if varied and runs["model.name"].nunique() == 1:
        names = pd.Series("", index=runs.index)
    for column in varied:
        names = names + ", " + runs[column].map(lambda v, c=column: _short(c, v)).astype("str")
    return names.str.removeprefix(", ").where(runs["model.name"].notna(), UNKNOWN)


def in_order(methods: object) -> list[str]:
    """Return names of methods in the order they are shown in, unknown ones last."""
    order = {name: place for place, name in enumerate(NAMES.values())}
    names = dict.fromkeys(map(str, methods))  # type: ignore[call-overload]
    return sorted(names, key=lambda n: (order.get(n.split(",")[0], len(order)), n))


def _short(column: str, value: object) -> str:
    """Return a value as part of a method's name: words alone, numbers after what they are."""
    if isinstance(value, str):
        return value
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{column.rpartition('.')[2]} {'null' if text == 'nan' else text}"
