"""Results on disk, written after every measurement so that a restart goes on where it stopped."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contestants import Contestant, Measured


class Records:
    """The result file: the machine, and for every table its rows.

    A row has `facts` and, for every contestant, what was `measured` turn by turn.
    """

    def __init__(self, path: Path, machine: Mapping[str, Any]) -> None:
        """Open the file, or begin it.

        Raises:
            SystemExit: It holds results of another machine or of other versions.
        """
        self.path = path
        self.content: dict[str, Any] = {"machine": dict(machine), "tables": {}}
        if not path.exists():
            return
        self.content = json.loads(path.read_text())
        for key in ("cpu", "cores", "device", "accelerators", "versions"):
            before, now = self.content["machine"].get(key), machine.get(key)
            if before != now:
                raise SystemExit(
                    f"{path}: measured with {key} {before}, here it is {now}; choose another --out"
                )
        # A peak is a maximum: neighbours only ever lower what is measured of it.
        own = self.content["machine"]
        own["peak_gflops"] = max(own["peak_gflops"], machine["peak_gflops"])

    def rows(self, table: str) -> dict[str, Any]:
        """Return the rows of a table by name."""
        rows: dict[str, Any] = self.content["tables"].setdefault(table, {})
        return rows

    def row(self, table: str, name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row, new if need be."""
        row: dict[str, Any] = self.rows(table).setdefault(name, {"measured": {}})
        row["facts"] = dict(facts)
        return row

    def save(self) -> None:
        """Write the file whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(self.content, indent=1) + "\n")
        os.replace(partial, self.path)


def take_turns(
    records: Records,
    table: str,
    name: str,
    facts: Mapping[str, Any],
    contestants: Mapping[str, Contestant],
    turns: int,
    kept: Path,
) -> None:
    """Let the contestants of a row alternate until each has had so many turns."""
    measured = records.row(table, name, facts)["measured"]
    for turn in range(turns):
        for who, contestant in contestants.items():
            taken: list[Measured] = measured.setdefault(who, [])
            if len(taken) > turn:
                continue
            load = round(os.getloadavg()[0], 2)  # before it: what the neighbours do
            taken.append(contestant(kept) | {"load_before": load})
            records.save()
            print(f"{name}  turn {turn + 1}  {who}: {taken[-1]['seconds']:.2f} s", flush=True)
