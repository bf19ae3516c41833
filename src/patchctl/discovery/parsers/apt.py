"""Parse apt's repositories and pending updates."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import mktime_tz, parsedate_tz

from ...models.facts import HiddenUpdate, Package, PendingUpdate, Repository
from ...models.grammar import is_deb_name, is_deb_version
from ...protocol.sections import Unparsed, clip, fields


@dataclass(frozen=True)
class Source:
    """A repository with its key in the output of `apt-cache policy`.

    The key is `site` and `part`, which is `release/component`.
    """

    site: str
    part: str
    repository: Repository
    security: bool


def sources(lines: Iterable[str], dates: Iterable[str], unparsed: Unparsed) -> tuple[Source, ...]:
    """Return the repositories, from lines of `apt-get indextargets` (ten fields).

    `dates` are lines `FILE:Date: …` of the Release files.
    """
    dated = _dates(dates, unparsed)
    by_part: dict[tuple[str, str], Source] = {}
    for line in lines:
        parts = fields(line, 10)
        if parts is None:
            unparsed.add("repositories", line)
            continue
        site, release, component, uri, origin, label, codename, suite, trusted, file = map(
            _field_value, parts
        )
        part = f"{release}/{component}" if component else release
        repository = Repository(
            uri=uri,
            origin=origin,
            label=label,
            codename=codename or release,
            component=component,
            dated=_date_of(file, dated),
            trusted=trusted == "yes",
        )
        source = Source(site.rstrip("/"), part, repository, _is_security(origin, label, suite))
        by_part.setdefault((source.site, source.part), source)
    return tuple(by_part.values())


def _field_value(field: str) -> str:
    """Return a field of apt's output; "" where apt had no value for it.

    A flat repository (`./`) has no component: apt then prints `$(COMPONENT)` unchanged.
    """
    return "" if field.startswith("$(") else clip(field)


def _is_security(origin: str, label: str, suite: str) -> bool:
    """Return whether the repository is a security archive.

    Debian and its derivatives name their security archive in the label. Ubuntu names it only in the
    suite, which at Ubuntu keeps its name when a release becomes old.
    """
    if origin.startswith("Ubuntu"):
        return suite.endswith("-security")
    return "security" in label.lower()


def _dates(lines: Iterable[str], unparsed: Unparsed) -> dict[str, int]:
    """Return Release file, without the last part of its name -> epoch seconds."""
    moments = {}
    for line in lines:
        path, _, text = line.partition(":Date:")
        moment = _moment(text)
        if moment is None:
            unparsed.add("releases", line)
        else:
            moments[path.removesuffix("Release").removesuffix("In")] = moment
    return moments


def _moment(text: str) -> int | None:
    try:
        parsed = parsedate_tz(text.strip())
        moment = None if parsed is None else int(mktime_tz(parsed))
    except (ValueError, OverflowError, TypeError, IndexError, AttributeError):
        return None
    return moment if moment is not None and 0 <= moment < 2**40 else None


def _date_of(file: str, dated: Mapping[str, int]) -> int:
    stems = [stem for stem in dated if file.startswith(stem)]
    return dated[max(stems, key=len)] if stems else 0


# --- pending updates ----------------------------------------------------------------------------

_HEADER = re.compile(r"(\S+?)(?::([a-z0-9-]+))?:")
_VERSION = re.compile(r" (\*\*\*|   ) (\S+) -?\d+(?: \(phased (\d{1,3})%\))?")
_FROM = re.compile(r" {7,}-?\d+ (\S+)(?: (\S+)(?: \S+)? Packages)?")
_KEY = re.compile(r"  (Installed|Candidate|Package pin|Version table): *(\S*)")


@dataclass
class _Block:
    """One package of `apt-cache policy`.

    `versions` is version -> the (site, part) of repositories that have it, newest version first.
    """

    name: str
    arch: str
    candidate: str = ""
    installed: str = ""
    versions: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    phases: dict[str, int] = field(default_factory=dict)


def pending(
    lines: Iterable[str],
    packages: Sequence[Package],
    known: Sequence[Source],
    native: str,
    unparsed: Unparsed,
    deferred: Collection[tuple[str, str]] | None = (),
) -> tuple[PendingUpdate, ...]:
    """Return the updates in blocks of `apt-cache policy`: candidates above the installed version.

    `deferred` are (package as in a heading, version) that apt does not install yet; None where that
    is unknown: then all phased updates count as deferred.
    """
    arches = {(package.name, package.arch) for package in packages}
    index = {(source.site, source.part): source for source in known}
    updates = []
    for block in _blocks(lines, unparsed):
        late = _deferred(block, deferred)
        _set_arch(block, arches, native)
        order = list(block.versions)
        if late and block.candidate == block.installed:
            block.candidate = late  # newer versions of apt do not make it the candidate
        if block.candidate in ("(none)", block.installed):
            continue  # this block was asked for because of hidden updates only
        if not _is_sane(block, order, arches):
            unparsed.add("pending", f"{block.name}: {block.installed} -> {block.candidate}")
        # apt sorts the table by version: a candidate below the installed one is a downgrade by pin.
        elif order.index(block.candidate) < order.index(block.installed):
            updates.append(_update(block, index, deferred=block.candidate == late))
    return tuple(sorted(updates, key=lambda update: (update.name, update.arch)))


def _deferred(block: _Block, deferred: Collection[tuple[str, str]] | None) -> str:
    """Return the version of the package that apt does not install yet, or ""."""
    name = f"{block.name}:{block.arch}" if block.arch else block.name
    for version in block.versions:
        phased = deferred is None and block.phases.get(version, 100) < 100
        if phased or (deferred and (name, version) in deferred):
            return version
    return ""


def _set_arch(block: _Block, arches: set[tuple[str, str]], native: str) -> None:
    """Set the block's architecture, which apt prints only where it is not the machine's own."""
    if not block.arch:
        block.arch = native if (block.name, native) in arches else "all"


def hidden(
    lines: Iterable[str],
    packages: Sequence[Package],
    known: Sequence[Source],
    native: str,
    release: str,
) -> tuple[HiddenUpdate, ...]:
    """Return security updates that `apt-cache policy` lists above the candidate.

    `release` is `APT::Default-Release`. Lines that cannot be parsed are reported by `pending`.
    """
    arches = {(package.name, package.arch) for package in packages}
    index = {(source.site, source.part): source for source in known}
    by = f"APT::Default-Release is {clip(release)}" if release else "a pin of the host"
    updates = []
    for block in _blocks(lines, Unparsed()):
        _set_arch(block, arches, native)
        newest = _newest_security(block, index)
        if newest and (block.name, block.arch) in arches and is_deb_version(newest):
            source = _best(block, newest, index)
            updates.append(
                HiddenUpdate(
                    name=block.name,
                    arch=block.arch,
                    installed=block.installed,
                    version=newest,
                    label=source.repository.label if source else "",
                    codename=source.repository.codename if source else "",
                    by=by,
                )
            )
    return tuple(sorted(updates, key=lambda update: (update.name, update.arch)))


def _newest_security(block: _Block, index: Mapping[tuple[str, str], Source]) -> str:
    """Return the newest version in a security archive that is above the candidate and the installed
    version, or ""."""
    order = list(block.versions)
    if block.installed not in order:
        return ""
    for version in order[: order.index(block.installed)]:
        if version == block.candidate:
            return ""
        source = _best(block, version, index)
        if source is not None and source.security:
            return version
    return ""


def _best(block: _Block, version: str, index: Mapping[tuple[str, str], Source]) -> Source | None:
    """Return a repository that has this version, preferably a security archive, or None."""
    offers = [index[key] for key in block.versions[version] if key in index]
    return max(offers, key=lambda offer: offer.security, default=None)


def _is_sane(block: _Block, order: list[str], arches: set[tuple[str, str]]) -> bool:
    return (
        (block.name, block.arch) in arches
        and is_deb_name(block.name)
        and is_deb_version(block.candidate)
        and block.candidate in order
        and block.installed in order
    )


def _update(
    block: _Block, index: Mapping[tuple[str, str], Source], *, deferred: bool
) -> PendingUpdate:
    best = _best(block, block.candidate, index)
    repository = best.repository if best else Repository(uri="")
    return PendingUpdate(
        name=block.name,
        arch=block.arch,
        installed=block.installed,
        candidate=block.candidate,
        origin=repository.origin,
        label=repository.label,
        codename=repository.codename,
        security=best is not None and best.security,
        phased=block.phases.get(block.candidate, 100),
        deferred=deferred,
    )


def _blocks(lines: Iterable[str], unparsed: Unparsed) -> list[_Block]:
    blocks: list[_Block] = []
    version = ""
    for line in lines:
        if not line.startswith(" "):
            header = _HEADER.fullmatch(line)
            if header is None:
                unparsed.add("pending", line)
                continue
            blocks.append(_Block(header[1], header[2] or ""))
            version = ""
        elif not blocks:
            unparsed.add("pending", line)
        elif key := _KEY.fullmatch(line):
            if key[1] == "Installed":
                blocks[-1].installed = key[2]
            elif key[1] == "Candidate":
                blocks[-1].candidate = key[2]
        elif entry := _VERSION.fullmatch(line):
            version = entry[2]
            if entry[3]:
                blocks[-1].phases[version] = int(entry[3])
            blocks[-1].versions.setdefault(version, [])
        elif (origin := _FROM.fullmatch(line)) and version:
            blocks[-1].versions[version].append((origin[1].rstrip("/"), origin[2] or ""))
        else:
            unparsed.add("pending", line)
    return blocks
