"""Read updateinfo.xml of dnf repositories: Rocky, AlmaLinux, Oracle, Amazon, Fedora, SUSE, Red Hat.

There is no specification; createrepo_c's writer and libdnf's reader are the reference. Elements are
freed once they are read, entities are refused.
"""

from collections.abc import Iterator
from typing import BinaryIO, cast
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from ...errors import InvalidInputError
from ...models.advisory import Advisory, Affected, BadRecord, FeedRecord, NameKind, Severity
from ..matching import ecosystems
from .common import MB, RECORD_BYTES, cves_in_text, kind_of, seconds, severity_of, unique
from .feed_date import FeedDate
from .osv import MODULAR

_WITHDRAWN = {"retracted", "withdrawn", "revoked"}


def read(
    stream: BinaryIO, location: str, feed_date: FeedDate, ecosystem: str = ""
) -> Iterator[FeedRecord]:
    """Yield an advisory for each update; those that do not tell their release get `ecosystem`."""
    metered = _Metered(stream, location)
    try:
        root: Element | None = None
        for event, parsed in iterparse(metered, events=("start", "end")):
            element = cast(Element, parsed)
            if root is None:
                root = element
                if _tag(root) != "updates":
                    raise InvalidInputError(
                        f"is <{_tag(root)[:40]}>, not <updates>", where=location
                    )
            elif event == "end" and _tag(element) == "update":
                yield from _update(element, location, feed_date, ecosystem)
                metered.used = 0
                # Also frees the text between updates.
                root.clear()
    except ParseError as error:
        raise InvalidInputError(
            f"no valid XML: {error}", where=location, hint="fetch it again"
        ) from error
    except DefusedXmlException as error:
        raise InvalidInputError(
            "defines XML entities, which no feed does", where=location
        ) from error
    except (LookupError, ValueError) as error:
        raise InvalidInputError(f"its encoding cannot be read: {error}", where=location) from error


class _Metered:
    """A stream that limits the bytes of one update, which is in memory until its end."""

    def __init__(self, stream: BinaryIO, location: str) -> None:
        self._stream, self._location, self.used = stream, location, 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.used += len(data)
        if self.used > RECORD_BYTES:
            raise InvalidInputError(
                f"one update is larger than {RECORD_BYTES // MB} MB", where=self._location
            )
        return data


def _tag(element: Element) -> str:
    """The tag without the namespace that SUSE sets."""
    return str(element.tag).rpartition("}")[2]


def _children(element: Element, tag: str) -> Iterator[Element]:
    return (child for child in element if _tag(child) == tag)


def _text(element: Element, tag: str) -> str:
    return next(((child.text or "").strip() for child in _children(element, tag)), "")


def _date(element: Element, tag: str) -> int:
    return next((seconds(child.get("date", "")) for child in _children(element, tag)), 0)


def _update(
    element: Element, location: str, feed_date: FeedDate, ecosystem: str
) -> Iterator[FeedRecord]:
    ident = _text(element, "id")
    update_location = f"{location}: {ident[:80] or 'update without id'}"
    if not ident:
        yield BadRecord(place=update_location, reason="has no id")
        return
    title = _text(element, "title")
    published = _date(element, "issued")
    modified = _date(element, "updated") or published
    if wrong := feed_date.record(modified, published):
        yield BadRecord(place=update_location, reason=wrong)
        return
    affected: list[Affected] = []
    for package in _packages(element, ident, update_location, ecosystem):
        if isinstance(package, BadRecord):
            yield package
        else:
            affected.append(package)
    withdrawn = element.get("status", "").lower() in _WITHDRAWN
    yield Advisory(
        id=ident,
        kind=kind_of(element.get("type", "")),
        title=title or _text(element, "summary"),
        severity=_severity(element, title),
        cves=_cves(element, title),
        published=published,
        modified=modified,
        withdrawn=(modified or 1) if withdrawn else 0,
        reboot_suggested=any(
            (child.text or "true").strip().lower() not in ("false", "0", "no")
            for child in element.iter()
            if _tag(child) == "reboot_suggested"
        ),
        affected=unique_packages(affected),
    )


def unique_packages(packages: list[Affected]) -> tuple[Affected, ...]:
    """Packages without repetitions: one may be in several collections of a release."""
    return tuple(dict.fromkeys(packages))


def _severity(element: Element, title: str) -> Severity:
    prefix, colon, _ = title.partition(":")
    stated = severity_of(_text(element, "severity"))
    return stated or (severity_of(prefix) if colon else Severity.UNKNOWN)


def _cves(element: Element, title: str) -> tuple[str, ...]:
    """CVEs from references of type cve; where a vendor has none (SUSE, Fedora), from all texts."""
    references = [reference for part in _children(element, "references") for reference in part]
    typed = [
        cve
        for reference in references
        if reference.get("type", "").lower() == "cve"
        for cve in cves_in_text(f"{reference.get('id', '')} {reference.get('title', '')}")
    ]
    if typed:
        return unique(typed)
    words = [title, _text(element, "summary"), _text(element, "description")]
    for reference in references:
        words += [reference.get("id", ""), reference.get("title", ""), reference.get("href", "")]
    return unique(cves_in_text(" ".join(words)))


def _packages(
    element: Element, ident: str, update_location: str, default: str
) -> Iterator[Affected | BadRecord]:
    general = " | ".join((_text(element, "release"), _text(element, "summary")))
    for package_list in _children(element, "pkglist"):
        for collection in _children(package_list, "collection"):
            own = f"{_text(collection, 'name')} | {collection.get('short', '')}"
            packages = list(_children(collection, "package"))
            ecosystem = ecosystems.in_words(own) or ecosystems.in_words(general) or default
            if packages and not ecosystem:
                yield BadRecord(
                    place=update_location, reason="does not tell its release; name the ecosystem"
                )
                continue
            channel = ecosystems.channel_in_words(own) or ecosystems.channel_of_id(ident)
            module = _module(collection)
            for package in packages:
                yield _package(package, ecosystem, channel, module, update_location)


def _module(collection: Element) -> str:
    for module in _children(collection, "module"):
        if module.get("name") and module.get("stream"):
            return f"{module.get('name')}:{module.get('stream')}"
    return ""


def _package(
    package: Element, ecosystem: str, channel: str, module: str, update_location: str
) -> Affected | BadRecord:
    name, version, release = (package.get(key, "") for key in ("name", "version", "release"))
    if not (name and version and release):
        return BadRecord(
            place=update_location, reason=f"package {name[:80]} without version and release"
        )
    epoch = package.get("epoch") or "0"
    arch = package.get("arch", "")
    return Affected(
        ecosystem=ecosystem,
        # Fedora also lists the source package itself.
        kind=NameKind.SOURCE if arch == "src" else NameKind.BINARY,
        name=name,
        channel=channel,
        fixed=f"{version}-{release}" if epoch == "0" else f"{epoch}:{version}-{release}",
        arch="" if arch in ("noarch", "src") else arch,
        module=module or ("modular" if MODULAR.search(release) else ""),
        source=_source(package.get("src", "")),
    )


def _source(src: str) -> str:
    """The name in `firewalld-0.8.2-7.el8_4.src.rpm`, else empty; EPEL has the binary's address."""
    file = src.rpartition("/")[2]
    for tail in (".src.rpm", ".nosrc.rpm"):
        if file.endswith(tail):
            parts = file.removesuffix(tail).rsplit("-", 2)
            return parts[0] if len(parts) == 3 else ""
    return ""
