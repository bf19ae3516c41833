"""What a feed says of itself while it is read."""


class Told:
    """`dated`: epoch seconds UTC, 0 unknown."""

    def __init__(self) -> None:
        self.dated = 0

    def date(self, seconds: int) -> None:
        """Keep the newest date that was said."""
        self.dated = max(self.dated, seconds)
