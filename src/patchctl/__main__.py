"""`python -m patchctl` and the console script."""

import sys


def main() -> int:
    """Run the command line."""
    from .cli.app import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
