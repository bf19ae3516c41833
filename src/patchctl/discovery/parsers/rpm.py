"""Parse rpm's packages and dnf's (or yum's) repositories, updates and advisories."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from msgspec import structs

from ...models.facts import Package, PendingUpdate, Repository
from ...models.grammar import (
    is_rpm_module,
    is_rpm_name,
    is_rpm_part,
    is_rpm_version,
    source_of_rpm,
)
from ...models.host_rules import natural, takes_effect_by_reboot
from ...models.kernel_names import boots
from ...protocol.sections import Unparsed, clip, fields, number

# rpm lists the keys that it trusts among the packages, under this name.
_KEYS = "gpg-pubkey"
_LOCKED = re.compile(r"(.+)-(?:[0-9]+:)?[^-:]+-[^-:]+")
_NEVRA = re.compile(r"(.+)-((?:[0-9]+:)?[^-]+-[^-]+)\.([A-Za-z0-9_]+)")


@dataclass(frozen=True)
class Installed:
    """The installed packages. `times` is package name -> newest installation, epoch seconds."""

    packages: tuple[Package, ...]
    times: Mapping[str, int]


def packages(
    lines: Iterable[str],
    user_installed: Iterable[str],
    holds: Iterable[str],
    unparsed: Unparsed,
) -> Installed:
    """Return the packages in lines `NAME EPOCH VERSION RELEASE ARCH SOURCERPM INSTALLTIME MODULE`.

    Fields are separated by tabs. `user_installed` are lines with the packages that a user asked
    for. `holds` are the patterns of versionlock, and lines `exclude PATTERN` of dnf.conf.
    """
    chosen = frozenset(user_installed)
    locked = tuple(holds)
    rows: list[Package] = []
    times: dict[str, int] = {}
    for line in lines:
        parts = fields(line, 8)
        if parts and parts[0] == _KEYS:
            continue
        package = _package(parts) if parts else None
        if parts is None or package is None:
            unparsed.add("packages", line)
            continue
        auto = bool(chosen) and f"{package.name}.{package.arch}" not in chosen
        held = any(_locks(lock, package) for lock in locked)
        rows.append(structs.replace(package, auto=auto, held=held))
        times[package.name] = max(times.get(package.name, 0), number(parts[6]) or 0)
    return Installed(tuple(sorted(rows, key=_order)), times)


def _order(package: Package) -> tuple[str, str, list[tuple[int, int, str]]]:
    return package.name, package.arch, natural(package.version)


def _package(parts: Sequence[str]) -> Package | None:
    name, epoch, version, release, arch, source_rpm, _, module = parts
    if not (is_rpm_name(name, arch) and is_rpm_part(version) and is_rpm_part(release)):
        return None
    full = f"{version}-{release}"
    if epoch not in ("", "(none)", "0"):
        full = f"{epoch}:{full}"
    source = source_of_rpm(source_rpm)
    if not is_rpm_version(full):
        return None
    if source and not (is_rpm_name(source[0], "src") and is_rpm_version(source[1])):
        return None
    return Package(
        name=name,
        version=full,
        arch=arch,
        source=source[0] if source else "",
        source_version=source[1] if source else "",
        module=module if is_rpm_module(module) else "",
    )


def _locks(lock: str, package: Package) -> bool:
    """Return whether a line of `holds` keeps the package from other versions.

    An entry of versionlock, `NAME-EPOCH:VERSION-RELEASE.*`, allows that version only; with `!`
    before it, it forbids that version only and holds nothing.
    """
    pattern = lock.strip().removeprefix("exclude ")
    if pattern.startswith("!"):
        return False
    name, arch, version = package.name, package.arch, package.version
    known = (name, f"{name}.{arch}", f"{name}-{version}.{arch}", f"{name}-0:{version}.{arch}")
    if any(fnmatchcase(text, pattern) for text in known):
        return True
    locked = _LOCKED.fullmatch(pattern)
    return locked is not None and not lock.startswith("exclude ") and locked[1] == name


# --- repositories -------------------------------------------------------------------------------

_ENTRY = re.compile(r"(Repo-[A-Za-z-]+|Updated|Total packages) *: *(.*)")


def repositories(
    lines: Iterable[str], settings: Iterable[str], unparsed: Unparsed
) -> tuple[Repository, ...]:
    """Return the repositories in the output of `dnf repolist -v`.

    `settings` are lines of the `.repo` files with `gpgcheck`.
    """
    checked = switches(settings, "gpgcheck")
    entries: list[dict[str, str]] = []
    for line in lines:
        entry = _ENTRY.fullmatch(line.strip())
        if entry is None:
            # Continued values and messages of plugins may be ignored; other lines may be data.
            if entries and not line.startswith(
                (" ", "Loaded plugins", "DNF version", "YUM version")
            ):
                unparsed.add("repositories", line)
        elif entry[1] == "Repo-id":
            entries.append({"Repo-id": entry[2]})
        elif entries:
            entries[-1].setdefault(entry[1], entry[2])
    return tuple(_repository(entry, checked) for entry in entries)


def _repository(entry: Mapping[str, str], checked: Mapping[str, bool]) -> Repository:
    # yum appends the release and architecture: `base/7/x86_64`.
    name = clip(entry["Repo-id"]).partition("/")[0]
    uri = entry.get("Repo-baseurl") or entry.get("Repo-metalink") or entry.get("Repo-mirrors") or ""
    revision = number(entry.get("Repo-revision", "")) or 0
    return Repository(
        uri=clip(uri.split(" ")[0].rstrip(",")),
        origin=name,
        label=clip(entry.get("Repo-name", "")),
        # createrepo's revision is the time in epoch seconds unless somebody set another one.
        dated=revision if 10**9 < revision < 10**10 else 0,
        trusted=checked.get(name, checked.get("main", False)),
    )


def switches(lines: Iterable[str], key: str) -> dict[str, bool]:
    """Return repository or `main` -> whether `key` is on, from `[ID]` and `KEY=VALUE` lines."""
    values = {}
    section = ""
    for line in lines:
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            section = text[1:-1]
        name, equals, value = text.partition("=")
        if equals and name.strip() == key:
            values[section] = value.strip().lower() in ("1", "yes", "true", "on")
    return values


# --- pending updates ----------------------------------------------------------------------------

# Messages that dnf prints between the lists, in the C locale.
_CHATTER = re.compile(r"(Last metadata expiration check|Security: |Updating |Loaded plugins|\s*\*)")
_OBSOLETES = "Obsoleting "


def pending(
    lines: Iterable[str],
    installed: Sequence[Package],
    advisories: Mapping[tuple[str, str], tuple[str, ...]],
    known: Sequence[Repository],
    unparsed: Unparsed,
) -> tuple[PendingUpdate, ...]:
    """Return the updates in lines `NAME.ARCH VERSION REPOSITORY` of `dnf check-update`.

    Lines below `Obsoleting Packages` are packages under a new name; the packages that each of them
    replaces are indented below it. `advisories` is as `advisories` returns it.
    """
    newest = {(package.name, package.arch): package.version for package in installed}
    labels = {repository.origin: repository.label for repository in known}
    updates = {}
    rows = iter(_joined(lines))
    for line in rows:
        if line.startswith(_OBSOLETES):
            break
        words = line.split()
        update = _update(words, newest, advisories, labels) if len(words) == 3 else None
        if update is not None:
            updates[update.name, update.arch] = update
        elif not _CHATTER.match(line):
            unparsed.add("pending", line)
    for new, old in _obsoleting(rows, {name for name, _ in newest}):
        update = _named(new, "", advisories, labels)
        if update is not None:
            updates.setdefault((update.name, update.arch), structs.replace(update, replaces=old))
    return tuple(updates[key] for key in sorted(updates))


def _obsoleting(rows: Iterable[str], installed: Collection[str]) -> Iterator[tuple[list[str], str]]:
    """Yield (fields of the new package, name of the installed package that it replaces).

    New versions of installed packages are left out, because they are among the updates.
    """
    new: list[str] = []
    for row in rows:
        words = row.split()
        name = words[0].rpartition(".")[0] if len(words) == 3 else ""
        if not row.startswith(" "):
            new = words if name and name not in installed else []
        elif new and name in installed:
            yield new, name
            new = []


def _joined(lines: Iterable[str]) -> list[str]:
    """Return the rows of `check-update`: yum breaks long ones and indents the rest."""
    rows: list[str] = []
    for line in lines:
        if line.startswith(" ") and rows and len(rows[-1].split()) < 3:
            rows[-1] = f"{rows[-1]} {line.strip()}"
        else:
            rows.append(line)
    return rows


def _update(
    words: Sequence[str],
    newest: Mapping[tuple[str, str], str],
    advisories: Mapping[tuple[str, str], tuple[str, ...]],
    labels: Mapping[str, str],
) -> PendingUpdate | None:
    name, _, arch = words[0].rpartition(".")
    # A package may change between noarch and an architecture: then any installed one counts.
    present = newest.get((name, arch)) or next(
        (have for (other, _), have in newest.items() if other == name), None
    )
    return None if present is None else _named(words, present, advisories, labels)


def _named(
    words: Sequence[str],
    installed: str,
    advisories: Mapping[tuple[str, str], tuple[str, ...]],
    labels: Mapping[str, str],
) -> PendingUpdate | None:
    name, _, arch = words[0].rpartition(".")
    version = words[1].removeprefix("0:")
    if not (is_rpm_name(name, arch) and is_rpm_version(version)):
        return None
    security = advisories.get((name, arch), ())
    return PendingUpdate(
        name=name,
        arch=arch,
        installed=installed,
        candidate=version,
        origin=clip(words[2]),
        label=labels.get(words[2], ""),
        security=bool(security),
        advisories=security,
    )


def advisories(lines: Iterable[str], unparsed: Unparsed) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return (name, arch) -> ids of security advisories that are newer than the installed package.

    `lines` are the output of `dnf updateinfo list`. dnf 4 and yum print `ID SEVERITY/Sec. NEVRA`,
    dnf 5 prints `ID security SEVERITY NEVRA DATE TIME`. A candidate that is newer than the version
    in an advisory has the same fix.
    """
    names_of: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        words = line.split()
        package = _advised(words)
        if package is None:
            if not _CHATTER.match(line) and words[:1] not in (["Name"], ["updateinfo"]):
                unparsed.add("advisories", line)
        elif _is_security(words):
            names_of.setdefault(package, []).append(clip(words[0]))
    return {package: tuple(sorted(set(names))) for package, names in names_of.items()}


def _advised(words: Sequence[str]) -> tuple[str, str] | None:
    if len(words) < 3:
        return None
    nevra = _NEVRA.fullmatch(words[3] if len(words) >= 5 else words[2])
    if nevra is None:
        return None
    name, version, arch = nevra.groups()
    return (name, arch) if is_rpm_name(name, arch) and is_rpm_version(version) else None


def _is_security(words: Sequence[str]) -> bool:
    return words[1] == "security" or words[1].endswith("/Sec.")


def wants_reboot(times: Mapping[str, int], booted: int, *, managed: bool) -> Collection[str]:
    """Return packages that were installed after the boot and need a reboot to take effect.

    `times` is package name -> epoch seconds. `managed` is False in a container, which runs no
    kernel of its own.
    """
    later = (name for name, time in times.items() if booted and time > booted)
    return sorted(
        name for name in later if takes_effect_by_reboot(name) and (managed or not boots(name))
    )
