"""The revision of a workspace, as git reports it."""

from typing import NamedTuple


class Revision(NamedTuple):
    """A git revision. `commit` is empty outside of a checkout; `dirty`: some files differ from it
    or are untracked."""

    commit: str = ""
    dirty: bool = False


class AtHead(NamedTuple):
    """Whether a file is in HEAD as it is. `commit` is HEAD where it has the file's bytes; else it
    is empty, and `why` is the reason."""

    commit: str
    why: str = ""
