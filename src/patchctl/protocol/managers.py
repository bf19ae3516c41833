"""The only table of the package managers whose hosts patchctl can change.

To add a package manager, write a module in this package that has what `Manager` lists, files in the
roles with the functions that their contract lists, and a row in `plan.managers`.
"""

from collections.abc import Mapping
from typing import Protocol

from ..models.facts import PackageManager
from ..models.plan import Transition
from ..models.requests import HostRequest
from ..models.resolution import Resolution
from . import apt, dnf
from .resolution import Answer, UnreadableError, check_complete, failed, take_apart


class Manager(Protocol):
    """What the module of a package manager must have."""

    def read(self, request: HostRequest, answer: Answer) -> Resolution:
        """Return the manager's own lines as a Resolution. Raises UnreadableError."""


MODULES: Mapping[PackageManager, Manager] = {PackageManager.APT: apt, PackageManager.DNF: dnf}
SUPPORTED = frozenset(MODULES)
# Managers for which a transition's origin is the name of one repository of the host. Each has
# signing keys of its own, so its name is sent to the host with the package.
_OF_REPOSITORIES = frozenset({PackageManager.DNF})


def refusal(manager: PackageManager) -> str:
    """Return why hosts with this package manager cannot be changed, "" where they can."""
    return "" if manager in SUPPORTED else f"patchctl does not update with {manager} yet"


def repository(manager: PackageManager, transition: Transition) -> str:
    """Return the host's repository that the package comes from, "" where the origin is not a
    repository, or is empty.
    """
    return transition.origin if manager in _OF_REPOSITORIES else ""


def read_resolution(request: HostRequest, text: str) -> Resolution:
    """Read the answer of the manager's resolve script in roles/patch_resolve/files.

    Never raises because of the text: `error` of the result says what is wrong with it.
    """
    if unknown := refusal(request.manager):
        return failed(request, unknown)
    try:
        answer = take_apart(request, text)
        if answer.locked:
            return failed(request, answer.locked, locked=answer.locked)
        if answer.error:
            return failed(request, answer.error)
        resolution = MODULES[request.manager].read(request, answer)
        check_complete(request, resolution)
    except UnreadableError as error:
        return failed(request, str(error))
    return resolution
