"""Tables in Markdown, made of records."""

from collections.abc import Mapping, Sequence
from typing import Any

from cases import COLD, WARM
from contestants import ALONE
from machine import spread

Row = Mapping[str, Any]


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a table with padded columns."""
    lines = [list(head), *map(list, body)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def ratios(
    row: Row, peer: str, ours: str, key: str = "seconds", imports: Mapping[str, float] | None = None
) -> list[float]:
    """Return a peer's seconds over ours, turn by turn; nothing where one of them is unknown.

    What importing the libraries takes, `imports` of `machine.describe`, is taken off both.
    """
    measured, off = row["measured"], imports or {"torch": 0.0, "snnjax": 0.0}
    return [
        (theirs[key] - off["torch"]) / (own[key] - off["snnjax"])
        for theirs, own in zip(measured.get(peer, []), measured.get(ours, []), strict=False)
        if theirs.get(key) and own.get(key)
    ]


def median_of(row: Row, who: str, key: str = "seconds") -> float | None:
    """Return the median of what was measured of a contestant."""
    known = [one[key] for one in row["measured"].get(who, []) if one.get(key) is not None]
    return spread(known)["median"] if known else None


def peers_table(rows: Mapping[str, Row], imports: Mapping[str, float]) -> str:
    """Compare sweeps with their peers: whole commands; without imports; training alone."""
    head = (
        *("sweep", "peer", "command, cold", "no imports, cold", "wanted"),
        *("command, warm", "no imports, warm", "wanted", "training", "accuracy (peer's)"),
    )
    body = []
    for name, row in rows.items():
        for peer in row["measured"]:
            if peer in (COLD, WARM):
                continue
            wanted = {w["ours"]: w["ratio"] for w in row["facts"]["wanted"] if w["peer"] == peer}
            # What torch.compile keeps for a second start is not measured.
            warm = "not measured" if peer == "compile" else WARM
            accuracies = [median_of(row, who, "accuracy") for who in (WARM, peer)]
            body.append(
                (
                    name,
                    peer,
                    _spread(ratios(row, peer, COLD)),
                    _spread(ratios(row, peer, COLD, imports=imports)),
                    _number(wanted.get(COLD)),
                    _spread(ratios(row, peer, warm)),
                    _spread(ratios(row, peer, warm, imports=imports)),
                    _number(wanted.get(WARM)),
                    _spread(ratios(row, peer, WARM, "training_seconds")),
                    "{} ({})".format(*map(_number, accuracies)),
                )
            )
    return markdown(head, body)


def throughput_table(rows: Mapping[str, Row], peak_gflops: float) -> str:
    """Compare members x samples per second of all who take part in a sweep."""
    head = ("sweep", "who", "s", "samples/s", "samples/s in training", "share of peak")
    body = []
    for name, row in rows.items():
        for who in row["measured"]:
            facts, whole = row["facts"], median_of(row, who)
            training = median_of(row, who, "training_seconds")
            busy = training or whole
            if busy is None or whole is None:
                continue
            body.append(
                (
                    name,
                    who,
                    _number(whole),
                    f"{facts['samples'] / whole:,.0f}",
                    f"{facts['samples'] / training:,.0f}" if training else "",
                    f"{100 * facts['flops'] / busy / 1e9 / peak_gflops:.1f} %",
                )
            )
    return markdown(head, body)


def growth_table(rows: Mapping[str, Row]) -> str:
    """Show how time grows with the number of trials and of data sets."""
    head = ("sweep", "runs", "compilations", "cold s", "warm s", "runs/s cold", "runs/s warm")
    body = []
    for name, row in rows.items():
        runs = row["facts"]["runs"]
        cold, warm = median_of(row, COLD), median_of(row, WARM)
        body.append(
            (
                name,
                str(runs),
                _number(median_of(row, COLD, "compilations")),
                _number(cold),
                _number(warm),
                _number(runs / cold if cold else None),
                _number(runs / warm if warm else None),
            )
        )
    return markdown(head, body)


def strategies_table(rows: Mapping[str, Row], auto: str) -> str:
    """Compare the planner's choice with the best of the fixed strategies."""
    head = ("sweep", "strategy", "s", "training s", "over auto", "training over auto")
    body = []
    for name, row in rows.items():
        for who in sorted(row["measured"], key=lambda who: median_of(row, who) or 0):
            body.append(
                (
                    name,
                    who,
                    _number(median_of(row, who)),
                    _number(median_of(row, who, "training_seconds")),
                    _spread(ratios(row, who, auto)),
                    _spread(ratios(row, who, auto, "training_seconds")),
                )
            )
    return markdown(head, body)


def alone_table(rows: Mapping[str, Row]) -> str:
    """Compare populations with one run after another, where there is no other peer."""
    head = ("sweep", "whole command", "training only")
    body = [
        (
            name,
            _spread(ratios(row, ALONE, WARM)),
            _spread(ratios(row, ALONE, WARM, "training_seconds")),
        )
        for name, row in rows.items()
    ]
    return markdown(head, body)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    found = spread(values)
    return f"{found['median']:.2f} ({found['min']:.2f} to {found['max']:.2f})"
