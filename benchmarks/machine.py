"""What a measurement was made on: the machine, its peak and the versions.

python benchmarks/machine.py [--device gpu]      # prints it as JSON
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_IMPORTED = {"snnjax": "hydra, jax, flax.nnx, optax", "torch": "numpy, torch"}
_PACKAGES = ("snnjax", "jax", "flax", "numpy", "torch")


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Return the smallest, the median and the largest value."""
    return {
        "min": round(min(values), digits),
        "median": round(statistics.median(values), digits),
        "max": round(max(values), digits),
    }


def core_count() -> int:
    """Count the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def versions() -> dict[str, str | None]:
    """Return the versions of what is measured; None for what is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def peak_gflops(cores: int, size: int = 2048, repeats: int = 20) -> float:
    """Measure the float32 matrix product on some cores, the limit all of this works against.

    With PyTorch where it is installed, whose product is the fastest of those at hand on CPUs.
    """
    import numpy as np

    matrix = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    try:
        import torch
    except ImportError:
        return _best_gflops(lambda: matrix @ matrix, size, repeats)
    before = torch.get_num_threads()
    torch.set_num_threads(cores)
    tensor = torch.from_numpy(matrix)
    best = _best_gflops(lambda: tensor @ tensor, size, repeats)
    torch.set_num_threads(before)
    return best


def as_users_have_it(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what makes Python compile all it imports at every start."""
    return {k: v for k, v in environment.items() if k != "PYTHONDONTWRITEBYTECODE"}


def import_seconds(repeats: int = 5) -> dict[str, float]:
    """Measure how long an interpreter takes to start and to import the libraries, no program yet.

    0 for PyTorch where it is not installed.
    """
    kept = as_users_have_it(os.environ)
    seconds = {}
    for who, names in _IMPORTED.items():
        taken = []
        for _ in range(repeats):
            began = time.perf_counter()
            command = [sys.executable, "-c", f"import {names}"]
            ended = subprocess.run(command, env=kept, capture_output=True, check=who != "torch")
            taken.append(time.perf_counter() - began if ended.returncode == 0 else 0.0)
        seconds[who] = round(statistics.median(taken), 3)
    return seconds


def accelerator_peak_gflops(size: int = 8192, repeats: int = 20) -> float:
    """Measure the accelerator's matrix product of float32 arrays at JAX's default precision."""
    import jax

    matrix = jax.random.normal(jax.random.key(0), (size, size))
    product = jax.jit(lambda a: a @ a)
    return _best_gflops(lambda: product(matrix).block_until_ready(), size, repeats)


def describe(device: str = "cpu") -> dict[str, Any]:
    """Describe the machine; measures its peak, on accelerators in a JAX that keeps the device.

    Raises:
        SystemExit: An accelerator is asked for and JAX sees none.
    """
    cores = core_count()
    description: dict[str, Any] = {
        "cpu": cpu_name(),
        "cores": cores,
        "device": device,
        "versions": versions(),
        "date": time.strftime("%Y-%m-%d"),
    }
    if device == "cpu":
        peaks = {str(count): peak_gflops(count) for count in sorted({1, cores})}
        peaks_and_imports = {"peak_gflops_on_cores": peaks, "peak_gflops": peaks[str(cores)]}
        return description | peaks_and_imports | {"import_seconds": import_seconds()}
    import jax

    if jax.default_backend() == "cpu":
        raise SystemExit(f"--device {device}: JAX sees no accelerator; allowed here: cpu")
    kinds = [one.device_kind for one in jax.devices()]
    return description | {"accelerators": kinds, "peak_gflops": accelerator_peak_gflops()}


def _best_gflops(product: Callable[[], Any], size: int, repeats: int) -> float:
    product()
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - began)
    return round(2 * size**3 / best / 1e9, 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    print(json.dumps(describe(parser.parse_args().device)))
