"""Compliance: whether hosts still have the updates of their runs, and whether these have effect."""

from enum import StrEnum

from .assessment import FeedUsed
from .base import Model
from .plan import Transition


class ExpectedState(Model):
    """The updates that a run made on a host. `made` is when it succeeded there, epoch ms UTC.
    `later` says what a newer run did on the host without success, empty where there is none."""

    host: str
    run: str
    made: int
    transitions: tuple[Transition, ...]
    later: str = ""


class VerifiedState(StrEnum):
    """The state of a host compared with the expected one; the first state that is true counts."""

    # It was not discovered since then, so its state is unknown.
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"
    # A promised version is missing, older, or not completely installed.
    BROKEN = "broken"
    # The versions are installed, but old code still runs: a reboot or a restart is missing.
    NOT_EFFECTIVE = "not_effective"
    # The versions are installed and run, but a feed now says that a promised CVE affects them.
    OPEN = "open"
    OK = "ok"


class PackageProblem(StrEnum):
    """What is wrong with a promised package."""

    MISSING = "missing"
    OLDER = "older"
    HALF_INSTALLED = "half-installed"
    BACK = "back"  # its removal was promised


class BrokenPackage(Model):
    """A package that is not as promised. `promised` is empty where its removal was promised;
    `found` is empty where the package is missing. `status` is dpkg's, where it is not fully
    installed."""

    package: str
    arch: str
    promised: str
    found: str
    problem: PackageProblem
    status: str = ""


class VerifiedHost(Model):
    """One host. `open_cves` are promised CVEs that a feed still reports there, or whose fix is not
    in effect. `reason` is one line, empty where nothing is wrong."""

    name: str
    run: str
    state: VerifiedState
    packages: tuple[BrokenPackage, ...] = ()
    open_cves: tuple[str, ...] = ()
    reason: str = ""


class Unpromised(Model):
    """A host for which nothing is promised, and why."""

    name: str
    reason: str


class Verification(Model):
    """`verify -o json`. `run` is the one that was asked for, None for the newest of each host.
    `fixable_left` counts other findings on these hosts that an update would remove; None where no
    feeds are stored, so that it is unknown."""

    run: str | None
    snapshot: str
    hosts: tuple[VerifiedHost, ...]
    fixable_left: int | None
    unpromised: tuple[Unpromised, ...] = ()
    feeds: tuple[FeedUsed, ...] = ()
    warnings: tuple[str, ...] = ()
