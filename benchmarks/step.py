"""What dropout costs in a training step and what bfloat16 saves, on one core, in turns.

    python benchmarks/step.py --out benchmarks/results/step.json

The same network as in `single_run.py`, without PyTorch: with alpha dropout 0.05, without dropout,
and with dropout in bfloat16. Turns of whole epochs alternate; what counts is the process's CPU time
on one pinned core.
"""

from collections.abc import Mapping
from dataclasses import replace

from machine import spread
from single_run import Case, load, measure_all, prepare_snnjax, samples_per_second

CASES = (
    Case("letter", 8, 32),
    Case("letter", 20, 100),
    Case("letter", 8, 256),
    Case("letter", 4, 1024),
)
# At width 256: the share of a step that dropout may take, and how many times as fast bfloat16 is.
WANTED = {"letter d8 w256": {"dropout_share": 0.05, "bf16_ratio": 1.5}}


def variants_of(case: Case) -> Mapping[str, Case]:
    """Return the forms of a case that take turns."""
    return {
        "dropout": case,
        "no dropout": replace(case, dropout=0.0),
        "bf16": replace(case, precision="bf16"),
    }


def measure(case: Case, turns: int, seconds: float) -> dict:
    """Let the variants of a case alternate."""
    data = load(case)
    rows = len(data.rows["train"])
    trained = {name: prepare_snnjax(one, data)[0] for name, one in variants_of(case).items()}
    epochs = {}
    for name, train in trained.items():
        train(1)
        epochs[name] = max(1, round(seconds * samples_per_second(train, 1, rows) / rows))
    speeds: dict[str, list[float]] = {name: [] for name in trained}
    for _ in range(turns):
        for name, train in trained.items():
            speeds[name].append(samples_per_second(train, epochs[name], rows))
    pairs = zip(speeds["dropout"], speeds["no dropout"], strict=True)
    gains = zip(speeds["bf16"], speeds["dropout"], strict=True)
    return {
        "case": case.name,
        "turns": turns,
        "samples_per_second": {name: spread(values, 0) for name, values in speeds.items()},
        "dropout_share": spread([1 - one / other for one, other in pairs]),
        "bf16_ratio": spread([one / other for one, other in gains]),
        "wanted": WANTED.get(case.name),
    }


def line_of(case: Case, result: dict) -> str:
    share, ratio = result["dropout_share"], result["bf16_ratio"]
    return (
        f"{case.name:18} {result['samples_per_second']['dropout']['median'] / 1e3:7.1f}k "
        f"samples/s; dropout {share['median']:.1%} of a step "
        f"({share['min']:.1%} to {share['max']:.1%}); bf16 {ratio['median']:.2f} times as fast "
        f"({ratio['min']:.2f} to {ratio['max']:.2f})"
    )


if __name__ == "__main__":
    measure_all(__doc__.splitlines()[0], CASES, measure, line_of, seconds=2.0)
