"""Recognise the format of a file by its first bytes."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...models.advisory import FeedKind
from ...models.grammar import CVE
from ..matching import ecosystems
from . import changelog, ssvc
from .common import UTF_16

# A vendor's record can begin with a long list before the first key that tells the format.
HEAD_BYTES = 65_536


@dataclass(frozen=True)
class Recognised:
    """The format of a file. `variant` separates formats of one kind (`ssvc`). `ecosystems` and
    `name` (a record's id or a package) are what the head tells, for naming the feed."""

    kind: FeedKind
    variant: str = ""
    ecosystems: frozenset[str] = frozenset()
    name: str = ""


# A string, which the end of the head may cut, or a mark outside strings. Possessive, and always
# matching from a quote on: no text can make it slow.
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*+)(?:"|\\?\Z)|([{}\[\],:])', re.S)
_ELEMENT = re.compile(r"<([^\s/>]+)")
_OSV_ECOSYSTEM = re.compile(r'"ecosystem"\s*:\s*"([^"\\]{1,120})"')
_ID = re.compile(r'"id"\s*:\s*"([^"\\]{1,120})"')
_CVE_ID = re.compile(rf'"cveId"\s*:\s*"({CVE})"')
_TRACKER_ID = re.compile(r"(?:CVE-[0-9]{4}-(?:[0-9]{4,}|XXXX)|TEMP-[0-9A-F-]+)")
# Formats that are recognised, but not read. The mark of UTF-32 begins with that of UTF-16.
_UNREAD = (
    (b"\x28\xb5\x2f\xfd", "is packed with zstd, which is not read; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "is packed with 7-Zip, which is not read; unpack it first"),
    (codecs.BOM_UTF32_LE, "is UTF-32; save it as UTF-8"),
    (codecs.BOM_UTF32_BE, "is UTF-32; save it as UTF-8"),
)
_EPSS = "cve,epss,percentile"


def recognise(head: bytes) -> Recognised | str:
    """What the file is, or one line on why it is no feed."""
    if unread := next((words for start, words in _UNREAD if head.startswith(start)), ""):
        return unread
    if not head.startswith(UTF_16) and b"\0" in head[:2] and head[:2].strip(b"\0"):
        return "is UTF-16 without a mark at its start; save it as UTF-8"
    text = _text(head)
    start = text.lstrip()
    if not start:
        return "is empty"
    if start.startswith(("{", "[")):
        return _json(start)
    if start.startswith("<"):
        return _xml(start)
    line = start.splitlines()[0].strip()
    if line == ssvc.HEADER:
        return Recognised(FeedKind.CVE, "ssvc")
    if line == _EPSS or (line.startswith("#") and _EPSS in start[:2000]):
        return Recognised(FeedKind.EPSS)
    if header := changelog.HEADER.match(line):
        return Recognised(FeedKind.CHANGELOG, name=header[1].lower())
    return "is none of the known formats"


def _text(head: bytes) -> str:
    if head.startswith(UTF_16):
        return head.decode("utf-16", "replace").lstrip("\ufeff")
    return head.decode("utf-8-sig", "replace")


def _xml(start: str) -> Recognised | str:
    root = _root(start).rpartition(":")[2].lower()
    if root in ("html", "head", "body"):
        return "is a web page, not a feed; the server may ask for a login"
    if root != "updates":
        return "is XML, but no updateinfo"
    names = {
        ecosystems.in_words(words) for words in re.findall(r"<(?:release|name)>([^<]*)", start)
    }
    return Recognised(FeedKind.UPDATEINFO, ecosystems=frozenset(names - {""}))


def _root(text: str) -> str:
    """The name of the first element, after declaration, comments and document type."""
    position = 0
    while True:
        rest = text[position : position + 200].lstrip()
        if rest.lower().startswith("<!doctype html"):
            return "html"
        if not rest.startswith(("<?", "<!")):
            element = _ELEMENT.match(rest)
            return element[1] if element else ""
        end = "-->" if rest.startswith("<!--") else ">"
        stop = text.find(end, position)
        if stop < 0:
            return ""
        position = stop + len(end)


def _json(start: str) -> Recognised | str:
    keys = set()
    for depth, key in _keys(start):
        if depth == 1:
            keys.add(key)
        elif depth == 2 and _TRACKER_ID.fullmatch(key):
            return Recognised(FeedKind.DEBIAN_TRACKER)
        if keys & {"containers", "cveMetadata"} or "CVE_RECORD" in start[:200]:
            named = _CVE_ID.search(start)
            return Recognised(FeedKind.CVE, name=named[1] if named else "")
        if "vulnerabilities" in keys:
            known = "catalogVersion" in keys or "cveID" in start
            return Recognised(FeedKind.KEV) if known else "lists vulnerabilities, but is no KEV"
        if "cycles" in keys or {"result", "schema_version"} <= keys:
            return Recognised(FeedKind.EOL)
        if "affected" in keys or {"id", "modified"} <= keys or {"id", "schema_version"} <= keys:
            return _osv(start)
    return "is JSON of no known feed"


def _osv(start: str) -> Recognised:
    names = {ecosystems.of_osv(name)[0] for name in _OSV_ECOSYSTEM.findall(start)}
    ident = _ID.search(start)
    return Recognised(FeedKind.OSV, "", frozenset(names), ident[1] if ident else "")


def _keys(text: str) -> Iterator[tuple[int, str]]:
    """(depth, key) for the keys of a JSON object whose end may be missing."""
    stack: list[str] = []
    key = True
    for token in _TOKEN.finditer(text):
        string, mark = token[1], token[2]
        if mark in ("{", "["):
            stack.append(mark)
            key = mark == "{"
        elif mark in ("}", "]"):
            if stack:
                stack.pop()
            key = False
        elif mark == ",":
            key = bool(stack) and stack[-1] == "{"
        elif mark == ":":
            key = False
        elif key:
            yield len(stack), string
