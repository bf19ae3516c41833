"""Tell which fixes reach a host by their channel, and which line of a package the host has.

Feeds name channels as in `models.advisory.Affected`, hosts as in `platforms.Platform`.
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
# The channel of every Amazon Linux host whose repositories are known.
CORE = "core"


def is_extra(channel: str) -> bool:
    """Whether the channel is one of Amazon Linux's extras."""
    return channel.startswith(_EXTRA)


def family(channel: str) -> str:
    """The branch that builds of a channel belong to, as `builds.branch` names it: `esm` or `fips`
    for Ubuntu, the minor number for Red Hat (`2` for `eus:9.2` and `e4s:9.2`), SUSE's own name.
    Empty where only the build's tag tells the branch."""
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
    channel: str, package: InstalledPackage, flavour: str, reaches: Collection[str]
) -> str | None:
    """The subscription that a host lacks to get a fix from this channel; empty where it lacks none,
    None where the channel does not concern the package.

    `flavour` is that of the package, `reaches` as `Platform.reaches`. A fix that needs a
    subscription (Ubuntu's ESM, Red Hat's ELS, SUSE's LTSS) leaves the finding open without it. A
    fix of EUS for one minor release concerns builds of that release only, because the next minor
    release has the fix for everybody.
    """
    if not channel or channel in reaches or is_extra(channel):
        return ""
    kind, _, number = channel.partition(":")
    if kind in MINOR_CHANNELS:
        own = (
            f"minor:{number}" in reaches or minor(package.version) == number.partition(".")[2] != ""
        )
        return "" if own else None
    for word in _OF_A_FLAVOUR:
        if channel.startswith(word):
            built = flavour == word or f"-{word}" in package.source
            return channel if built else None
    return channel


class Extras:
    """The lines of a package that one release has under one name: that of the core repository and
    those of Amazon's extras. Kernel 4.14 is from the core, kernel 5.15 from an extra."""

    def __init__(self) -> None:
        self._versions: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))

    def learn(self, name: str, channel: str, fixed: str) -> None:
        """Note the fixed version of a package in a channel."""
        if fixed:
            self._versions[name][channel].add(upstream(fixed))

    def of(
        self, name: str, package: InstalledPackage, reaches: Collection[str]
    ) -> Collection[str] | None:
        """The channels that a package may be from, of those with an advisory on this name; None
        where it may be from any.

        The candidates are the core and the extras that the host has enabled, or all extras where it
        has none. The nearest versions win; of equally near ones an enabled extra, else the core,
        and all of them where the host's repositories are not known. An extra for one series of the
        package has no other: kernel-5.15 has no kernel 5.10.
        """
        stated = self._versions.get(name, {})
        if not any(map(is_extra, stated)):
            return None
        own = upstream(package.version)
        names_and_versions = ((name, own), (package.source, upstream(package.source_version)))
        known: Mapping[str, set[str]] = {
            channel: versions
            for channel, versions in stated.items()
            if all(_may_have(channel, *pair) for pair in names_and_versions)
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
    """False for an extra that is for another series of the package."""
    series = re.fullmatch(rf"{re.escape(_EXTRA + package)}-?([0-9]+(?:\.[0-9]+)*)", channel)
    return series is None or f"{version}.".startswith(f"{series[1]}.")
