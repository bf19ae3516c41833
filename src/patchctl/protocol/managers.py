"""The one table of the package managers that patchctl changes hosts with.

A package manager comes in as a module of this package that has what `Manager` says, as a file of
the roles that has the functions their contract lists, and as a row of `plan.managers`.
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
    """What one package manager's module reads."""

    def read(self, request: HostRequest, answer: Answer) -> Resolution:
        """The lines of the manager's own as a Resolution. Raises UnreadableError."""


MODULES: Mapping[PackageManager, Manager] = {PackageManager.APT: apt, PackageManager.DNF: dnf}
SUPPORTED = frozenset(MODULES)
# Those of which a transition's origin is the name of one repository of the host. Whose signature
# counts is the affair of that repository, so its name goes to the host with the package.
_OF_REPOSITORIES = frozenset({PackageManager.DNF})


def refusal(manager: PackageManager) -> str:
    """Why hosts with this package manager are not changed, "" where they are."""
    return "" if manager in SUPPORTED else f"patchctl does not update with {manager} yet"


def repository(manager: PackageManager, transition: Transition) -> str:
    """The repository of the host that the package comes from, "" where that is not one, or none."""
    return transition.origin if manager in _OF_REPOSITORIES else ""


def read_resolution(request: HostRequest, text: str) -> Resolution:
    """The answer of the resolve script of the request's manager, in roles/patch_resolve/files.

    Never raises on what the text contains: the `error` says what is wrong with it.
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
