"""What `doctor` checked and what must be mended."""

from enum import StrEnum

from .base import Model


class Area(StrEnum):
    """What a check is about: this machine, the workspace, or one host."""

    MACHINE = "machine"
    WORKSPACE = "workspace"
    HOST = "host"


class CheckStatus(StrEnum):
    """`warn` works but deserves a look; `fail` must be mended; `skipped` could not be told, or
    does not apply here."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


class Check(Model):
    """One thing that was looked at.

    `subject` is a host's name, a file, or empty for this machine. `name` is stable, for scripts.
    `text` is what was found and may hold words of a host; `hint` says how to mend it and is there
    wherever the status is warn or fail.
    """

    area: Area
    subject: str
    name: str
    status: CheckStatus
    text: str = ""
    hint: str = ""


class LearnedKey(Model):
    """A host key that was written. `entry` is the name it has in known_hosts, `fingerprint` that
    of `ssh-keygen -l`."""

    host: str
    entry: str
    type: str
    fingerprint: str


class DoctorReport(Model):
    """`doctor -o json`. `ok` is true where no check failed; `counts` by status; `hosts` counts
    those that were asked. `learned`: keys that this call wrote into `known_hosts`."""

    ok: bool
    elapsed_s: float
    hosts: int
    counts: dict[CheckStatus, int]
    checks: tuple[Check, ...]
    learned: tuple[LearnedKey, ...] = ()
