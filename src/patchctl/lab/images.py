"""Make the lab's images: base, tools (archive, signing key) and hosts. A tag has the digest of its
recipe, so an image is made anew only when the recipe changes.
"""

import time

from msgspec import to_builtins

from ..models.base import Model
from ..models.canonical import digest_bytes
from . import bases, inputs
from .builder import BUILD, CACHE, Say, build, mirrors, script
from .engine import HELPER, LABEL, Engine, with_working_runtime
from .model import RELEASES

_SCRIPTS = ("tools-image.sh", "host-common.sh", "host-debian.sh")
_RPM_SCRIPTS = ("rpm-tools-image.sh", "host-rpm.sh")


class Images(Model):
    """Tags of the images of a lab. `rpm_tools` is `tools` and the rpm repository; `rpm_base` is the
    release of Debian that rpm hosts are made of.
    """

    base: str
    tools: str
    debian: str
    rpm_tools: str
    rpm_base: str
    rpm: str

    def of(self, image: str) -> str:
        """Return the tag of a host's image. `image` is as in `LabHost.image`."""
        return {"debian": self.debian, "rpm": self.rpm}[image]

    def tools_for(self, image: str) -> str:
        """Return the tag of the tools image for a lab whose hosts are debian, rpm or mixed."""
        return self.tools if image == "debian" else self.rpm_tools


def ensure(engine: Engine, image: str, release: str, say: Say) -> tuple[Engine, Images]:
    """Make the images that are missing. Returns the engine, with a runtime that can start them, and
    the tags.

    `image` is debian, rpm or mixed. The rpm images are made only for the last two; their hosts are
    made of `release` of Debian.
    """
    images = tags(release)
    wanted = [images.tools, images.debian]
    if image != "debian":
        wanted += [images.rpm_tools, images.rpm]
    if all(engine.has_image(tag) for tag in wanted):
        return with_working_runtime(engine, images.debian), images
    _sweep(engine)
    _have_base(engine, RELEASES[0], images.base, say)
    engine = with_working_runtime(engine, images.base)
    # The tools image has the signing key that hosts trust: a new key needs new host images.
    made = not (engine.has_image(images.tools) and engine.has_image(images.debian))
    if made:
        _make_debian(engine, images, say)
    if image != "debian":
        _ensure_rpm(engine, release, anew=made, say=say)
    forget(engine, keep=True)
    return engine, images


def _have_base(engine: Engine, release: str, tag: str, say: Say) -> None:
    if not engine.has_image(tag):
        bases.make(engine, release, tag, say)


def _ensure_rpm(engine: Engine, release: str, *, anew: bool, say: Say) -> None:
    """Make the rpm images for hosts of a release. `anew`: also replace those of every release that
    exist.
    """
    images = tags(release)
    anew = anew or not engine.has_image(images.rpm_tools)
    if anew:
        _make_rpm_tools(engine, images, say)
    for made_of in RELEASES:
        of_release = tags(made_of)
        there = engine.has_image(of_release.rpm)
        if (there and anew) or (not there and made_of == release):
            _have_base(engine, made_of, of_release.rpm_base, say)
            _make_rpm_host(engine, made_of, of_release, say)


def tags(release: str) -> Images:
    """Return the tags that this version's recipes give. `release` is the Debian of rpm hosts."""
    base = bases.recipe(RELEASES[0])
    rpm_base = bases.recipe(release)
    debian = b"\0".join([base, inputs.debian(), *[script(name) for name in _SCRIPTS]])
    rpm = b"\0".join([debian, inputs.rpm(), *[script(name) for name in _RPM_SCRIPTS]])
    return Images(
        base=_tag("base", base),
        tools=_tag("tools", debian),
        debian=_tag("debian", debian),
        rpm_tools=_tag("rpm-tools", rpm),
        rpm_base=_tag("base", rpm_base),
        rpm=_tag("rpm", b"\0".join([rpm, rpm_base])),
    )


def forget(engine: Engine, *, keep: bool = False) -> int:
    """Remove the lab's images and return how many. Images that a lab uses stay; `keep`: those of
    this version stay too.
    """
    volumes = engine.inspect("volume", engine.listed("volume", LABEL))
    needed = {(volume.get("Labels") or {}).get(f"{LABEL}.tools") for volume in volumes}
    if keep:
        needed |= {tag for release in RELEASES for tag in to_builtins(tags(release)).values()}
    gone = 0
    # Without force the engine refuses to remove an image that a container or another image uses.
    # The next round removes an image after those that were made from it.
    while True:
        before = gone
        for image in engine.inspect("image", engine.listed("image", CACHE)):
            if not set(image.get("RepoTags") or []) & needed:
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

    `key` is the operator's public key. `further` is a shell script that runs in the volume; its
    stdout is returned.
    """
    command = f"cp -a /srv/lab/. /mnt/ && cat >/mnt/keys/ops.pub && cd /mnt && {further}"
    label = f"{HELPER}={lab}" if lab else BUILD
    mount = ["-i", "--label", label, "-v", f"{volume}:/mnt", "--network=none"]
    return engine.once(tools, mount, ["sh", "-c", command], stdin=key.encode()).out


def _sweep(engine: Engine) -> None:
    """Remove what is left of a killed build. The caller holds the lock of all builds."""
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
    _make_host(engine, RELEASES[0], images.base, images.tools, images.debian, names, further, say)
    say(f"host image: made in {time.monotonic() - begun:.0f} s")


def _make_rpm_tools(engine: Engine, images: Images, say: Say) -> None:
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


def _make_rpm_host(engine: Engine, release: str, images: Images, say: Say) -> None:
    begun = time.monotonic()
    names = ["host-common.sh", "host-rpm.sh"]
    further = (
        "cp -r /srv/tools/rpm/base rpm-base && createrepo_c -q rpm-base && "
        "modifyrepo_c --mdtype=modules rpm-base/modules.yaml rpm-base/repodata >/dev/null"
    )
    _make_host(engine, release, images.rpm_base, images.rpm_tools, images.rpm, names, further, say)
    say(f"rpm host image of {release}: made in {time.monotonic() - begun:.0f} s")


def _make_host(
    engine: Engine,
    release: str,
    base: str,
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
        arguments = [engine.origins.main, release]
        build(engine, base, tag, names, say, arguments=arguments, options=mount)
    finally:
        engine.run("volume", "rm", "-f", volume, check=False)
