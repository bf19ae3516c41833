"""Write package descriptions as the trees that dpkg-deb packs, in one tar archive.

Pure: the same descriptions give the same bytes, so their digest can name a cached image.
"""

import gzip
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping

from .descriptions import Package, Version

_EPOCH = 1735689600
"""2025-01-01 00:00 UTC: a fixed time for files and changelogs."""
_DAY = 86400
MAINTAINER = "patchctl lab <lab@patchctl.invalid>"


def archive(packages: Iterable[Package], architecture: str) -> bytes:
    """Return a tar of `NAME_VERSION_ARCH/` trees, each with DEBIAN/ and, where needed, a BUILD
    script.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for package in packages:
            for version in package.versions:
                root = tree_name(package, version, architecture)
                for path, content, mode in _entries(package, version, architecture):
                    add(tar, f"{root}/{path}", content, mode)
    return buffer.getvalue()


def tree_name(package: Package, version: Version, architecture: str) -> str:
    """Return `NAME_VERSION_ARCH`, which is also the .deb's name without its ending."""
    return f"{package.name}_{version.version}_{_arch(version, architecture)}"


def control(package: Package, version: Version, architecture: str) -> str:
    """Return the text of DEBIAN/control."""
    fields: dict[str, str] = {"Package": package.name}
    if package.source:
        fields["Source"] = package.source
    fields |= {
        "Version": version.version,
        "Architecture": _arch(version, architecture),
        "Maintainer": MAINTAINER,
        "Section": "misc",
        "Priority": "optional",
    }
    fields |= version.fields
    fields["Description"] = package.summary
    return _stanza(fields)


def changelog(package: Package, version: Version) -> str:
    """Return changelog.Debian with an entry for this version and each earlier one, newest first."""
    source = package.source or package.name
    until = package.versions.index(version) + 1
    entries = []
    for number, entry in enumerate(package.versions[:until]):
        fixes = [f"  * Fix {cve}." for cve in entry.cves]
        urgency = "high" if entry.cves else "medium"
        suite = "bookworm-security" if entry.cves else "bookworm"
        entries.append(
            f"{source} ({entry.version}) {suite}; urgency={urgency}\n\n"
            + "\n".join([f"  * {entry.change}", *fixes])
            + f"\n\n -- {MAINTAINER}  {_date(_EPOCH + number * _DAY)}\n"
        )
    return "\n".join(reversed(entries))


def _entries(
    package: Package, version: Version, architecture: str
) -> Iterator[tuple[str, bytes, int]]:
    yield "DEBIAN/control", control(package, version, architecture).encode(), 0o644
    if version.conffiles:
        yield "DEBIAN/conffiles", "".join(f"{p}\n" for p in version.conffiles).encode(), 0o644
    for name, script in sorted(version.scripts.items()):
        yield f"DEBIAN/{name}", script.encode(), 0o755
    for file in version.files:
        yield file.path.lstrip("/"), file.content.encode(), file.mode
    text = changelog(package, version).encode()
    yield f"usr/share/doc/{package.name}/changelog.Debian.gz", gzip.compress(text, mtime=0), 0o644
    if version.build:
        yield "BUILD", f"set -eu\n{version.build}\n".encode(), 0o644


def add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    """Append a file to the archive, with a fixed time and owner."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    info.mode = mode
    info.mtime = _EPOCH
    tar.addfile(info, io.BytesIO(content))


def _stanza(fields: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def _arch(version: Version, architecture: str) -> str:
    return architecture if version.arch == "any" else version.arch


def _date(seconds: int) -> str:
    from email.utils import formatdate

    return formatdate(seconds).replace("-0000", "+0000")
