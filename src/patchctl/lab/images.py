"""The lab's images: base, tools (archive, signing key), hosts. Cached by their recipe's digest."""

import io
import platform
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from os import environ

from ..errors import AdapterError
from ..models.base import Model
from ..models.canonical import digest_bytes
from . import packages, trees
from .engine import Engine, EngineError, stream

Say = Callable[[str], None]

CACHE = "patchctl.lab.cache"
"""Label of cached images; the value is their recipe's digest."""
BUILD = "patchctl.lab.build"
"""Label of containers and volumes that exist only while an image is made."""

_SUITE = "bookworm"
_INCLUDE = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "openssh-server",
    "perl",
    "procps",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
)
_REGISTRY_IMAGE = "docker.io/library/debian:12"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class Images(Model):
    """Tags of what a lab starts from."""

    tools: str
    debian: str

    def of(self, image: str) -> str:
        """The tag of what `LabHost.image` names."""
        return {"debian": self.debian}[image]


def ensure(engine: Engine, say: Say) -> tuple[Engine, Images]:
    """The images, made where they are missing, and the engine with a runtime that starts them."""
    base = _tag("base", _base_recipe())
    images = tags()
    if not engine.has_image(images.tools) and not engine.has_image(base):
        _make_base(engine, base, say)
    start = base if not engine.has_image(images.tools) else images.tools
    engine = with_runtime(engine, start)
    if not engine.has_image(images.tools):
        _make_tools(engine, base, images.tools, say)
    if not engine.has_image(images.debian):
        _make_debian(engine, base, images, say)
    return engine, images


def tags() -> Images:
    """Tags of the images that this version's recipes make."""
    recipe = _recipe()
    return Images(tools=_tag("tools", recipe), debian=_tag("debian", recipe))


def with_runtime(engine: Engine, image: str) -> Engine:
    """The engine with an OCI runtime that works."""
    from .engine import with_working_runtime

    return with_working_runtime(engine, image)


def cached(engine: Engine) -> list[str]:
    """Ids of the lab's images."""
    return engine.listed("image", CACHE)


def forget(engine: Engine) -> int:
    """Remove the lab's images; how many there were."""
    found = cached(engine)
    if found:
        engine.run("image", "rm", "-f", *found)
    return len(found)


def tools_input() -> bytes:
    """The tar that the tools image is made from: trees, lists of channels, the repository script.

    Lists have one file a line: `channels` is `CHANNEL CODENAME FILE`, `base` and `kept` are `FILE`,
    `initial` is `CHANNEL`.
    """
    architecture = _architecture()

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


def script(name: str) -> bytes:
    """One of the scripts that run inside containers."""
    return (resources.files(__package__) / "scripts" / name).read_bytes()


def _tag(kind: str, recipe: bytes) -> str:
    return f"localhost/patchctl-lab-{kind}:{digest_bytes(recipe)[7:19]}"


def _base_recipe() -> bytes:
    return " ".join([_SUITE, _architecture(), *_INCLUDE]).encode()


def _recipe() -> bytes:
    parts = [_base_recipe(), tools_input(), script("tools-image.sh"), script("host-image.sh")]
    return b"\0".join(parts)


def _architecture() -> str:
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise AdapterError(f"the lab has no image for {machine}", hint="use an amd64 or arm64 host")
    return _ARCHITECTURES[machine]


def _mirrors() -> tuple[str, str]:
    mirror = environ.get("PATCHCTL_LAB_MIRROR", "http://deb.debian.org/debian").rstrip("/")
    security = environ.get("PATCHCTL_LAB_SECURITY_MIRROR", f"{mirror}-security").rstrip("/")
    return mirror, security


def _make_base(engine: Engine, tag: str, say: Say) -> None:
    say("base image: Debian 12 (once, about 30 s)")
    reference = environ.get("PATCHCTL_LAB_BASE", "")
    if not reference and _registry_answers():
        pulled = engine.run("pull", "-q", _REGISTRY_IMAGE, timeout_s=180, check=False)
        reference = _REGISTRY_IMAGE if pulled.rc == 0 else ""
    if reference:
        _base_from_image(engine, reference, tag, say)
    elif shutil.which("mmdebstrap"):
        _base_from_mirror(engine, tag, say)
    else:
        raise EngineError(
            "neither a registry of images nor mmdebstrap is here",
            hint="as root: apt-get install mmdebstrap",
        )


def _registry_answers() -> bool:
    try:
        socket.create_connection(("registry-1.docker.io", 443), timeout=3).close()
    except OSError:
        return False
    return True


def _base_from_mirror(engine: Engine, tag: str, say: Say) -> None:
    """Debian's main archive without its security one, so that real security updates pend."""
    build = [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(_INCLUDE)}",
        f"--architectures={_architecture()}",
        _SUITE,
        "-",
        f"deb {_mirrors()[0]} {_SUITE} main",
    ]
    load = [engine.program, "import", "--change", f"LABEL {CACHE}={tag}", "-", tag]
    begun = time.monotonic()
    bootstrap = subprocess.Popen(
        build, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        stream(load, lambda _: None, stdin=bootstrap.stdout)
    finally:
        if bootstrap.stdout:
            bootstrap.stdout.close()
        log = bootstrap.stderr.read().decode(errors="replace") if bootstrap.stderr else ""
        rc = bootstrap.wait()
    if rc != 0:
        engine.run("image", "rm", "-f", tag, check=False)
        complaints = [line for line in log.splitlines() if line.startswith("E:")]
        raise EngineError(
            f"mmdebstrap: {(complaints or log.splitlines() or [f'exit code {rc}'])[-1]}",
            hint=f"is {_mirrors()[0]} reachable? PATCHCTL_LAB_MIRROR names another mirror",
        )
    say(f"base image: made by mmdebstrap in {time.monotonic() - begun:.0f} s")


def _base_from_image(engine: Engine, reference: str, tag: str, say: Say) -> None:
    """A registry's image holds security updates already: take them back to the main archive's."""
    engine = with_runtime(engine, reference)
    with _builder(engine, reference, []) as container:
        _exec(
            engine,
            container,
            script("base-image.sh"),
            [_mirrors()[0], *_INCLUDE],
            say,
        )
        _commit(engine, container, tag)


def _make_tools(engine: Engine, base: str, tag: str, say: Say) -> None:
    begun = time.monotonic()
    with _builder(engine, base, []) as container:
        engine.run(
            "exec",
            "-i",
            container,
            "sh",
            "-c",
            "cat >/tools-image.sh",
            stdin=script("tools-image.sh"),
        )
        engine.stream(
            ["exec", "-i", container, "sh", "/tools-image.sh", *_mirrors()],
            _only_marked(say),
            stdin=tools_input(),
        )
        _commit(engine, container, tag)
    say(f"archive: made in {time.monotonic() - begun:.0f} s")


def _make_debian(engine: Engine, base: str, images: Images, say: Say) -> None:
    begun = time.monotonic()
    volume = f"patchctl-lab-build-{images.debian.rpartition(':')[2]}"
    engine.run("volume", "create", "--label", f"{BUILD}=1", volume)
    try:
        fill_volume(engine, images.tools, volume, base=True)
        with _builder(engine, base, ["-v", f"{volume}:/srv/patchlab:ro"]) as container:
            _exec(engine, container, script("host-image.sh"), [], say)
            _commit(engine, container, images.debian)
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


@contextmanager
def _builder(engine: Engine, image: str, options: list[str]) -> Iterator[str]:
    container = engine.start(image, ["--label", f"{BUILD}=1", *options], ["sleep", "3600"])
    try:
        yield container
    finally:
        engine.run("rm", "-f", container, check=False)


def _exec(engine: Engine, container: str, text: bytes, arguments: list[str], say: Say) -> None:
    command = ["exec", "-i", container, "sh", "-s", "--", *arguments]
    engine.stream(command, _only_marked(say), stdin=text)


def _commit(engine: Engine, container: str, tag: str) -> None:
    engine.run(
        "commit",
        "--change",
        f"LABEL {CACHE}={tag}",
        "--change",
        'CMD ["/sbin/init"]',
        container,
        tag,
    )


def _only_marked(say: Say) -> Callable[[str], None]:
    """The scripts mark what a person wants to read; apt and dpkg say much more."""

    def on_line(line: str) -> None:
        if line.startswith("lab: "):
            say(f"archive: {line[5:]}")

    return on_line
