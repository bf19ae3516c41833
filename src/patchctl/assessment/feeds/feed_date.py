"""What a feed says of itself while it is read."""


class FeedDate:
    """`dated`: epoch seconds UTC, 0 unknown. `latest`: the last second that a record can be of, 0
    where nobody knows the time."""

    def __init__(self, latest: int = 0) -> None:
        self.dated = 0
        self._latest = latest

    def date(self, seconds: int) -> None:
        """Keep the newest date that the feed as a whole states."""
        self.dated = max(self.dated, seconds)

    def record(self, *dates: int) -> str:
        """Keep the newest date of one record. Returns why the record cannot be used, empty where it
        can: one typing error among ten thousand dates must not make a feed look new, nor refuse
        it."""
        newest = max(dates)
        if self._latest and newest > self._latest:
            return FUTURE
        self.date(newest)
        return ""


FUTURE = "is dated in the future"
