"""`python -m snnjax.train`: train what the command line describes; `--help` says how."""

import sys

from snnjax.app import main

if __name__ == "__main__":
    sys.exit(main())
