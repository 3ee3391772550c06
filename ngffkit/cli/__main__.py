"""Run ``python -m ngffkit.cli``."""

import sys

from ngffkit.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
