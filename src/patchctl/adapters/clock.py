"""Tell the real time."""

import time


def now_ms() -> int:
    """Epoch milliseconds, UTC."""
    return time.time_ns() // 1_000_000


class SystemClock:
    """Implements `rollout.interfaces.Clock`."""

    def now_ms(self) -> int:
        """Epoch milliseconds, UTC."""
        return now_ms()

    def monotonic_ms(self) -> int:
        """Milliseconds since some moment, by a clock that nobody can set."""
        return time.monotonic_ns() // 1_000_000

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        time.sleep(seconds)
