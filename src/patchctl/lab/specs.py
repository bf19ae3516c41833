"""Return the modulemd document of a version that belongs to a module stream.

https://github.com/fedora-modularity/libmodulemd, version 2 of the format.
"""

import re
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

import yaml

from . import trees
from .descriptions import Channel, Package, Version
from .packages import package_named

_DATE = "2025-01-02 00:00:00"
_RELATIONS = {"Depends": "Requires", "Conflicts": "Conflicts", "Replaces": "Obsoletes"}
_RELATION = re.compile(r"(\S+)(?: \(([<>=]+) ([^)]+)\))?\Z")


def spec(package: Package, version: Version) -> str:
    """Return a spec file. Its macro `tree` is a folder that `trees.archive` describes."""
    upstream, _, release = version.version.rpartition("-")
    head = [
        "%global debug_package %{nil}",
        # rpmbuild must not strip or compress: the files stay as described.
        "%global __os_install_post %{nil}",
        f"Name: {package.name}",
        f"Version: {upstream}",
        f"Release: {release}",
        f"Summary: {package.summary}",
        "License: Apache-2.0",
        "AutoReqProv: no",
    ]
    if version.arch == "all":
        head.append("BuildArch: noarch")
    if version.rpm.module:
        head.append(f"ModularityLabel: {version.rpm.module}")
    head += [*_relations(version), *version.rpm.lines]
    # The changelog of another version may be installed beside this one.
    further = " usr/share/doc" if version.rpm.beside else ""
    body = [
        f"%description\n{package.summary}.",
        "%install\n"
        "mkdir -p %{buildroot} && cp -a %{tree}/. %{buildroot}/ && cd %{buildroot}\n"
        f"rm -rf DEBIAN{further} && if [ -e BUILD ]; then sh BUILD && rm BUILD; fi\n"
        f"find . \\( -type f -o -type l \\) | cut -c 2- | {_mark(version)} >%{{_builddir}}/list",
        *_scriptlets(version),
        "%files -f %{_builddir}/list",
        f"%changelog\n{_changelog(package, version)}",
    ]
    return "\n".join(head) + "\n\n" + "\n\n".join(body) + "\n"


def advisory(channel: Channel, architecture: str) -> str:
    """Return updateinfo.xml of a channel: a security advisory if it names CVEs, else a bug fix."""
    members = [
        (package_named(name), package_named(name).version(version))
        for name, version in channel.contents
    ]
    cves = [cve for _, version in members for cve in version.cves]
    number = cves[0].rpartition("-")[2] if cves else "1"
    kind, prefix = ("security", "PLSA") if cves else ("bugfix", "PLBA")
    references = "".join(
        f'<reference href="https://example.invalid/{cve}" id="{cve}" type="cve" title="{cve}"/>'
        for cve in cves
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<updates><update from="lab@patchctl.invalid" status="final" type="{kind}" version="1">'
        f"<id>{prefix}-2099:{number}</id><title>{escape(members[0][1].change)}</title>"
        f'<severity>{"Important" if cves else "None"}</severity><issued date="{_DATE}"/>'
        f"<references>{references}</references>"
        + f'<pkglist><collection short="patchlab"><name>patchlab</name>{_module(members)}'
        + "".join(_listed(package, version, architecture) for package, version in members)
        + "</collection></pkglist></update></updates>\n"
    )


def module(package: Package, version: Version, architecture: str) -> str:
    """The modulemd document of a version that belongs to a module stream.

    https://github.com/fedora-modularity/libmodulemd, version 2 of the format.
    """
    name, stream, number, context = version.rpm.module.split(":")
    about = {
        "name": name,
        "stream": stream,
        "version": int(number),
        "context": context,
        "arch": architecture_name(architecture),
        "summary": f"Stream {stream} of the lab's module",
        "description": package.summary,
        "license": {"module": ["Apache-2.0"], "content": ["Apache-2.0"]},
        "profiles": {"common": {"rpms": [package.name]}},
        "artifacts": {
            "rpms": [f"{package.name}-0:{version.version}.{_arch(version, architecture)}"]
        },
    }
    document = {"document": "modulemd", "version": 2, "data": about}
    return yaml.safe_dump(document, explicit_start=True, explicit_end=True, sort_keys=False)


def file_name(package: Package, version: Version, architecture: str) -> str:
    """Return the rpm's file name, `NAME-VERSION-RELEASE.ARCH.rpm`."""
    return f"{package.name}-{version.version}.{_arch(version, architecture)}.rpm"


def architecture_name(architecture: str) -> str:
    """Return rpm's name of an architecture; `architecture` is Debian's name."""
    return {"amd64": "x86_64", "arm64": "aarch64"}[architecture]


def _listed(package: Package, version: Version, architecture: str) -> str:
    upstream, _, release = version.version.rpartition("-")
    attributes = {
        "name": package.name,
        "version": upstream,
        "release": release,
        "epoch": "0",
        "arch": _arch(version, architecture),
        "src": f"{package.name}-{version.version}.src.rpm",
    }
    name = file_name(package, version, architecture)
    return f"<package {_attributes(attributes)}><filename>{name}</filename></package>"


def _module(members: Sequence[tuple[Package, Version]]) -> str:
    """Return the advisory's element for the module stream of its first package."""
    if not members[0][1].rpm.module:
        return ""
    name, stream, number, context = members[0][1].rpm.module.split(":")
    attributes = {"name": name, "stream": stream, "version": number, "context": context}
    return f"<module {_attributes(attributes)}/>"


def _attributes(values: Mapping[str, str]) -> str:
    return " ".join(f"{name}={quoteattr(value)}" for name, value in values.items())


def _relations(version: Version) -> list[str]:
    lines = []
    for debian, rpm in _RELATIONS.items():
        match = _RELATION.match(version.fields.get(debian, ""))
        if match:
            name, comparison, wanted = match.groups()
            lines.append(f"{rpm}: {name}" + (f" {comparison} {wanted}" if wanted else ""))
    return lines


def _mark(version: Version) -> str:
    marks = "; ".join(f"s,^{path}$,%config(noreplace) {path}," for path in version.conffiles)
    # In a spec % starts a macro; %% is a plain %.
    return f"sed '{marks.replace('%', '%%')}'" if marks else "cat"


def _scriptlets(version: Version) -> list[str]:
    sections = []
    if version.rpm.pre:
        sections.append(f"%pre\n{_shell(version.rpm.pre)}")
    if "postinst" in version.scripts and version.rpm.postinst:
        sections.append(f"%post\nset -- configure\n{_shell(version.scripts['postinst'])}")
    if "prerm" in version.scripts:
        body = _shell(version.scripts["prerm"])
        sections.append(f'%preun\nif [ "$1" = 0 ]; then set -- remove; fi\n{body}')
    return sections


def _shell(script: str) -> str:
    return script.removeprefix("#!/bin/sh\n").rstrip().replace("%", "%%")


def _changelog(package: Package, version: Version) -> str:
    until = package.versions.index(version) + 1
    entries = []
    for day, entry in enumerate(package.versions[:until], start=1):
        # 1 to 4 January 2025 were Wednesday to Saturday.
        weekday = ("Wed", "Thu", "Fri", "Sat")[day - 1]
        lines = [f"- {entry.change}", *[f"- Fix {cve}." for cve in entry.cves]]
        entries.append(
            f"* {weekday} Jan {day:02d} 2025 {trees.MAINTAINER} - {entry.version}\n"
            + "\n".join(lines)
        )
    return "\n\n".join(reversed(entries))


def _arch(version: Version, architecture: str) -> str:
    return "noarch" if version.arch == "all" else architecture_name(architecture)


BASE = """\
Name: patchlab-base
Version: 1.0
Release: 1
Summary: what the system below provides
License: Apache-2.0
BuildArch: noarch
AutoReqProv: no
Provides: /bin/sh

%description
Scripts of packages need an interpreter that a package provides.

%files
"""
"""The rpm that provides what the base system has: none of its own packages is an rpm."""
