"""Channels: which fixes reach a host, and which of several lines of a package it has.

The channels of feeds are those of `models.advisory.Affected`, the channels of hosts those of
`platforms.Platform`.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping

from .builds import minor, shared_parts, upstream
from .installed import InstalledPackage

# Red Hat's channels for one minor release. https://access.redhat.com/articles/rhel-eus
MINOR_CHANNELS = frozenset({"eus", "aus", "tus", "e4s"})
# Ubuntu Pro's channels with builds of their own beside the plain ones.
_OF_A_FLAVOUR = ("fips", "realtime")
# https://www.suse.com/support/policy-products/
SUSE_CHANNELS = frozenset({"ltss", "espos", "ltss-extended-security", "teradata", "bcl"})
_ESM = frozenset({"esm", "esm-infra", "esm-apps"})
_EXTRA = "extra:"
# What a host of Amazon Linux has whose repositories are known.
CORE = "core"


def is_extra(channel: str) -> bool:
    """Whether the channel is one of Amazon Linux's extras."""
    return channel.startswith(_EXTRA)


def family(channel: str) -> str:
    """The name under which builds of a channel are one branch, as `builds.branch` has it: `esm` and
    `fips` for Ubuntu's, the number for Red Hat's of a minor release (`2` for `eus:9.2` and
    `e4s:9.2`), SUSE's own name. Empty where only the build's tag tells."""
    if not channel:
        return ""
    kind, _, number = channel.partition(":")
    if kind in MINOR_CHANNELS:
        return number.partition(".")[2]
    if channel in _ESM:
        return "esm"
    if channel.startswith("fips"):
        return "fips"
    return channel if channel in SUSE_CHANNELS else ""


def missing(
    channel: str, unit: InstalledPackage, flavour: str, reaches: Collection[str]
) -> str | None:
    """The subscription that a host lacks to get a fix from this channel, empty where it lacks none,
    None where the channel says nothing of the unit.

    `flavour` is the unit's, `reaches` as `Platform.reaches`. What only a subscription fixes stays
    open without it (Ubuntu's ESM, Red Hat's ELS, SUSE's LTSS); what EUS fixes in one minor release
    the next one fixes for everybody, so that it counts for builds of that minor release only.
    """
    if not channel or channel in reaches or is_extra(channel):
        return ""
    kind, _, number = channel.partition(":")
    if kind in MINOR_CHANNELS:
        own = f"minor:{number}" in reaches or minor(unit.version) == number.partition(".")[2] != ""
        return "" if own else None
    for word in _OF_A_FLAVOUR:
        if channel.startswith(word):
            built = flavour == word or f"-{word}" in unit.source
            return channel if built else None
    return channel


class Extras:
    """The lines of packages that one release has under one name: the core's and those of Amazon's
    extras. Kernel 4.14 is the core's, kernel 5.15 the extra's."""

    def __init__(self) -> None:
        self._versions: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))

    def learn(self, name: str, channel: str, fixed: str) -> None:
        """A fix of a package in a channel."""
        if fixed:
            self._versions[name][channel].add(upstream(fixed))

    def of(
        self, name: str, unit: InstalledPackage, reaches: Collection[str]
    ) -> Collection[str] | None:
        """The channels that a unit may be from, of those in which an advisory names it so; None
        where any may be.

        Of the extras that the host has, else of all, and of the core: those whose versions are
        nearest. Of equally near ones an extra that the host has, else the core; where nobody knows
        the repositories, all of them. An extra for one series of the package has no other:
        kernel-5.15 has no kernel 5.10.
        """
        stated = self._versions.get(name, {})
        if not any(map(is_extra, stated)):
            return None
        own = upstream(unit.version)
        packages = ((name, own), (unit.source, upstream(unit.source_version)))
        known: Mapping[str, set[str]] = {
            channel: versions
            for channel, versions in stated.items()
            if all(_may_have(channel, *package) for package in packages)
        }
        if enabled := [channel for channel in known if channel in reaches]:
            known = {channel: known[channel] for channel in known if channel in (*enabled, "")}
        near = {
            channel: max(shared_parts(own, fixed) for fixed in versions)
            for channel, versions in known.items()
        }
        longest = max(near.values(), default=0)
        if not longest and CORE in reaches and not enabled:
            return ("",)
        best = [channel for channel, length in near.items() if length == longest]
        own_extras = [channel for channel in best if channel in enabled]
        return own_extras or (("",) if "" in best and CORE in reaches else best)


def _may_have(channel: str, package: str, version: str) -> bool:
    """False for an extra whose name is the package's with another series."""
    series = re.fullmatch(rf"{re.escape(_EXTRA + package)}-?([0-9]+(?:\.[0-9]+)*)", channel)
    return series is None or f"{version}.".startswith(f"{series[1]}.")
