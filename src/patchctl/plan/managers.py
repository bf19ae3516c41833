"""Hold what depends on the package manager: steps that are unsafe to undo, and expected times."""

from collections.abc import Mapping

from ..models.base import Record
from ..models.facts import PackageManager


class Kind(Record):
    """Packages that are known to break machines or data when an older version is installed again.

    `packages` and `sources` are globs of binary and source names.
    """

    reason: str
    packages: tuple[str, ...]
    sources: tuple[str, ...] = ()


class Pace(Record):
    """How long a transaction is expected to take.

    It is `around_s` for the stages around it, `package_s` for each package, and the time to fetch
    its files at `bytes_a_second`.
    """

    around_s: int
    package_s: int
    bytes_a_second: int


class Decisions(Record):
    """The rules for the transactions of one package manager.

    `repair` is the command that finishes an interrupted transaction on a host. `signed_lists` is
    True where repositories sign their lists, so that no update from an unsigned repository is
    taken; False where each package has its own signature. `held` says in words what holds a package
    on a host. `unsafe` is checked in order, after kernels, which have one rule for all managers.
    """

    repair: str
    signed_lists: bool
    held: str
    unsafe: tuple[Kind, ...]
    pace: Pace


# A host may also have the tools of another package manager: rpm on Debian, dpkg on Fedora.
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
    # By binary name only, because client libraries are built from the servers' source packages.
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
