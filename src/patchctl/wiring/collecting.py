"""Python's search for garbage, where it cannot find any."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Within the block no garbage is searched for: what an answer on thousands of hosts is made of
    lives until the answer is told, and to look through it takes an eighth of the CPU."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
