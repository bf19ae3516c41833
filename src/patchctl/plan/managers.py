"""What is decided by package manager: which steps are unsafe to undo, and how long a transaction
may take.
"""

from collections.abc import Mapping

from ..models.base import Record
from ..models.facts import PackageManager


class Kind(Record):
    """Packages that have broken machines or data when they were put back. Globs of names."""

    reason: str
    packages: tuple[str, ...]
    sources: tuple[str, ...] = ()


class Pace(Record):
    """How long a transaction is expected to take: `around_s` for the stages around it, `package_s`
    for each package, and the time to fetch its files."""

    around_s: int
    package_s: int
    bytes_a_second: int


class Decisions(Record):
    """What is decided of one package manager's transactions. `unsafe`: in the order in which they
    are looked at, after kernels, whose names are the same question for all. `repair` is the command
    that finishes what was cut off on a host. `signed_lists`: a repository vouches for a package by
    its signed lists, and what comes from none that is signed is not taken; else each package has a
    signature of its own. `held` says what holds a package on a host."""

    repair: str
    signed_lists: bool
    held: str
    unsafe: tuple[Kind, ...]
    pace: Pace


# A host may have the tools of others beside its own: rpm on Debian, dpkg on Fedora.
_EVERYWHERE = (
    Kind(
        reason="package manager",
        packages=("dpkg", "apt", "rpm", "dnf", "yum", "libdnf*", "libsolv*"),
        sources=("dpkg", "apt", "rpm", "dnf", "dnf5"),
    ),
    Kind(
        reason="init system",
        packages=("systemd", "systemd-*", "udev", "sysvinit-core", "openrc"),
        sources=("systemd",),
    ),
    # By binary name only: client libraries share the servers' sources.
    Kind(
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
_COARSE = Pace(around_s=15, package_s=1, bytes_a_second=4 * 1024 * 1024)

_APT = Decisions(
    repair="dpkg --configure -a",
    signed_lists=True,
    held="",
    unsafe=(
        Kind(
            reason="C library",
            packages=("libc6", "libc6-*", "libc-bin", "musl"),
            sources=("glibc", "musl"),
        ),
        *_EVERYWHERE,
    ),
    pace=_COARSE,
)
_DNF = Decisions(
    repair="dnf remove --duplicates",
    signed_lists=False,
    held="by a versionlock or an exclude of dnf there",
    unsafe=(
        Kind(reason="C library", packages=("glibc", "glibc-*", "musl"), sources=("glibc", "musl")),
        *_EVERYWHERE,
    ),
    pace=_COARSE,
)

# Every package manager that a cohort may have.
DECISIONS: Mapping[PackageManager, Decisions] = {
    PackageManager.APT: _APT,
    PackageManager.DNF: _DNF,
}
