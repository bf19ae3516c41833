"""Load cases of matching, and make vendors' feeds and hosts from their short descriptions.

A file of `tests/data/matching/` is a list of rules. Each rule has feeds, and hosts to assess with
them, with the findings that are expected on each. `tests/data/matching/README.md` has the format.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml
from assessment_world import World, facts
from msgspec import structs

from patchctl.models.advisory import Advisory
from patchctl.models.assessment import Finding
from patchctl.models.facts import HostFacts, OsRelease, Package, Repository
from patchctl.wiring.feeds import read

FOLDER = Path(__file__).parents[1] / "data" / "matching"
ANY = "any"
DAY = "2025-01-01T00:00:00Z"

Expected = Mapping[str, str]  # CVE -> state, or `any`


@dataclass(frozen=True)
class Case:
    """One host with the feeds of its rule."""

    name: str
    why: str
    feeds: Mapping[str, Any]
    host: Mapping[str, Any]

    @property
    def expect(self) -> Expected:
        """The findings that are expected."""
        expect: Expected = self.host["expect"]
        return expect

    @property
    def fixed(self) -> Mapping[str, str]:
        """CVE -> the fixed version that its finding must name."""
        fixed: Mapping[str, str] = self.host.get("fixed", {})
        return fixed


@dataclass(frozen=True)
class Rule:
    """Feeds, and the cases to try with them."""

    name: str
    feeds: Mapping[str, Any]
    cases: Sequence[Case]


def rules() -> Iterator[Rule]:
    """Every rule of every file."""
    for path in sorted(FOLDER.glob("*.yaml")):
        for rule in yaml.safe_load(path.read_text()):
            name, feeds = f"{path.stem}: {rule['rule']}", rule["feeds"]
            made = [
                Case(f"{name}: {host['name']}", rule["why"], feeds, host) for host in rule["hosts"]
            ]
            yield Rule(name, feeds, made)


def wrong(expected: Expected, actual: Expected) -> list[str]:
    """Return a line for each difference; none where all is as expected."""
    lines = [f"{cve} is {actual[cve]}, and must not be" for cve in actual if cve not in expected]
    lines += [f"{cve} is not found" for cve in expected if cve not in actual]
    lines += [
        f"{cve} is {actual[cve]}, not {state}"
        for cve, state in expected.items()
        if cve in actual and state not in (ANY, actual[cve])
    ]
    return sorted(lines)


def wrongly_fixed(fixed: Mapping[str, str], findings: Mapping[str, Finding]) -> list[str]:
    """Return a line for each finding that names another fix than expected."""
    return [
        f"{cve} is fixed by {findings[cve].fixed}, not {version}"
        for cve, version in fixed.items()
        if cve in findings and findings[cve].fixed != version
    ]


def world_of(folder: Path) -> World:
    """A world of all feeds in a folder, each read by its own reader under its own name."""
    world = World()
    names: set[str] = set()
    for path in sorted(folder.iterdir()):
        for feed in read(path):
            name = f"{feed.name}-{len(names)}" if feed.name in names else feed.name
            names.add(name)
            for record in feed.records():
                assert isinstance(record, Advisory), record
                world.held.append((name, feed.kind, record))
    return world


# --- hosts --------------------------------------------------------------------------------------


def host_of(description: Mapping[str, Any]) -> HostFacts:
    """`os` is `ID VERSION_ID [CODENAME]`; `offers` maps names to what the repositories have."""
    ident, version, codename = (*str(description["os"]).split(), "", "")[:3]
    plain = facts(
        "other",
        [package_of(line) for line in description["packages"]],
        running=description.get("running", ""),
        repositories=[
            repository_of(repository) for repository in description.get("repositories", ())
        ],
        pending=description.get("offers"),
    )
    system = OsRelease(
        id=ident,
        version_id="" if version == "-" else version,
        codename=codename,
        pretty_name=description.get("pretty", ""),
    )
    return structs.replace(plain, os=system)


def package_of(line: str) -> Package:
    """`NAME VERSION ARCH [SOURCE [SOURCE_VERSION [MODULE]]]`. The default source is the name, the
    default source version the package's own, for an RPM without the epoch, as its header has it. A
    `-` stands for a value that the inventory does not know."""
    name, version, arch, source, source_version, module = (*line.split(), "", "", "")[:6]
    rpm = arch in ("x86_64", "noarch", "aarch64", "i686")
    own = version.partition(":")[2] or version if rpm else version
    return Package(
        name=name,
        version=version,
        arch=arch,
        source="" if source == "-" else source or name,
        source_version="" if "-" in (source, source_version) else source_version or own,
        module=module,
    )


def repository_of(description: str | Mapping[str, str]) -> Repository:
    """A word is the id of a dnf repository, which discovery keeps as the origin."""
    if isinstance(description, str):
        return Repository(uri=f"https://mirror.example/{description}/", origin=description)
    return Repository(
        uri=description["uri"],
        origin=description["origin"],
        label=description.get("label", description["origin"]),
        codename=description["codename"],
    )


# --- feeds --------------------------------------------------------------------------------------


def write(feeds: Mapping[str, Any], folder: Path) -> None:
    """Write the feeds of a rule into a folder, in the vendors' own formats."""
    for number, record in enumerate(feeds.get("osv", ())):
        (folder / f"{number}.json").write_text(json.dumps(osv_of(record)))
    if "tracker" in feeds:
        (folder / "tracker.json").write_text(json.dumps(tracker_of(feeds["tracker"])))
    if "updateinfo" in feeds:
        updates = ElementTree.Element("updates")
        updates.extend(update_of(update) for update in feeds["updateinfo"])
        (folder / "updateinfo.xml").write_bytes(ElementTree.tostring(updates))


def osv_of(description: Mapping[str, Any]) -> dict[str, Any]:
    """`affected` are `ECOSYSTEM | NAME | FIXED [| MORE]...`; FIXED is empty where there is no fix.

    MORE is `binaries NAME…`, `urgency WORD`, `versions VERSION…` or `pro`, for the availability by
    which older records of Ubuntu tell Ubuntu Pro.
    """
    return {
        "schema_version": "1.7.0",
        "id": description["id"],
        "modified": description.get("modified", DAY),
        "published": DAY,
        "upstream": description.get("cves", [description["id"][description["id"].find("CVE-") :]]),
        "summary": description.get("title", ""),
        "affected": [_affected(line) for line in description["affected"]],
    }


def _affected(line: str) -> dict[str, Any]:
    ecosystem, name, fixed, *more = (part.strip() for part in line.split("|"))
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    made: dict[str, Any] = {
        "package": {"ecosystem": ecosystem, "name": name},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    for part in more:
        word, *values = part.split()
        if word == "binaries":
            # Ubuntu's way to write them, and SUSE's.
            suse = [{binary: fixed} for binary in values]
            ubuntu = [{"binary_name": binary, "binary_version": fixed} for binary in values]
            made["ecosystem_specific"] = {"binaries": suse if "SUSE" in ecosystem else ubuntu}
        elif word == "urgency":
            made["ecosystem_specific"] = {"urgency": values[0]}
        elif word == "pro":
            made["ecosystem_specific"] = {"availability": "Available with Ubuntu Pro"}
        else:
            assert word == "versions", line
            made["versions"] = values
    return made


def tracker_of(entries_by_source: Mapping[str, Mapping[str, Mapping[str, str]]]) -> dict[str, Any]:
    """Source > CVE > suite > `open`, `ignored`, `postponed`, `end-of-life`, `undetermined`,
    `never affected` or `fixed VERSION`. Each may end in `, has VERSION [and VERSION]`: the version
    in the suite, and the one in its security archive."""
    return {
        source: {
            cve: {"releases": {suite: _release(suite, word) for suite, word in suites.items()}}
            for cve, suites in entries.items()
        }
        for source, entries in entries_by_source.items()
    }


_STATUS: dict[str, dict[str, str]] = {
    "open": {"status": "open"},
    "ignored": {"status": "open", "nodsa": "Minor issue", "nodsa_reason": "ignored"},
    "postponed": {"status": "open", "nodsa": "Minor issue", "nodsa_reason": "postponed"},
    "end-of-life": {"status": "open", "urgency": "end-of-life"},
    "undetermined": {"status": "undetermined"},
    "never affected": {"status": "resolved", "fixed_version": "0"},
}


def _release(suite: str, words: str) -> dict[str, Any]:
    word, _, has = words.partition(", has ")
    fixed = {"status": "resolved", "fixed_version": word.removeprefix("fixed ")}
    status = fixed if word.startswith("fixed ") else _STATUS[word]
    held = zip((suite, f"{suite}-security"), has.split(" and ") if has else (), strict=False)
    return {"repositories": dict(held), "urgency": "not yet assigned", **status}


def update_of(description: Mapping[str, Any]) -> ElementTree.Element:
    """`packages` are `NAME [EPOCH:]VERSION-RELEASE ARCH [SOURCE]`; `collection` is its short name.

    `module` is `NAME:STREAM`.
    """
    made = ElementTree.Element("update", type="security", status="final", version="1.4")
    for tag in ("id", "title", "release"):
        ElementTree.SubElement(made, tag).text = description.get(tag, "")
    ElementTree.SubElement(made, "issued", date="2025-01-01 00:00:00")
    references = ElementTree.SubElement(made, "references")
    for cve in description["cves"]:
        ElementTree.SubElement(references, "reference", type="cve", id=cve, title=cve)
    collection = ElementTree.SubElement(
        ElementTree.SubElement(made, "pkglist"),
        "collection",
        short=description.get("collection", ""),
    )
    ElementTree.SubElement(collection, "name").text = description.get(
        "name", description["release"]
    )
    if "module" in description:
        module, stream = description["module"].split(":")
        ElementTree.SubElement(collection, "module", name=module, stream=stream)
    collection.extend(_listed(line) for line in description["packages"])
    return made


def _listed(line: str) -> ElementTree.Element:
    name, full, arch, source = (*line.split(), "")[:4]
    epoch, colon, rest = full.rpartition(":")
    version, _, release = rest.partition("-")
    made = ElementTree.Element(
        "package",
        name=name,
        epoch=epoch if colon else "0",
        version=version,
        release=release,
        arch=arch,
        src=f"{source}-{version}-{release}.src.rpm" if source else "",
    )
    ElementTree.SubElement(made, "filename").text = f"{name}-{version}-{release}.{arch}.rpm"
    return made
