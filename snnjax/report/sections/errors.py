"""Test errors by activation and initialisation: Table 1 of Glorot & Bengio 2010."""

import pandas as pd

from snnjax.report import printed
from snnjax.report.evidence import Evidence
from snnjax.report.section import Section, Table

_DATA = {
    "shapeset": "Shapeset-3x2", "mnist": "MNIST", "cifar10": "CIFAR-10", "images": "Small-ImageNet",
}  # fmt: skip
_ACTIVATIONS = {"softsign": "Softsign", "tanh": "Tanh", "sigmoid": "Sigmoid"}


def errors(own: Evidence) -> Section | None:
    """Give test errors in percent, a row for each network, the printed ones below."""
    chosen = own.chosen.dropna(subset=["score"])
    if chosen.empty:
        return None
    names = [
        _ACTIVATIONS.get(activation, activation) + (" N" if str(init).startswith("glorot") else "")
        for activation, init in zip(chosen["model.activation"], chosen["model.init"], strict=True)
    ]
    data = chosen["data.name"].map(lambda name: _DATA.get(name, name))
    error = 100 * (1 - chosen["score"])
    table = error.groupby([pd.Series(names, index=chosen.index), data]).mean().unstack()
    spread = error.groupby([pd.Series(names, index=chosen.index), data]).std().unstack()
    told = printed.glorot()
    rows = [name for name in told.index if name in table.index]
    rows += [name for name in table.index if name not in rows]
    columns = [name for name in _DATA.values() if name in table]
    columns += [name for name in table if name not in columns]
    table, spread = table.reindex(rows)[columns], spread.reindex(index=rows, columns=columns)
    same = told.reindex(index=rows, columns=columns)
    ours = Table(
        "errors",
        table.reset_index(names="network"),
        f"{own.split.capitalize()} error in percent, mean over seeds; the printed error below. N: "
        "normalised initialisation.",
        dict.fromkeys(columns, ".2f"),
        below=same.reset_index(drop=True).map(lambda v: "" if v != v else f"{v:.2f}"),
    )
    pairs = pd.concat(
        {"ours": table.stack(), "sd": spread.stack(), "printed": same.stack()}, axis=1
    ).reset_index(names=["network", "data set"])
    pairs["difference"] = pairs["ours"] - pairs["printed"]
    formats = {"ours": ".2f", "sd": ".2f", "printed": ".2f", "difference": "+.2f"}
    beside = Table(
        "errors_beside", pairs, "Our error minus the printed one.", formats, is_folded=True
    )
    return Section("Beside the printed table", (), [ours, beside])
