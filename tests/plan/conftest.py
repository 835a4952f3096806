"""Rates of a made-up machine."""

import pytest

from snnjax.plan.rates import Rates
from snnjax.plan.work import FEATURES


@pytest.fixture
def rates() -> Rates:
    """Return a machine of 1 GFLOP/s that takes a thousandth of a second for a step."""
    seconds = {name: 1e-9 if name.startswith("flops") else 0.0 for name in FEATURES}
    return Rates(
        seconds={**seconds, "steps": 1e-3},
        compiling={"start": (1.0, 0.0), "advance": (2.0, 0.5), "score": (1.0, 0.0)},
        run=0.01,
        report=0.001,
        compose=0.1,
        start=5.0,
        run_bytes=1e5,
        report_bytes=1e3,
        machine={"platform": "cpu", "kind": "made up", "cores": 4},
    )
