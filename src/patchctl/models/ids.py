"""Make ids of runs and snapshots. They are short and readable, and sort by time as text.

Pure: the caller gives the time and the random bytes.
"""

from datetime import UTC, datetime

RANDOM_BYTES = 2

# Distinguishes imported snapshots from those of a discovery.
IMPORT_PREFIX = "i-"


def run_id(now_ms: int, random: bytes) -> str:
    """Return `r-20261123-114501-ab12` for epoch milliseconds UTC and two random bytes."""
    return _stamp("r", now_ms, random)


def snapshot_id(now_ms: int, random: bytes) -> str:
    """Return `s-20261123-114501-ab12` for epoch milliseconds UTC and two random bytes."""
    return _stamp("s", now_ms, random)


def import_id(now_ms: int, random: bytes) -> str:
    """Return `i-20261123-114501-ab12`, the snapshot id of hosts that were imported."""
    return _stamp(IMPORT_PREFIX[0], now_ms, random)


def _stamp(letter: str, now_ms: int, random: bytes) -> str:
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"an id takes {RANDOM_BYTES} random bytes, not {len(random)}")
    moment = datetime.fromtimestamp(now_ms // 1000, UTC)
    return f"{letter}-{moment:%Y%m%d-%H%M%S}-{random.hex()}"
