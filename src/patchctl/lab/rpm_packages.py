"""Describe packages for lab hosts with dnf only, for cases that apt does not have."""

from . import services
from .descriptions import (
    Channel,
    File,
    OldVersion,
    Package,
    Rpm,
    Signature,
    Version,
    plain,
    update,
)

STREAM = "patchlab:1"
"""The module stream that is enabled on rpm hosts."""


NO_WAY_BACK = "patchlab-once"
"""The only package whose first version is in no repository any more."""


def _lines(version: Version, *lines: str) -> Version:
    return _as(version, Rpm(lines=lines))


def _as(version: Version, rpm: Rpm) -> Version:
    values = {name: getattr(version, name) for name in version.__struct_fields__}
    return Version(**{**values, "rpm": rpm})


def _kernel(
    version: str, change: str, cves: tuple[str, ...] = (), *, whole: bool = True
) -> Version:
    """Return a version that is installed beside other versions, with a boot loader entry like a
    real kernel.
    """
    paths = services.kernel_files(version, whole=whole)
    return Version(
        version=version,
        change=change,
        cves=cves,
        files=tuple(File(path=path, content=content) for path, content in paths),
        rpm=Rpm(lines=("Provides: installonlypkg(kernel)",), beside=True),
    )


def _modular(version: str, stream: str, change: str, cves: tuple[str, ...] = ()) -> Version:
    number = version.rpartition("-")[2]
    made = plain("patchlab-mod", version, change, cves)
    return _as(made, Rpm(module=f"patchlab:{stream}:{number}:1ab2c3d4"))


def _package(name: str, summary: str, *versions: Version, installed: bool = True) -> Package:
    return Package(
        name=name,
        summary=summary,
        old=OldVersion.NOWHERE if name == NO_WAY_BACK else OldVersion.REPOSITORY,
        versions=versions,
        installed=installed,
        image="rpm",
    )


_PLAYER, _CODEC, _NEW_CODEC = "patchlab-player", "patchlab-codec", "patchlab-codec2"

PACKAGES: tuple[Package, ...] = (
    _package(
        "patchlab-kernel",
        "what is installed beside its other versions, like a kernel",
        _kernel("1.0-1", "First release."),
        _kernel("1.0-2", "Close a hole.", ("CVE-2099-10012",)),
        _kernel("1.0-3", "Close another (has no initramfs).", ("CVE-2099-10013",), whole=False),
    ),
    _package(
        NO_WAY_BACK,
        "package whose old version is nowhere any more",
        plain(NO_WAY_BACK, "1.0-1", "First release."),
        plain(NO_WAY_BACK, "1.0-2", "Close a hole.", ("CVE-2099-10022",)),
    ),
    _package(
        "patchlab-check",
        "package whose update fails before its files come",
        plain("patchlab-check", "1.0-1", "First release."),
        _as(
            plain("patchlab-check", "1.0-2", "Ask first.", ("CVE-2099-10021",)),
            Rpm(pre=services.FAILING_PRE),
        ),
    ),
    _package(
        "patchlab-mod",
        "package of a module stream",
        _modular("1.0-1", "1", "First release."),
        _modular("1.0-2", "1", "Check a length.", ("CVE-2099-10014",)),
        _modular("2.0-3", "2", "Another stream (no patch may switch to it).", ("CVE-2099-10014",)),
    ),
    _package(
        "patchlab-editor",
        "package that an update renames",
        plain("patchlab-editor", "1.0-1", "First release."),
    ),
    _package(
        "patchlab-writer",
        "what patchlab-editor is called now",
        _lines(
            plain("patchlab-writer", "1.0-1", "New name.", ("CVE-2099-10015",)),
            "Obsoletes: patchlab-editor < 2",
            "Provides: patchlab-editor = 2",
        ),
        installed=False,
    ),
    _package(
        "patchlab-strict",
        "package whose update cannot live beside patchlab-loose",
        plain("patchlab-strict", "1.0-1", "First release."),
        _lines(
            plain("patchlab-strict", "1.0-2", "Stand alone.", ("CVE-2099-10016",)),
            "Conflicts: patchlab-loose",
        ),
    ),
    _package(
        "patchlab-loose",
        "package that an update of patchlab-strict wants away",
        plain("patchlab-loose", "1.0-1", "First release."),
    ),
    # The update of the player replaces the old codec by a new one. Its undo removes the new codec,
    # but the viewer, which was installed before both and never changed, needs one of them.
    _package(
        _PLAYER,
        "package whose update brings another codec",
        _lines(plain(_PLAYER, "1.0-1", "First release."), f"Requires: {_CODEC}"),
        _lines(
            plain(_PLAYER, "1.0-2", "Use the new codec.", ("CVE-2099-10017",)),
            f"Requires: {_NEW_CODEC}",
        ),
    ),
    _package(
        "patchlab-viewer",
        "old package that needs whichever codec is there",
        _lines(plain("patchlab-viewer", "1.0-1", "First release."), "Requires: patchlab(codec)"),
    ),
    _package(
        _CODEC,
        "codec that the new one replaces",
        _lines(plain(_CODEC, "1.0-1", "First release."), "Provides: patchlab(codec) = 1"),
    ),
    _package(
        _NEW_CODEC,
        "dependency that only an update brings, and that an older package needs too",
        _lines(
            plain(_NEW_CODEC, "1.0-1", "First release."),
            "Provides: patchlab(codec) = 2",
            f"Obsoletes: {_CODEC} < 2",
        ),
        installed=False,
    ),
    _package(
        "patchlab-sign",
        "package whose updates are not signed as they should be",
        plain("patchlab-sign", "1.0-1", "First release."),
        _as(
            plain("patchlab-sign", "1.0-2", "Not signed.", ("CVE-2099-10018",)),
            Rpm(signature=Signature.NONE),
        ),
        _as(
            plain("patchlab-sign", "1.0-3", "Signed by a stranger.", ("CVE-2099-10019",)),
            Rpm(signature=Signature.UNKNOWN),
        ),
        _as(
            plain("patchlab-sign", "1.0-4", "Changed afterwards.", ("CVE-2099-10020",)),
            Rpm(signature=Signature.CHANGED),
        ),
    ),
)


def _update(name: str, summary: str, *contents: tuple[str, str]) -> Channel:
    return update(name, summary, *contents, image="rpm")


CHANNELS: tuple[Channel, ...] = (
    _update("kernel", "it is installed beside the old version", ("patchlab-kernel", "1.0-2")),
    _update("bad-kernel", "a kernel without an initramfs", ("patchlab-kernel", "1.0-3")),
    _update("no-way-back", "its old version is nowhere any more", (NO_WAY_BACK, "1.0-2")),
    _update("bad-pre", "its pre-install script fails", ("patchlab-check", "1.0-2")),
    _update("module", "a package of the enabled module stream", ("patchlab-mod", "1.0-2")),
    _update("other-stream", "the same of a stream that is not", ("patchlab-mod", "2.0-3")),
    _update("obsoletes", "a new name for an old package", ("patchlab-writer", "1.0-1")),
    _update("conflicts", "it cannot live beside another package", ("patchlab-strict", "1.0-2")),
    _update(
        "shared-dep",
        "its new dependency replaces one that an old package needs",
        (_PLAYER, "1.0-2"),
        (_NEW_CODEC, "1.0-1"),
    ),
    _update("unsigned", "it has no signature", ("patchlab-sign", "1.0-2")),
    _update("unknown-key", "it is signed by an unknown key", ("patchlab-sign", "1.0-3")),
    _update("tampered", "it was changed after signing", ("patchlab-sign", "1.0-4")),
)
