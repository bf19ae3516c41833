"""Make an image: run a script in a container, then commit the container."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources

from .engine import Engine, EngineError

Say = Callable[[str], None]
"""Takes a line of progress for the person at the terminal."""

CACHE = "patchctl.lab.cache"
"""Label of cached images; the value is their tag."""
_BUILDER = "patchctl.lab.builder"
BUILD = f"{_BUILDER}=yes"
"""Label of containers and volumes that exist only while an image is made."""

_MARK = "lab: "
_FETCH_WORDS = ("fetch", "resolve", "connect", "Release file", "locate package", "not available")


def script(name: str) -> bytes:
    """Return the content of one of the scripts that run inside containers."""
    return (resources.files(__package__) / "scripts" / name).read_bytes()


def mirrors(engine: Engine) -> tuple[str, str]:
    """Return the addresses of Debian's main and security archive, as the scripts take them."""
    return engine.origins.main, engine.origins.security


def mirror_hint(engine: Engine, complaint: str) -> str:
    """Return a hint for a build that could not download, "" where it failed otherwise."""
    if not any(word in complaint for word in _FETCH_WORDS):
        return ""
    return f"is {engine.origins.main} reachable? PATCHCTL_LAB_MIRROR names another mirror"


def build(
    engine: Engine,
    image: str,
    tag: str,
    names: Sequence[str],
    say: Say,
    *,
    arguments: Sequence[str] = (),
    options: Sequence[str] = (),
    stdin: bytes = b"",
) -> None:
    """Run scripts, joined to one, in a container of `image` and commit the result as `tag`.

    `arguments` go to the script, `options` to the engine, `stdin` to the container. Raises
    EngineError.
    """
    with _container(engine, image, options) as container:
        path = f"/run/{names[-1]}"
        text = b"\n".join(script(name) for name in names)
        engine.run("exec", "-i", container, "sh", "-c", f"cat >{path}", stdin=text)
        command = ["exec", "-i", container, "sh", path, *arguments]
        try:
            engine.stream(command, _marked(say), stdin=stdin)
        except EngineError as error:
            complaint = f"{names[-1]}: {error.message}"
            raise EngineError(complaint, hint=mirror_hint(engine, complaint)) from error
        engine.run("exec", container, "rm", path)
        changes = [
            f"LABEL {CACHE}={tag}",
            # An image inherits the labels of its container, and a host those of its image.
            f"LABEL {_BUILDER}=no",
            'CMD ["/sbin/init"]',
        ]
        engine.run("commit", *[f"--change={change}" for change in changes], container, tag)


@contextmanager
def _container(engine: Engine, image: str, options: Sequence[str]) -> Iterator[str]:
    own = ["--label", BUILD]
    container = engine.start(image, [*own, *options], ["sleep", "3600"])
    try:
        yield container
    finally:
        engine.run("rm", "-f", container, check=False)


def _marked(say: Say) -> Callable[[str], None]:
    """Pass on only lines that the scripts marked for a person; apt and dpkg print much more."""

    def on_line(line: str) -> None:
        if line.startswith(_MARK):
            say(line.removeprefix(_MARK))

    return on_line
