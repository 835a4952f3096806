"""Wandb kept inside a folder, and what it wrote there read back with its own reader."""

import json
import subprocess
import sys


def inspect(path, *options):
    """Read a run back with wandb's own reader."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *options, str(path)]
    return subprocess.check_output(command, text=True)


def rows_on_disk(path):
    records = [json.loads(line) for line in inspect(path).splitlines()]
    items = [r["history"]["item"] for r in records if r["type"] == "history"]
    return [{k: v for k, v in item.items() if not k.startswith("_")} for item in items]
