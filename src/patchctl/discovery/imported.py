"""Turn the description of a host in an import file into `HostFacts`."""

import re
from collections.abc import Callable, Iterator

import msgspec

from ..models import grammar
from ..models.facts import Boot, HostFacts, Kernel, OsRelease, Package, PackageManager
from ..models.versions import VersionScheme

# rpm lists the keys that it trusts among the packages, under this name.
_KEYS = "gpg-pubkey"
_NONE = "(none)"
# The Source field of dpkg's status file has the source's version where it differs from the
# binary's: `glibc (2.36-9)`.
_DPKG_SOURCE = re.compile(r"(\S+) \(([^()\s]+)\)")
_MANAGERS = {VersionScheme.DEB: PackageManager.APT, VersionScheme.RPM: PackageManager.DNF}


class GivenOs(msgspec.Struct, frozen=True):
    """The `os` entry of a host as the file has it."""

    id: str
    version_id: str = ""
    codename: str = ""
    pretty_name: str = ""


class GivenHost(msgspec.Struct, frozen=True):
    """A host as the file has it. Its packages are decoded one by one, to name each error."""

    name: str
    os: GivenOs
    packages: tuple[msgspec.Raw, ...]
    kernel_running: str | None = None


class GivenPackage(msgspec.Struct, frozen=True):
    """A package as the file has it. Tools leave unknown values out, or write null."""

    name: str
    version: str
    arch: str
    source: str | None = None
    source_version: str | None = None
    module: str | None = None


class Packages:
    """Turns packages of the file into models; equal packages of all hosts share one model."""

    def __init__(self) -> None:
        self._known: dict[tuple[VersionScheme | None, bytes], Package | str | None] = {}
        self._decoder = msgspec.json.Decoder(GivenPackage)

    def read(self, raw: msgspec.Raw, scheme: VersionScheme | None) -> Package | str | None:
        """Return the package, the error in words, or None for an entry that is no package (a key of
        rpm)."""
        key = (scheme, bytes(raw))
        if key not in self._known:
            try:
                self._known[key] = _package(self._decoder.decode(key[1]), scheme)
            except msgspec.MsgspecError as error:
                self._known[key] = str(error)
        return self._known[key]


def facts(
    host: GivenHost,
    scheme: VersionScheme | None,
    packages: Packages,
    complain: Callable[[str], None],
) -> HostFacts:
    """Return the facts that the file has of the host; all other fields are empty.

    `scheme` is how its system orders versions, None where that is unknown. `complain` is called
    with a line for each error; after a call of it the facts must not be used.
    """
    read: list[Package] = []
    for index, raw in enumerate(host.packages):
        package = packages.read(raw, scheme)
        if isinstance(package, str):
            complain(f"packages[{index}]: {package}")
        elif package is not None:
            read.append(package)
    running = host.kernel_running or ""
    for what, text in _texts(host, running):
        if text and not grammar.is_plain(text.replace(" ", "_")):
            complain(f"{what}: {text[:60]!r} is not plain text")
    notes = () if scheme else (f"unknown system {host.os.id}: its versions cannot be compared",)
    return HostFacts(
        os=OsRelease(
            id=host.os.id,
            version_id=host.os.version_id,
            codename=host.os.codename,
            pretty_name=host.os.pretty_name,
        ),
        manager=_MANAGERS.get(scheme, PackageManager.NONE) if scheme else PackageManager.NONE,
        architecture="",
        machine_id="",
        hostname=host.name,
        kernel=Kernel(running=running),
        boot=Boot(boot_id="", pid1_start=0),
        packages=tuple(
            sorted(read, key=lambda package: (package.name, package.arch, package.version))
        ),
        pending=(),
        repositories=(),
        services=(),
        failed_units=(),
        listeners=(),
        stale_processes=(),
        file_systems=(),
        containers=(),
        images=(),
        competing_updaters=(),
        notes=notes,
    )


def _texts(host: GivenHost, running: str) -> Iterator[tuple[str, str]]:
    yield "kernel_running", running
    for name in GivenOs.__struct_fields__:
        yield f"os.{name}", getattr(host.os, name)
    if not host.os.id:
        yield "os.id", "\0"


def _package(given: GivenPackage, scheme: VersionScheme | None) -> Package | str | None:
    if scheme is VersionScheme.RPM:
        return _rpm(given)
    source, source_version = given.source or "", given.source_version or ""
    if scheme is VersionScheme.DEB and (named := _DPKG_SOURCE.fullmatch(source)):
        source, source_version = named[1], source_version or named[2]
    versions = [given.version, *([source_version] if source_version else [])]
    names = [given.name, *([source] if source else [])]
    if scheme is VersionScheme.DEB:
        right = all(grammar.is_deb(name, given.version, given.arch) for name in names) and all(
            grammar.is_deb_version(version) for version in versions
        )
    elif scheme is VersionScheme.APK:
        right = all(
            grammar.is_apk(name, version, given.arch) for name in names for version in versions
        )
    else:
        right = all(grammar.is_plain(text) for text in (*names, *versions, given.arch))
    if not right:
        return _wrong(given, scheme)
    return _made(given, given.version, source, source_version, given.module or "")


def _rpm(given: GivenPackage) -> Package | str | None:
    """Return what `Packages.read` returns, for a package of an rpm system.

    `rpm -qa` writes a missing epoch, source or module as `(none)`, and the source as a file name.
    """
    if given.name == _KEYS:
        return None
    version = _epoch(given.version)
    source, source_version = (
        "" if text == _NONE else text for text in (given.source or "", given.source_version or "")
    )
    source_version = _epoch(source_version)
    if built := grammar.source_of_rpm(source):
        source, source_version = built[0], source_version or built[1]
    module = "" if given.module in (None, _NONE) else given.module or ""
    right = (
        grammar.is_rpm_name(given.name, given.arch)
        and grammar.is_rpm_version(version)
        and (not source or grammar.is_rpm_name(source, "src"))
        and (not source_version or grammar.is_rpm_version(source_version))
        and (not module or grammar.is_rpm_module(module))
    )
    if not right:
        return _wrong(given, VersionScheme.RPM)
    return _made(given, version, source, source_version, module)


def _epoch(version: str) -> str:
    return version.removeprefix(f"{_NONE}:").removeprefix("0:")


def _made(
    given: GivenPackage, version: str, source: str, source_version: str, module: str
) -> Package:
    return Package(
        name=given.name,
        version=version,
        arch=given.arch,
        source=source,
        source_version=source_version,
        module=module,
    )


def _wrong(given: GivenPackage, scheme: VersionScheme | None) -> str:
    kind = scheme.value if scheme else "plain"
    words = " ".join(text[:80] for text in (given.name, given.version) if text)
    if not given.arch:
        return f"{words}: has no arch"
    if given.module and scheme is VersionScheme.RPM and not grammar.is_rpm_module(given.module):
        return f"{words}: module {given.module[:80]!r} is no NAME:STREAM"
    words = " ".join(
        text[:80] for text in (words, given.arch, given.source or "", given.source_version or "")
        if text
    )  # fmt: skip
    return f"{words}: is no {kind} package name, version, arch or source"
