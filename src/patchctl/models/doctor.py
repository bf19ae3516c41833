"""The results of `doctor`'s checks."""

from enum import StrEnum

from .base import Model


class Area(StrEnum):
    """What a check is about: this machine, the workspace, or one host."""

    MACHINE = "machine"
    WORKSPACE = "workspace"
    HOST = "host"


class CheckStatus(StrEnum):
    """How a check ended. `warn`: it works, but should be looked at. `fail`: it must be fixed.
    `skipped`: it could not be checked, or does not apply here."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


class Check(Model):
    """One check with its result.

    `subject` is a host's name, a file, or empty for this machine. `name` is stable, for scripts.
    `text` is the result and may contain text of a host; `hint` says how to fix it, and is set where
    the status is warn or fail.
    """

    area: Area
    subject: str
    name: str
    status: CheckStatus
    text: str = ""
    hint: str = ""


class LearnedKey(Model):
    """A host key that was written. `entry` is the host's name in known_hosts, `fingerprint` that
    of `ssh-keygen -l`."""

    host: str
    entry: str
    type: str
    fingerprint: str


class DoctorReport(Model):
    """`doctor -o json`. `ok` is true where no check failed; `counts` by status; `hosts` counts
    those that were checked. `learned`: keys that this call wrote into `known_hosts`."""

    ok: bool
    elapsed_s: float
    hosts: int
    counts: dict[CheckStatus, int]
    checks: tuple[Check, ...]
    learned: tuple[LearnedKey, ...] = ()
