"""The result of `rollout --check`: whether each host of a plan could begin its update now."""

from enum import StrEnum

from .base import Model


class Readiness(StrEnum):
    """`ready`: preflight passed there. `not_ready`: it failed. `not_asked`: nothing is known,
    because the host could not be asked or did not answer."""

    READY = "ready"
    NOT_READY = "not_ready"
    NOT_ASKED = "not_asked"


class HostCheck(Model):
    """One host's result. `reason` says why it is not ready; `notes` are remarks of its checks that
    do not keep it from being updated."""

    name: str
    ring: str
    result: Readiness
    reason: str = ""
    notes: tuple[str, ...] = ()


class RolloutCheck(Model):
    """The check of a plan. `plan` is its digest; hosts are in the order of the rings."""

    plan: str
    hosts: tuple[HostCheck, ...]

    def count(self, result: Readiness) -> int:
        """Return how many hosts have this result."""
        return sum(host.result is result for host in self.hosts)
