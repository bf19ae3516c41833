"""The lab's images: base, tools (archive, signing key), hosts. Cached by their recipe's digest."""

import io
import tarfile
import time

from ..models.base import Model
from ..models.canonical import digest_bytes
from . import bases, packages, trees
from .builder import BUILD, CACHE, Say, build, mirrors, script
from .engine import LABEL, Engine, with_working_runtime


class Images(Model):
    """Tags of what a lab starts from."""

    tools: str
    debian: str

    def of(self, image: str) -> str:
        """The tag of what `LabHost.image` names."""
        return {"debian": self.debian}[image]


def ensure(engine: Engine, say: Say) -> tuple[Engine, Images]:
    """The images, made where they are missing, and the engine with a runtime that starts them."""
    images = tags()
    if engine.has_image(images.tools) and engine.has_image(images.debian):
        return with_working_runtime(engine, images.debian), images
    base = _tag("base", bases.recipe())
    if not engine.has_image(base):
        bases.make(engine, base, say)
    engine = with_working_runtime(engine, base)
    # Hosts trust the key that is made with the tools: a new one needs new host images.
    _make_tools(engine, base, images.tools, say)
    _make_debian(engine, base, images, say)
    _forget_old(engine, {base, images.tools, images.debian})
    return engine, images


def tags() -> Images:
    """Tags of the images that this version's recipes make."""
    recipe = _recipe()
    return Images(tools=_tag("tools", recipe), debian=_tag("debian", recipe))


def cached(engine: Engine) -> list[str]:
    """Ids of the lab's images."""
    return engine.listed("image", CACHE)


def forget(engine: Engine) -> int:
    """Remove the lab's images; how many there were."""
    found = cached(engine)
    if found:
        engine.run("image", "rm", "-f", *found)
    return len(found)


def _forget_old(engine: Engine, current: set[str]) -> None:
    """Remove images of older recipes that no lab runs on; each is some hundred megabytes."""
    volumes = engine.inspect("volume", engine.listed("volume", LABEL))
    used = {(volume.get("Labels") or {}).get(f"{LABEL}.tools") for volume in volumes}
    for image in engine.inspect("image", cached(engine)):
        tags = set(image.get("RepoTags") or [])
        if not tags & (current | used):
            # Without force: the engine refuses where a container or another image needs it.
            engine.run("image", "rm", str(image["Id"]), check=False)


def tools_input() -> bytes:
    """The tar that the tools image is made from: trees, lists of channels, the repository script.

    Lists have one file a line: `channels` is `CHANNEL CODENAME FILE`, `base` and `kept` are `FILE`,
    `initial` is `CHANNEL`.
    """
    architecture = bases.architecture()

    def file(name: str, version: str) -> str:
        package = packages.package(name)
        return trees.tree_name(package, package.version(version), architecture) + ".deb"

    lists = {
        "channels": [
            f"{channel.name} {channel.archive} {file(name, version)}"
            for channel in packages.CHANNELS
            for name, version in channel.contents
        ],
        "initial": [channel.name for channel in packages.CHANNELS if channel.initial],
        "base": [file(p.name, "1.0-1") for p in packages.PACKAGES if p.installed],
        "kept": [
            file(p.name, "1.0-1")
            for p in packages.PACKAGES
            if p.installed and p.old is packages.OldVersion.REPOSITORY
        ],
    }
    buffer = io.BytesIO(trees.archive(packages.PACKAGES, architecture))
    with tarfile.open(fileobj=buffer, mode="a", format=tarfile.GNU_FORMAT) as tar:
        for name, rows in lists.items():
            trees.add(tar, name, "".join(f"{row}\n" for row in rows).encode())
        trees.add(tar, "repository.sh", script("repository.sh"))
    return buffer.getvalue()


def _tag(kind: str, recipe: bytes) -> str:
    return f"localhost/patchctl-lab-{kind}:{digest_bytes(recipe)[7:19]}"


def _recipe() -> bytes:
    parts = [bases.recipe(), tools_input(), script("tools-image.sh"), script("host-image.sh")]
    return b"\0".join(parts)


def _make_tools(engine: Engine, base: str, tag: str, say: Say) -> None:
    begun = time.monotonic()
    build(engine, base, tag, "tools-image.sh", say, arguments=mirrors(), stdin=tools_input())
    say(f"archive: made in {time.monotonic() - begun:.0f} s")


def _make_debian(engine: Engine, base: str, images: Images, say: Say) -> None:
    begun = time.monotonic()
    volume = f"patchctl-lab-build-{images.debian.rpartition(':')[2]}"
    engine.run("volume", "create", "--label", f"{BUILD}=1", volume)
    try:
        fill_volume(engine, images.tools, volume, base=True)
        mount = ["-v", f"{volume}:/srv/patchlab:ro", "--network=none"]
        build(engine, base, images.debian, "host-image.sh", say, options=mount)
    finally:
        engine.run("volume", "rm", "-f", volume, check=False)
    say(f"host image: made in {time.monotonic() - begun:.0f} s")


def fill_volume(
    engine: Engine, tools: str, volume: str, *, base: bool = False, key: str = ""
) -> None:
    """Put the first state of a lab's repository into an empty volume.

    `key` is the operator's public key; `base` adds every version 1.0-1.
    """
    command = "cp -a /srv/lab/. /mnt/ && cat >/mnt/keys/ops.pub"
    if base:
        command += " && mkdir -p /mnt/base && cp /srv/tools/store/base/*.deb /mnt/base/"
    mount = ["-i", "-v", f"{volume}:/mnt", "--network=none"]
    engine.once(tools, mount, ["sh", "-c", command], stdin=key.encode())
