"""`python -m snnjax.distributed`: train one run on the devices of several processes.

Every process is started with the same command; what else stands there is that of `snnjax.train`.
Under Slurm (`srun`), Open MPI and what else JAX recognises nothing has to be said of them.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from snnjax import app, interruption, messages, processes
from snnjax.config.errors import ConfigError
from snnjax.endings import DONE


def run() -> None:
    """Leave the program with the exit code of `main`.

    At once where the others are lost, who could not be waited for, or where the device may still
    be computing.
    """
    code = main(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if processes.is_broken() or code in interruption.EXIT_CODES:
        os._exit(code)
    sys.exit(code)


def main(argv: Sequence[str]) -> int:
    """Join the other processes, then lead or follow them; return the exit code.

    Returns:
        That of `python -m snnjax.train`, in every process; 1 where they lost one another.
    """
    code = app.told(lambda: _join(argv))
    if code != DONE:
        return code
    if processes.is_first():
        code = app.main()
        if not processes.is_broken():
            messages.say_goodbye(code)
    else:
        code = app.told(_follow)
    if not processes.is_broken():
        processes.leave()
    return code


def _join(argv: Sequence[str]) -> int:
    given, overrides = _parser().parse_known_args(argv)
    own = {"--coordinator": given.coordinator, "--processes": given.processes}
    own["--process"] = given.process
    missing = [name for name, value in own.items() if value is None]
    if 0 < len(missing) < len(own):
        raise ConfigError(f"{missing[0]}: is missing; allowed: {', '.join(own)}, or none of them")
    if not missing:
        _check(given.coordinator, given.processes, given.process)
    sys.argv[1:] = overrides
    processes.join(given.coordinator, given.processes, given.process)
    return DONE


def _check(coordinator: str, count: int, index: int) -> None:
    host, _, port = coordinator.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 2**16):
        raise ConfigError(f"--coordinator={coordinator}: allowed: HOST:PORT of process 0")
    if count < 1:
        raise ConfigError(f"--processes={count}: allowed: integers from 1")
    if not 0 <= index < count:
        raise ConfigError(f"--process={index}: out of range; allowed: 0 to {count - 1}")


def _follow() -> int:
    """Train what the first process says, until it says goodbye with its exit code."""
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)  # for `package.module:attribute`, as the first one has it
    from snnjax.following import follow

    with interruption.heard(), interruption.deferred(), interruption.unheard():
        return follow()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m snnjax.distributed", description=__doc__, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s [--coordinator HOST:PORT --processes N --process I] OVERRIDE...",
    )  # fmt: skip
    add = parser.add_argument
    add("--coordinator", metavar="HOST:PORT", help="where process 0 is; any free port of it")
    add("--processes", type=int, metavar="N", help="how many there are")
    add("--process", type=int, metavar="I", help="which of them this is, from 0")
    return parser


if __name__ == "__main__":
    run()
