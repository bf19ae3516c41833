"""What git says of a workspace."""

from typing import NamedTuple


class Revision(NamedTuple):
    """`commit` is empty outside of a checkout; `dirty`: files differ from it or are untracked."""

    commit: str = ""
    dirty: bool = False


class AtHead(NamedTuple):
    """`commit` is HEAD where it has the bytes, else empty, and `why` says why not."""

    commit: str
    why: str = ""
