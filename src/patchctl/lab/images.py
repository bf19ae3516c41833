"""The lab's images: base, tools (archive, signing key), hosts. Cached by their recipe's digest."""

import time

from ..models.base import Model
from ..models.canonical import digest_bytes
from . import bases, inputs
from .builder import BUILD, CACHE, Say, build, mirrors, script
from .engine import HELPER, LABEL, Engine, with_working_runtime

_SCRIPTS = ("tools-image.sh", "host-common.sh", "host-debian.sh")
_RPM_SCRIPTS = ("rpm-tools-image.sh", "host-rpm.sh")


class Images(Model):
    """Tags of what a lab starts from: `rpm_tools` is `tools` with the rpm repository beside."""

    base: str
    tools: str
    debian: str
    rpm_tools: str
    rpm: str

    def of(self, image: str) -> str:
        """The tag of what `LabHost.image` names."""
        return {"debian": self.debian, "rpm": self.rpm}[image]

    def tools_for(self, image: str) -> str:
        """The tools of a lab whose hosts are debian, rpm or mixed."""
        return self.tools if image == "debian" else self.rpm_tools


def ensure(engine: Engine, image: str, say: Say) -> tuple[Engine, Images]:
    """The images, made where they are missing, and the engine with a runtime that starts them.

    `image` is debian, rpm or mixed: the rpm side is made only where it is wanted.
    """
    images = tags()
    wanted = [images.tools, images.debian]
    if image != "debian":
        wanted += [images.rpm_tools, images.rpm]
    if all(engine.has_image(tag) for tag in wanted):
        return with_working_runtime(engine, images.debian), images
    _sweep(engine)
    if not engine.has_image(images.base):
        bases.make(engine, images.base, say)
    engine = with_working_runtime(engine, images.base)
    # Hosts trust the key that is made with the tools: a new one needs new host images.
    made = not (engine.has_image(images.tools) and engine.has_image(images.debian))
    if made:
        _make_debian(engine, images, say)
    if image != "debian" and (made or not all(engine.has_image(tag) for tag in wanted)):
        _make_rpm(engine, images, say)
    forget(engine, keep=images)
    return engine, images


def tags() -> Images:
    """Tags of the images that this version's recipes make."""
    base = bases.recipe()
    debian = b"\0".join([base, inputs.debian(), *[script(name) for name in _SCRIPTS]])
    rpm = b"\0".join([debian, inputs.rpm(), *[script(name) for name in _RPM_SCRIPTS]])
    return Images(
        base=_tag("base", base),
        tools=_tag("tools", debian),
        debian=_tag("debian", debian),
        rpm_tools=_tag("rpm-tools", rpm),
        rpm=_tag("rpm", rpm),
    )


def forget(engine: Engine, keep: Images | None = None) -> int:
    """Remove the lab's images but those to keep and those that a lab needs; how many went."""
    volumes = engine.inspect("volume", engine.listed("volume", LABEL))
    kept = {(volume.get("Labels") or {}).get(f"{LABEL}.tools") for volume in volumes}
    if keep is not None:
        kept |= {keep.base, keep.tools, keep.debian, keep.rpm_tools, keep.rpm}
    gone = 0
    # Without force the engine refuses where a container or another image needs one; an image that
    # others were made from goes in the next round.
    while True:
        before = gone
        for image in engine.inspect("image", engine.listed("image", CACHE)):
            if not set(image.get("RepoTags") or []) & kept:
                gone += engine.run("image", "rm", str(image["Id"]), check=False).rc == 0
        if gone == before:
            return gone


def fill_volume(
    engine: Engine,
    tools: str,
    volume: str,
    *,
    lab: str = "",
    key: str = "",
    further: str = "true",
) -> str:
    """Put the first state of a lab's repository into an empty volume.

    `key` is the operator's public key; `further` is sh that runs in the volume, whose output comes
    back.
    """
    command = f"cp -a /srv/lab/. /mnt/ && cat >/mnt/keys/ops.pub && cd /mnt && {further}"
    label = f"{HELPER}={lab}" if lab else BUILD
    mount = ["-i", "--label", label, "-v", f"{volume}:/mnt", "--network=none"]
    return engine.once(tools, mount, ["sh", "-c", command], stdin=key.encode()).out


def _sweep(engine: Engine) -> None:
    """Remove what a build that was killed left; the caller holds the lock of all builds."""
    for kind, force in (("container", engine.at_once()), ("volume", [])):
        names = engine.listed(kind, BUILD)
        if names:
            engine.run(kind, "rm", "-f", *force, *names, check=False)


def _tag(kind: str, recipe: bytes) -> str:
    return f"localhost/patchctl-lab-{kind}:{digest_bytes(recipe)[7:19]}"


def _make_debian(engine: Engine, images: Images, say: Say) -> None:
    begun = time.monotonic()
    build(
        engine,
        images.base,
        images.tools,
        ["tools-image.sh"],
        say,
        arguments=mirrors(engine),
        stdin=inputs.debian(),
    )
    say(f"archive: made in {time.monotonic() - begun:.0f} s")
    begun = time.monotonic()
    names = ["host-common.sh", "host-debian.sh"]
    further = "cp -r /srv/tools/store/base /mnt/base"
    _make_host(engine, images, images.tools, images.debian, names, further, say)
    say(f"host image: made in {time.monotonic() - begun:.0f} s")


def _make_rpm(engine: Engine, images: Images, say: Say) -> None:
    begun = time.monotonic()
    build(
        engine,
        images.tools,
        images.rpm_tools,
        ["rpm-tools-image.sh"],
        say,
        arguments=mirrors(engine),
        stdin=inputs.rpm(),
    )
    say(f"rpm archive: made in {time.monotonic() - begun:.0f} s")
    begun = time.monotonic()
    names = ["host-common.sh", "host-rpm.sh"]
    further = (
        "cp -r /srv/tools/rpm/base rpm-base && createrepo_c -q rpm-base && "
        "modifyrepo_c --mdtype=modules rpm-base/modules.yaml rpm-base/repodata >/dev/null"
    )
    _make_host(engine, images, images.rpm_tools, images.rpm, names, further, say)
    say(f"rpm host image: made in {time.monotonic() - begun:.0f} s")


def _make_host(
    engine: Engine,
    images: Images,
    tools: str,
    tag: str,
    names: list[str],
    further: str,
    say: Say,
) -> None:
    volume = f"patchctl-lab-build-{tag.rpartition(':')[2]}"
    engine.run("volume", "create", "--label", BUILD, volume)
    try:
        fill_volume(engine, tools, volume, further=further)
        mount = ["-v", f"{volume}:/srv/patchlab:ro"]
        build(engine, images.base, tag, names, say, arguments=mirrors(engine), options=mount)
    finally:
        engine.run("volume", "rm", "-f", volume, check=False)
