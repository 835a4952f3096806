"""Training loss over epochs, over the printed points: Figure 1."""

from pathlib import Path

import pandas as pd

from snnjax.config.errors import ConfigError
from snnjax.figures.records import read_history
from snnjax.report import drawing, printed
from snnjax.report.evidence import Evidence
from snnjax.report.section import Picture, Section, Table

_DATA = {"mnist": "MNIST", "cifar10": "CIFAR-10"}
_NETWORKS = {"BatchNorm": "ReLU+BatchNorm"}  # as the printed figure has it


def curves(own: Evidence) -> Section | None:
    """Draw the training loss of each network and depth over the printed points."""
    panels, warnings = _curves(own)
    if not panels:
        return None
    points = {name: marks for name, marks in _points().items() if name in panels}
    shown = {
        name: {k: v for k, v in marks.items() if _network(k) in set(map(_network, panels[name]))}
        for name, marks in points.items()
    }
    rows = []
    for name, ours in panels.items():
        for label, curve in ours.items():
            for epoch, value in points.get(name, {}).get(label, pd.Series(dtype=float)).items():
                mine = float(curve.get(epoch, float("nan")))
                rows.append((name, label, epoch, mine, value, mine / value))
            last = int(curve.index.max())
            rows.append((name, label, last, float(curve.loc[last]), None, None))
    frame = pd.DataFrame(
        rows, columns=["data set", "network", "epoch", "ours", "printed", "ours / printed"]
    )
    frame = frame[frame["ours"].notna()].drop_duplicates(["data set", "network", "epoch"])
    picture = Picture(
        "curves",
        drawing.curves_over_points(panels, shown),
        "Training cross-entropy per example by epoch (mean over seeds); circles are read off the "
        "printed figure.",
    )
    formats = {"ours": ".2e", "printed": ".2e", "ours / printed": ".2f"}
    caption = "At the epochs that could be read off the printed figure, and at the last one."
    return Section(
        "Over the printed points",
        (),
        [Table("curves", frame, caption, formats)],
        [picture],
        warnings,
    )


def _curves(own: Evidence) -> tuple[dict[str, dict[str, pd.Series]], list[str]]:
    """Return the mean loss over seeds by data set and label, and what could not be read."""
    found: dict[str, dict[str, list[pd.Series]]] = {}
    warnings = []
    for row in own.runs[
        own.runs["epochs"].notna() | (own.runs["status"] == "running")
    ].itertuples():
        try:
            history = read_history(Path(row.folder))
        except ConfigError as error:
            warnings.append(str(error))
            continue
        losses = {e["epoch"]: e["loss"] for e in history if e.get("split") == "train"}
        data = str(own.runs.at[row.Index, "data.name"])
        depth = own.runs.at[row.Index, "model.depth"]
        if losses:
            label = f"{_NETWORKS.get(row.method, row.method)} {depth:g}"
            panel = found.setdefault(_DATA.get(data, data), {})
            panel.setdefault(label, []).append(pd.Series(losses, dtype=float))
    panels = {
        name: {label: pd.concat(seeds, axis=1).mean(axis=1) for label, seeds in panel.items()}
        for name, panel in found.items()
    }
    return panels, warnings


def _points() -> dict[str, dict[str, pd.Series]]:
    """Return the printed points by data set and label."""
    points: dict[str, dict[str, pd.Series]] = {}
    for row in printed.figure1().to_dict("records"):
        marks = {int(k[2:]): v for k, v in row.items() if str(k).startswith("ep")}
        label = f"{row['network']} {row['depth']:g}"
        points.setdefault(row["dataset"], {})[label] = pd.Series(marks, dtype=float).dropna()
    return points


def _network(label: str) -> str:
    return label.rpartition(" ")[0]
