"""May a transition be undone without a person? Says so before the rollout, with the reason."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

import msgspec

from ..models.base import Record
from ..models.kernel_names import may_be_kernel
from ..models.plan import Action, Transition, Undo


class _Kind(Record):
    """Packages that have broken machines or data when they were put back. Globs of names."""

    reason: str
    packages: tuple[str, ...]
    sources: tuple[str, ...] = ()


_UNSAFE = (
    _Kind(
        reason="C library",
        packages=("libc6", "libc6-*", "libc-bin", "glibc", "glibc-*", "musl"),
        sources=("glibc", "musl"),
    ),
    _Kind(
        reason="package manager",
        packages=("dpkg", "apt", "rpm", "dnf", "yum", "libdnf*", "libsolv*"),
        sources=("dpkg", "apt", "rpm", "dnf", "dnf5"),
    ),
    _Kind(
        reason="init system",
        packages=("systemd", "systemd-*", "udev", "sysvinit-core", "openrc"),
        sources=("systemd",),
    ),
    # By binary name only: client libraries share the servers' sources.
    _Kind(
        reason="database server",
        packages=(
            "postgresql-[0-9]*",
            "postgresql-server*",
            "mysql-server*",
            "mysql-community-server*",
            "mariadb-server*",
            "percona-server-server*",
            "mongodb*-server*",
            "mongodb-org*",
            "redis",
            "redis-server",
            "valkey",
            "valkey-server",
            "cassandra",
            "clickhouse-server",
            "couchdb",
            "elasticsearch",
            "etcd",
            "etcd-server",
            "influxdb*",
            "neo4j",
            "opensearch",
            "slapd",
        ),
    ),
)

# What a distribution adds to a version without a Debian revision: `20230311+deb12u1`.
_DISTRIBUTION_SUFFIX = re.compile(
    r"(?:[+~](?:deb|nmu|b|rpi|bpo)[0-9][0-9A-Za-z.+~]*|ubuntu[0-9.]+)$"
)


def classify(transition: Transition, safe: Iterable[str] = ()) -> Transition:
    """The transition with its `undo` and `undo_reason`.

    `safe` are globs of binary or source names that policy trusts to go back.
    """
    reason = _why_unsafe(transition)
    if not reason or _any(transition.package, safe) or _any(transition.source, safe):
        return msgspec.structs.replace(transition, undo=Undo.SAFE, undo_reason="")
    return msgspec.structs.replace(transition, undo=Undo.UNSAFE, undo_reason=reason)


def _why_unsafe(transition: Transition) -> str:
    if may_be_kernel(transition.package, transition.source):
        return "kernel"
    for kind in _UNSAFE:
        if _any(transition.package, kind.packages) or _any(transition.source, kind.sources):
            return kind.reason
    if transition.action is Action.REMOVE:
        return "removed package"
    if transition.from_ and upstream(transition.from_) != upstream(transition.to):
        return "new upstream version"
    return ""


def _any(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def upstream(version: str) -> str:
    """The upstream part of a deb or rpm version, without epoch, revision and distribution suffix.

    >>> upstream("1:3.0.20-1~deb12u2"), upstream("20230311+deb12u1"), upstream("5.36.0-7+b1")
    ('3.0.20', '20230311', '5.36.0')
    """
    text = version.partition(":")[2] or version
    head, dash, _ = text.rpartition("-")
    return _DISTRIBUTION_SUFFIX.sub("", head if dash else text)
