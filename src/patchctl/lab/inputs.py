"""Build the tar archive that tools images are made from: package descriptions and lists. Pure."""

import io
import tarfile
from collections.abc import Iterable, Mapping

from . import bases, specs, trees
from .builder import script
from .descriptions import OldVersion, Package, Signature, Version
from .packages import channels_of, of, package_named
from .rpm_packages import NO_WAY_BACK

_FIRST = "1.0-1"


def debian() -> bytes:
    """Return a tar of package trees, `repository.sh`, and lists with one item on a line.

    `channels` has `CHANNEL CODENAME FILE`; `base` (packages that hosts start with) and `kept`
    (those of them that the repository also has) have `FILE`; `initial` has `CHANNEL`.
    """
    architecture = bases.architecture()

    def file(package: Package, version: Version) -> str:
        return trees.tree_name(package, version, architecture) + ".deb"

    lists = {
        "channels": [
            f"{channel.name} {channel.archive} {file(package, version)}"
            for channel in channels_of("debian")
            for package, version in _contents(channel.contents)
        ],
        "base": [file(package, package.version(_FIRST)) for package in _installed("debian")],
        "kept": [
            file(package, package.version(_FIRST))
            for package in _with_old("debian", OldVersion.REPOSITORY)
        ],
        "initial": _initial("debian"),
    }
    return _archive("debian", lists, {"repository.sh": script("repository.sh")})


def rpm() -> bytes:
    """Return a tar of package trees, `specs/`, `advisories/`, `modules/`, `repository-rpm.sh`, and
    the same lists without codenames. `unsigned`, `unknown` and `changed` list the files that must
    get such a signature.
    """
    architecture = bases.architecture()
    return _archive("rpm", _rpm_lists(architecture), _rpm_files(architecture))


def _rpm_lists(architecture: str) -> dict[str, list[str]]:
    def file(package: Package, version: Version) -> str:
        return specs.file_name(package, version, architecture)

    # An undo on these hosts cannot rebuild an old rpm, it has to download it. So the repository has
    # nearly all old versions, like those of enterprise systems.
    downloadable = [package for package in _installed("rpm") if package.name != NO_WAY_BACK]
    lists = {
        "channels": [
            f"{channel.name} {file(package, version)}"
            for channel in channels_of("rpm")
            for package, version in _contents(channel.contents)
        ],
        "base": [file(package, package.version(_FIRST)) for package in _installed("rpm")],
        "kept": [file(package, package.version(_FIRST)) for package in downloadable],
        "initial": _initial("rpm"),
    }
    for wrong in (Signature.NONE, Signature.UNKNOWN, Signature.CHANGED):
        lists[wrong.value] = [
            file(package, version)
            for package in of("rpm")
            for version in package.versions
            if version.rpm.signature is wrong
        ]
    return lists


def _rpm_files(architecture: str) -> dict[str, bytes]:
    files = {
        "repository-rpm.sh": script("repository-rpm.sh"),
        "patchlab-base.spec": specs.BASE.encode(),
    }
    for package in of("rpm"):
        for version in package.versions:
            name = trees.tree_name(package, version, architecture)
            files[f"specs/{name}.spec"] = specs.spec(package, version).encode()
    first = [(package, package.version(_FIRST)) for package in _installed("rpm")]
    files |= _modules("base", first, architecture)
    for channel in channels_of("rpm"):
        files |= _modules(channel.name, _contents(channel.contents), architecture)
        files[f"advisories/{channel.name}.xml"] = specs.advisory(channel, architecture).encode()
    return files


def _modules(
    where: str, contents: Iterable[tuple[Package, Version]], architecture: str
) -> dict[str, bytes]:
    """Return path -> modulemd document for those versions that belong to a module stream."""
    return {
        f"modules/{where}/{package.name}.yaml": specs.module(
            package, version, architecture
        ).encode()
        for package, version in contents
        if version.rpm.module
    }


def _archive(image: str, lists: Mapping[str, Iterable[str]], files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO(trees.archive(of(image), bases.architecture()))
    with tarfile.open(fileobj=buffer, mode="a", format=tarfile.GNU_FORMAT) as tar:
        for name, rows in lists.items():
            trees.add(tar, name, "".join(f"{row}\n" for row in rows).encode())
        for name, content in files.items():
            trees.add(tar, name, content)
    return buffer.getvalue()


def _contents(contents: Iterable[tuple[str, str]]) -> list[tuple[Package, Version]]:
    return [
        (package_named(name), package_named(name).version(version)) for name, version in contents
    ]


def _installed(image: str) -> list[Package]:
    return [package for package in of(image) if package.installed]


def _with_old(image: str, *where: OldVersion) -> list[Package]:
    return [package for package in _installed(image) if package.old in where]


def _initial(image: str) -> list[str]:
    return [channel.name for channel in channels_of(image) if channel.initial]
