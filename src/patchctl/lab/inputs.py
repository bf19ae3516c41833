"""What goes into the tools images: one tar of descriptions and lists. Pure."""

import io
import tarfile
from collections.abc import Iterable, Mapping

from . import bases, specs, trees
from .builder import script
from .packages import CHANNELS, PACKAGES, OldVersion, Package, Version, package

_FIRST = "1.0-1"


def debian() -> bytes:
    """Trees, `repository.sh`, and lists with one item a line.

    `channels` is `CHANNEL CODENAME FILE`, `base` (what hosts start with) and `kept` (what of it
    stays in the repository) are `FILE`, `initial` is `CHANNEL`.
    """
    architecture = bases.architecture()

    def file(found: Package, version: Version) -> str:
        return trees.tree_name(found, version, architecture) + ".deb"

    lists = {
        "channels": [
            f"{channel.name} {channel.archive} {file(found, version)}"
            for channel in CHANNELS
            for found, version in _contents(channel.contents)
        ],
        "base": [file(found, found.version(_FIRST)) for found in _installed()],
        "kept": [file(found, found.version(_FIRST)) for found in _kept(OldVersion.REPOSITORY)],
        "initial": _initial(),
    }
    return _archive(lists, {"repository.sh": script("repository.sh")})


def rpm() -> bytes:
    """Trees, `specs/`, `advisories/`, `repository-rpm.sh`, and the same lists without codenames."""
    architecture = bases.architecture()

    def file(found: Package, version: Version) -> str:
        return specs.file_name(found, version, architecture)

    lists = {
        "channels": [
            f"{channel.name} {file(found, version)}"
            for channel in CHANNELS
            for found, version in _contents(channel.contents)
        ],
        "base": [file(found, found.version(_FIRST)) for found in _installed()],
        # dnf keeps no copies of what it installs from a `file:` repository: there is no cache.
        "kept": [
            file(found, found.version(_FIRST))
            for found in _kept(OldVersion.REPOSITORY, OldVersion.CACHE)
        ],
        "initial": _initial(),
    }
    files = {
        "repository-rpm.sh": script("repository-rpm.sh"),
        "patchlab-base.spec": specs.BASE.encode(),
    }
    for found in PACKAGES:
        for version in found.versions:
            name = trees.tree_name(found, version, architecture)
            files[f"specs/{name}.spec"] = specs.spec(found, version).encode()
    for channel in CHANNELS:
        files[f"advisories/{channel.name}.xml"] = specs.advisory(channel, architecture).encode()
    return _archive(lists, files)


def _archive(lists: Mapping[str, Iterable[str]], files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO(trees.archive(PACKAGES, bases.architecture()))
    with tarfile.open(fileobj=buffer, mode="a", format=tarfile.GNU_FORMAT) as tar:
        for name, rows in lists.items():
            trees.add(tar, name, "".join(f"{row}\n" for row in rows).encode())
        for name, content in files.items():
            trees.add(tar, name, content)
    return buffer.getvalue()


def _contents(contents: Iterable[tuple[str, str]]) -> list[tuple[Package, Version]]:
    return [(package(name), package(name).version(version)) for name, version in contents]


def _installed() -> list[Package]:
    return [found for found in PACKAGES if found.installed]


def _kept(*where: OldVersion) -> list[Package]:
    return [found for found in _installed() if found.old in where]


def _initial() -> list[str]:
    return [channel.name for channel in CHANNELS if channel.initial]
