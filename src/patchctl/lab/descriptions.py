"""What describes a package of the lab, its versions, and the updates that can be published."""

from enum import StrEnum

from ..models.base import Model, Record


class Archive(StrEnum):
    """Which of the two repositories delivers a version; the value is its codename."""

    MAIN = "bookworm"
    SECURITY = "bookworm-security"


class OldVersion(StrEnum):
    """Where a host finds version 1.0-1 again when an update must be undone."""

    REPOSITORY = "repository"
    CACHE = "cache"
    NOWHERE = "nowhere"


class Signature(StrEnum):
    """What is wrong with the signature of an rpm, if anything."""

    GOOD = "good"
    NONE = "unsigned"
    UNKNOWN = "unknown"
    """By a key that no host trusts."""
    CHANGED = "changed"
    """The file was changed after it was signed."""


class File(Record):
    """A file of a package; `path` is absolute."""

    path: str
    content: str
    mode: int = 0o644


class Rpm(Record):
    """What only the rpm of a version has. `lines` go into the head of its spec.

    `module` is NAME:STREAM:VERSION:CONTEXT where the version belongs to one. `beside`: it is
    installed beside other versions, so that no path may be in two of them. `pre` is sh that runs
    before the files come; where it fails they do not. `postinst` is False where that script speaks
    only of Debian.
    """

    lines: tuple[str, ...] = ()
    module: str = ""
    signature: Signature = Signature.GOOD
    beside: bool = False
    pre: str = ""
    postinst: bool = True


class Version(Record):
    """One version of a package. `scripts` are maintainer scripts by their dpkg name.

    `build` is sh that runs in the package's tree before it is packed, for content that cannot
    stand in a description. `fields` are further control fields.
    """

    version: str
    change: str
    cves: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    conffiles: tuple[str, ...] = ()
    scripts: dict[str, str] = {}
    fields: dict[str, str] = {}
    build: str = ""
    arch: str = "all"
    rpm: Rpm = Rpm()


class Package(Model):
    """A package with all its versions, oldest first. `source` is set where it differs.

    `image` is debian or rpm where only such hosts have it.
    """

    name: str
    summary: str
    old: OldVersion
    versions: tuple[Version, ...]
    source: str = ""
    installed: bool = True
    image: str = ""

    def version(self, wanted: str) -> Version:
        """The description of that version. KeyError where there is none."""
        for version in self.versions:
            if version.version == wanted:
                return version
        raise KeyError(f"{self.name} {wanted}")


class Channel(Model):
    """Updates that appear together. `initial` ones are pending from the start.

    `image` is debian or rpm where only such hosts can have them.
    """

    name: str
    summary: str
    archive: Archive
    contents: tuple[tuple[str, str], ...]
    initial: bool = False
    image: str = ""


def plain(name: str, version: str, change: str, cves: tuple[str, ...] = ()) -> Version:
    """A version that has nothing but a file which says it."""
    return Version(
        version=version,
        change=change,
        cves=cves,
        files=(File(path=f"/usr/share/{name}/version", content=f"{version}\n"),),
    )


def update(
    name: str,
    summary: str,
    *contents: tuple[str, str],
    archive: Archive = Archive.SECURITY,
    initial: bool = False,
    image: str = "",
) -> Channel:
    """A channel of these packages and versions."""
    return Channel(
        name=name,
        summary=summary,
        archive=archive,
        contents=contents,
        initial=initial,
        image=image,
    )
