"""`python -m patchctl` and the console script."""

import gc
import sys


def main() -> int:
    """Run the command line."""
    # Imports and decoding make many objects and hardly a cycle: looking for garbage after every 700
    # new ones is a tenth of a short command.
    gc.set_threshold(50_000, 20, 20)
    from .cli import app

    app.end_by_signals()
    return app.main()


if __name__ == "__main__":
    sys.exit(main())
