"""`python -m snnjax.train`: train what the command line describes; `--help` says how."""

import os
import sys

from snnjax.app import main
from snnjax.interruption import EXIT_CODES


def run() -> None:
    """Leave the program with the exit code of `main`.

    An interrupted program leaves at once: everything is written and closed by then, and an
    orderly end would wait for epochs that the device is still computing.
    """
    code = main()
    if code in EXIT_CODES:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    run()
