"""Models that describe a package of the lab, its versions, and the updates to publish."""

from enum import StrEnum

from ..models.base import Model, Record


class Archive(StrEnum):
    """The repository that delivers a version: main or security. The value is its codename."""

    MAIN = "bookworm"
    SECURITY = "bookworm-security"


class OldVersion(StrEnum):
    """Where a host gets version 1.0-1 from when an update must be undone."""

    REPOSITORY = "repository"
    CACHE = "cache"
    NOWHERE = "nowhere"


class Signature(StrEnum):
    """What is wrong with the signature of an rpm, if anything."""

    GOOD = "good"
    NONE = "unsigned"
    UNKNOWN = "unknown"
    """Signed with a key that no host trusts."""
    CHANGED = "changed"
    """Changed after it was signed."""


class File(Record):
    """A file of a package; `path` is absolute."""

    path: str
    content: str
    mode: int = 0o644


class Rpm(Record):
    """What only the rpm of a version has. `lines` go into the head of its spec file.

    `module` is NAME:STREAM:VERSION:CONTEXT where the version belongs to a module stream. `beside`:
    the version is installed beside other versions, so two versions must not share a path. `pre` is
    a shell script that runs before the files are installed; if it fails, they are not installed.
    `postinst` is False where the postinst script is for Debian only.
    """

    lines: tuple[str, ...] = ()
    module: str = ""
    signature: Signature = Signature.GOOD
    beside: bool = False
    pre: str = ""
    postinst: bool = True


class Version(Record):
    """One version of a package. `scripts` has maintainer scripts by their dpkg name.

    `build` is a shell script that runs in the package's tree before it is packed, for content that
    a description cannot hold. `fields` are further control fields.
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
    """A package with all its versions, oldest first. `source` is the source package where its name
    differs.

    `image` is debian or rpm where only such hosts have the package, else empty.
    """

    name: str
    summary: str
    old: OldVersion
    versions: tuple[Version, ...]
    source: str = ""
    installed: bool = True
    image: str = ""

    def version(self, wanted: str) -> Version:
        """Return the description of that version. Raises KeyError where there is none."""
        for version in self.versions:
            if version.version == wanted:
                return version
        raise KeyError(f"{self.name} {wanted}")


class Channel(Model):
    """Updates that are published together. `initial` ones are pending from the start.

    `image` is debian or rpm where only such hosts can have the updates, else empty.
    """

    name: str
    summary: str
    archive: Archive
    contents: tuple[tuple[str, str], ...]
    initial: bool = False
    image: str = ""


def plain(name: str, version: str, change: str, cves: tuple[str, ...] = ()) -> Version:
    """Return a version with a single file, which contains the version."""
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
    """Return a channel with these packages and versions. `contents` are (package, version)."""
    return Channel(
        name=name,
        summary=summary,
        archive=archive,
        contents=contents,
        initial=initial,
        image=image,
    )
