"""Describe the lab's own packages. `trees` and `specs` turn the descriptions into what dpkg-deb and
rpmbuild take.

Every package is installed on the hosts in version 1.0-1. Later versions are in channels; a channel
is published into the lab's repository as a whole. CVE numbers are of the year 2099, so that nobody
takes one for real.
"""

from . import rpm_packages, services
from .descriptions import (
    Archive,
    Channel,
    File,
    OldVersion,
    Package,
    Rpm,
    Version,
    plain,
    update,
)


def _web(version: str, change: str, cves: tuple[str, ...] = (), *, bad: bool = False) -> Version:
    return Version(
        version=version,
        change=change,
        cves=cves,
        files=tuple(
            File(path=path, content=content, mode=mode)
            for path, content, mode in services.web_files(version, bad=bad)
        ),
        scripts=services.unit_scripts("patchlab-web.socket"),
    )


def _with(version: Version, **changes: object) -> Version:
    values = {name: getattr(version, name) for name in version.__struct_fields__}
    return Version(**{**values, **changes})


_LIBRARY = "/usr/lib/patchlab/libpatchlab.so.1"
# Copies a real shared object of the base under another name: this needs no compiler, and a process
# maps it like any other library. The bytes at the end make each version a different file; the
# loader does not read them.
_COPY_LIBRARY = (
    'mkdir -p usr/lib/patchlab && cp -L "$(ls -d /lib/*/libz.so.1 | head -n 1)" .{path} && '
    "printf 'patchlab-lib {version}' >>.{path} && chmod 0644 .{path}"
)


def _library(version: str, change: str, cves: tuple[str, ...] = ()) -> Version:
    return Version(
        version=version,
        change=change,
        cves=cves,
        build=_COPY_LIBRARY.format(path=_LIBRARY, version=version),
        arch="any",
    )


def _service(name: str, version: str, change: str, command: str, **changes: object) -> Version:
    unit = f"{name}.service"
    made = Version(
        version=version,
        change=change,
        files=(
            File(
                path=f"/usr/lib/systemd/system/{unit}",
                content=services.simple_unit(name, command),
            ),
        ),
        scripts=services.unit_scripts(unit),
    )
    return _with(made, **changes)


PACKAGES: tuple[Package, ...] = (
    Package(
        name="patchlab-web",
        summary="web service of the lab, answers with its version on port 8080",
        old=OldVersion.REPOSITORY,
        versions=(
            _web("1.0-1", "First release."),
            _web("1.0-2", "Refuse overlong request lines.", ("CVE-2099-10001",)),
            _web(
                "1.0-3", "Drop a wrong header (breaks the service).", ("CVE-2099-10002",), bad=True
            ),
            _web("1.0-4", "Answer again.", ("CVE-2099-10002",)),
        ),
    ),
    Package(
        name="patchlab-docs",
        summary="documentation, updated outside of the security archive",
        old=OldVersion.REPOSITORY,
        versions=(
            plain("patchlab-docs", "1.0-1", "First release."),
            plain("patchlab-docs", "1.0-2", "New chapter."),
        ),
    ),
    Package(
        name="patchlab-hook",
        summary="package whose update fails in its post-install script",
        old=OldVersion.NOWHERE,
        versions=(
            plain("patchlab-hook", "1.0-1", "First release."),
            _with(
                plain("patchlab-hook", "1.0-2", "Check the data.", ("CVE-2099-10003",)),
                scripts={"postinst": services.FAILING_POSTINST},
            ),
        ),
    ),
    Package(
        name="patchlab-boot",
        summary="package whose update wants a reboot",
        old=OldVersion.NOWHERE,
        versions=(
            plain("patchlab-boot", "1.0-1", "First release."),
            _with(
                plain("patchlab-boot", "1.0-2", "Close a hole.", ("CVE-2099-10004",)),
                scripts={"postinst": services.REBOOT_POSTINST},
                # `dnf needs-restarting` knows the package's name; no script writes a file there.
                rpm=Rpm(postinst=False),
            ),
        ),
    ),
    Package(
        name="patchlab-app",
        summary="package whose update pulls in a new dependency",
        old=OldVersion.CACHE,
        versions=(
            plain("patchlab-app", "1.0-1", "First release."),
            _with(
                plain("patchlab-app", "1.0-2", "Use patchlab-extra.", ("CVE-2099-10005",)),
                fields={"Depends": "patchlab-extra (>= 1.0)"},
            ),
        ),
    ),
    Package(
        name="patchlab-extra",
        summary="dependency that only an update brings",
        old=OldVersion.NOWHERE,
        installed=False,
        versions=(plain("patchlab-extra", "1.0-1", "First release."),),
    ),
    Package(
        name="patchlab-store",
        summary="package whose update removes patchlab-legacy",
        old=OldVersion.NOWHERE,
        versions=(
            plain("patchlab-store", "1.0-1", "First release."),
            _with(
                plain("patchlab-store", "1.0-2", "Take over.", ("CVE-2099-10006",)),
                fields={
                    "Conflicts": "patchlab-legacy",
                    "Replaces": "patchlab-legacy",
                    "Provides": "patchlab-legacy",
                },
            ),
        ),
    ),
    Package(
        name="patchlab-legacy",
        summary="package that an update of patchlab-store removes",
        old=OldVersion.NOWHERE,
        versions=(plain("patchlab-legacy", "1.0-1", "First release."),),
    ),
    Package(
        name="patchlab-conf",
        summary="package with a configuration file",
        old=OldVersion.NOWHERE,
        versions=(
            Version(
                version="1.0-1",
                change="First release.",
                files=(File(path=services.CONFFILE, content="workers = 2\n"),),
                conffiles=(services.CONFFILE,),
            ),
            Version(
                version="1.0-2",
                change="Limit requests.",
                cves=("CVE-2099-10007",),
                files=(File(path=services.CONFFILE, content="workers = 2\nlimit = 100\n"),),
                conffiles=(services.CONFFILE,),
            ),
        ),
    ),
    Package(
        name="patchlab-big",
        summary="package whose update needs 40 MiB",
        old=OldVersion.REPOSITORY,
        versions=(
            plain("patchlab-big", "1.0-1", "First release."),
            _with(
                plain("patchlab-big", "1.0-2", "Ship the data.", ("CVE-2099-10008",)),
                build="head -c 41943040 /dev/urandom >usr/share/patchlab-big/data",
            ),
        ),
    ),
    Package(
        name="patchlab-lib",
        summary="shared library that patchlab-daemon maps",
        # A source of its own: all packages of one source are updated together, and the daemon
        # must not be updated with this one.
        source="patchlab-libs",
        old=OldVersion.REPOSITORY,
        versions=(
            _library("1.0-1", "First release."),
            _library("1.0-2", "Check a length.", ("CVE-2099-10009",)),
        ),
    ),
    Package(
        name="patchlab-daemon",
        summary="long-running service on patchlab-lib",
        old=OldVersion.REPOSITORY,
        versions=(
            _service(
                "patchlab-daemon",
                "1.0-1",
                "First release.",
                f"/usr/bin/env LD_PRELOAD={_LIBRARY} /usr/bin/sleep infinity",
                fields={"Depends": "patchlab-lib"},
            ),
        ),
    ),
    Package(
        name="patchlab-clock",
        summary="service that dies after its update",
        old=OldVersion.REPOSITORY,
        versions=(
            _service("patchlab-clock", "1.0-1", "First release.", "/usr/bin/sleep infinity"),
            _service(
                "patchlab-clock",
                "1.0-2",
                "Use the new clock (dies at once).",
                "/bin/sh -c 'sleep 1; exit 1'",
                cves=("CVE-2099-10010",),
            ),
        ),
    ),
    Package(
        name="patchlab-slow",
        summary="package whose update takes its time",
        old=OldVersion.REPOSITORY,
        versions=(
            plain("patchlab-slow", "1.0-1", "First release."),
            _with(
                plain("patchlab-slow", "1.0-2", "Rebuild an index.", ("CVE-2099-10011",)),
                scripts={"postinst": services.SLOW_POSTINST},
            ),
        ),
    ),
    *rpm_packages.PACKAGES,
)


CHANNELS: tuple[Channel, ...] = (
    update("good-web", "an update that works", ("patchlab-web", "1.0-2"), initial=True),
    update(
        "main",
        "an update that is not a security update",
        ("patchlab-docs", "1.0-2"),
        archive=Archive.MAIN,
        initial=True,
    ),
    update("bad-web", "its service stops answering", ("patchlab-web", "1.0-3")),
    update("fixed-web", "the repaired update after bad-web", ("patchlab-web", "1.0-4")),
    update("bad-postinst", "its post-install script fails", ("patchlab-hook", "1.0-2")),
    update("reboot-wanted", "it asks for a reboot", ("patchlab-boot", "1.0-2")),
    update(
        "new-dep",
        "it pulls in a new dependency",
        ("patchlab-app", "1.0-2"),
        ("patchlab-extra", "1.0-1"),
    ),
    update("removes", "it removes another package", ("patchlab-store", "1.0-2")),
    update("conffile", "it changes a configuration file", ("patchlab-conf", "1.0-2")),
    update("big", "it needs 40 MiB", ("patchlab-big", "1.0-2")),
    update("lib", "a running process keeps the old library", ("patchlab-lib", "1.0-2")),
    update("dying", "its service dies after the update", ("patchlab-clock", "1.0-2")),
    update("slow", "its post-install script takes 15 s", ("patchlab-slow", "1.0-2")),
    *rpm_packages.CHANNELS,
)


def package_named(name: str) -> Package:
    """Return the package of that name. Raises KeyError where there is none."""
    for known in PACKAGES:
        if known.name == name:
            return known
    raise KeyError(name)


def of(image: str) -> tuple[Package, ...]:
    """Return the packages that hosts of an image (debian or rpm) can have."""
    return tuple(package for package in PACKAGES if package.image in {"", image})


def channels_of(image: str) -> tuple[Channel, ...]:
    """Return the updates that hosts of an image (debian or rpm) can have."""
    return tuple(channel for channel in CHANNELS if channel.image in {"", image})
