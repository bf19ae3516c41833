"""Parse dpkg's packages and apt's automatic marks."""

from collections.abc import Iterable

from ...models.facts import Package
from ...models.grammar import is_deb, is_deb_name, is_deb_version
from ...protocol.sections import Unparsed, fields

# dpkg-query(1), `db:Status-Abbrev`, second letter: not installed, or only its configuration files
# are left. Such a package does not count as installed.
_NOT_INSTALLED = frozenset("nc")


def packages(
    lines: Iterable[str], automatic: Iterable[str], native: str, unparsed: Unparsed
) -> tuple[Package, ...]:
    """Return the packages in lines `STATUS NAME VERSION ARCH SOURCE SOURCE-VERSION`.

    Fields are separated by tabs. `automatic` is apt's file extended_states; `native` is the host's
    own architecture.
    """
    marked = _automatic(automatic, unparsed)
    rows = []
    for line in lines:
        package = _package(line, marked, native)
        if package is not None:
            rows.append(package)
        elif line[1:2] not in _NOT_INSTALLED:
            unparsed.add("packages", line)
    return tuple(sorted(rows, key=lambda package: (package.name, package.arch)))


def _package(line: str, marked: frozenset[tuple[str, str]], native: str) -> Package | None:
    parts = fields(line, 6)
    if parts is None:
        return None
    status, name, version, arch, source, source_version = parts
    abbreviated = status.strip()
    if (
        len(abbreviated) not in (2, 3)
        or abbreviated[1] in _NOT_INSTALLED
        or not is_deb(name, version, arch)
    ):
        return None
    if not (is_deb_name(source) and is_deb_version(source_version)):
        return None
    return Package(
        name=name,
        version=version,
        arch=arch,
        source=source,
        source_version=source_version,
        # apt keeps the mark of an `all` package under the native architecture.
        auto=(name, native if arch == "all" else arch) in marked,
        held=abbreviated[0] == "h",
        status="" if abbreviated[1:] == "i" else abbreviated,
    )


def _automatic(lines: Iterable[str], unparsed: Unparsed) -> frozenset[tuple[str, str]]:
    """Return (name, architecture) of automatically installed packages.

    `lines` are apt's extended_states: paragraphs of Package, Architecture, Auto-Installed.
    """
    marked = set()
    name = arch = ""
    for line in lines:
        key, colon, value = line.partition(":")
        value = value.strip()
        if key == "Package" and colon:
            name, arch = value, ""
        elif key == "Architecture" and colon:
            arch = value
        elif key == "Auto-Installed" and colon:
            if value == "1":
                marked.add((name, arch))
        else:
            unparsed.add("automatic", line)
    return frozenset(marked)
