"""Collect the date of a feed while its records are read."""


class FeedDate:
    """The date of a feed: `dated` in epoch seconds UTC, 0 unknown. `latest` is the last second that
    a record may be dated at, 0 for no limit."""

    def __init__(self, latest: int = 0) -> None:
        self.dated = 0
        self._latest = latest

    def date(self, seconds: int) -> None:
        """Keep a date that the feed as a whole states, if it is the newest."""
        self.dated = max(self.dated, seconds)

    def record(self, *dates: int) -> str:
        """Keep the newest date of one record. Returns why the record cannot be used, empty where it
        can. Only the record is refused, because one typing error among ten thousand dates must
        neither make a feed look new nor refuse it."""
        newest = max(dates)
        if self._latest and newest > self._latest:
            return FUTURE
        self.date(newest)
        return ""


FUTURE = "is dated in the future"
