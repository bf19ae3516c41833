"""The revision of a workspace, as git reports it."""

from typing import NamedTuple


class Revision(NamedTuple):
    """`commit` is empty outside of a checkout; `dirty`: files differ from it or are untracked."""

    commit: str = ""
    dirty: bool = False


class AtHead(NamedTuple):
    """`commit` is HEAD where it has the bytes; else it is empty, and `why` is the reason."""

    commit: str
    why: str = ""
