"""Make the base images: a Debian release from the main archive, without security updates."""

import platform
import shutil
import socket
import subprocess
import threading
import time
from os import geteuid
from typing import IO

from ..errors import AdapterError
from .builder import CACHE, Say, build, mirror_hint
from .engine import Engine, EngineError, with_working_runtime
from .model import RELEASES

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
_REGISTRY_IMAGE = "docker.io/library/debian:{release}"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def recipe(release: str) -> bytes:
    """Return what the base image of a release depends on. Its digest is part of the image's tag."""
    return " ".join([release, architecture(), *_INCLUDE]).encode()


def architecture() -> str:
    """Return Debian's name of this machine's architecture. Raises AdapterError if unknown."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise AdapterError(f"the lab has no image for {machine}", hint="use an amd64 or arm64 host")
    return _ARCHITECTURES[machine]


def make(engine: Engine, release: str, tag: str, say: Say) -> None:
    """Make the base image of a release and tag it. Use a registry's image where the registry
    answers, else run mmdebstrap. Raises EngineError.
    """
    say(f"base image: Debian's {release} (once, about 30 s)")
    # An image that the environment names holds the first release, no other.
    reference = engine.origins.base if release == RELEASES[0] else ""
    if not reference and _registry_answers():
        image = _REGISTRY_IMAGE.format(release=release)
        pulled = engine.run("pull", "-q", image, timeout_s=180, check=False)
        reference = image if pulled.rc == 0 else ""
    if reference:
        _base_from_image(engine, reference, release, tag, say)
    elif shutil.which("mmdebstrap"):
        _base_from_mirror(engine, release, tag, say)
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


def _base_from_mirror(engine: Engine, release: str, tag: str, say: Say) -> None:
    """Install only from Debian's main archive, so that real security updates stay pending."""
    build = [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(_INCLUDE)}",
        f"--architectures={architecture()}",
        release,
        "-",
        f"deb {engine.origins.main} {release} main",
    ]
    begun = time.monotonic()
    bootstrap = subprocess.Popen(
        build, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    log: list[str] = []
    reader = threading.Thread(target=_follow, args=(bootstrap.stderr, log, say), daemon=True)
    reader.start()
    try:
        engine.stream(
            ["import", "--change", f"LABEL {CACHE}={tag}", "-", tag],
            lambda _: None,
            stdin=bootstrap.stdout,
        )
        rc = bootstrap.wait()
    finally:
        if bootstrap.poll() is None:
            bootstrap.terminate()
            bootstrap.wait()
        reader.join()
    if rc != 0:
        engine.run("image", "rm", "-f", tag, check=False)
        complaints = [line for line in log if line.startswith("E:")] or log or [f"exit code {rc}"]
        raise EngineError(
            f"mmdebstrap: {complaints[-1]}",
            hint=mirror_hint(engine, complaints[-1]) or _rights_hint(),
        )
    say(f"base image: made in {time.monotonic() - begun:.0f} s")


def _rights_hint() -> str:
    if geteuid() == 0:
        return ""
    return "run as root; without root the base image must come from a registry of images"


def _follow(log: IO[bytes] | None, lines: list[str], say: Say) -> None:
    for raw in log or ():
        lines.append(raw.decode(errors="replace").strip())
        if lines[-1].endswith("..."):
            say(f"base image: {lines[-1].removeprefix('I: ').removesuffix('...')}")


def _base_from_image(engine: Engine, reference: str, release: str, tag: str, say: Say) -> None:
    """Downgrade a registry's image to the main archive: it contains security updates already."""
    engine = with_working_runtime(engine, reference)
    arguments = [engine.origins.main, release, *_INCLUDE]
    build(engine, reference, tag, ["base-image.sh"], say, arguments=arguments)
