"""Read the files of a revision by `git archive` into a private folder.

Nothing that a checkout configures runs: patchctl makes an empty repository that borrows the
checkout's objects, so that there are no hooks, no filters and no attributes that leave files out or
change them.
"""

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ..errors import AdapterError, NotFoundError
from .git import ask, own_environment

_TIMEOUT_S = 120
_MAX_BYTES = 512 << 20
_PLAIN = "* !filter !ident !text !eol !working-tree-encoding !export-ignore !export-subst\n"


def commit_of(
    folder: Path, revision: str, environment: Mapping[str, str], *, trusted: bool = False
) -> str:
    """The commit that a name means in the checkout around the folder. `trusted`: as in `git.ask`.

    Raises NotFoundError, AdapterError where git is missing.
    """
    if shutil.which("git", path=environment.get("PATH")) is None:
        raise AdapterError("git is not installed", hint="install it: revisions are read with it")
    name = f"{revision}^{{commit}}"
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options", name)
    commit = ask(folder, environment, *words, trusted=trusted).strip()
    # Older versions of git repeat the option.
    commit = commit.removeprefix("--end-of-options").strip()
    if len(commit) not in (40, 64) or not all(digit in "0123456789abcdef" for digit in commit):
        raise NotFoundError(
            f"no revision {revision!r} in the git checkout around {folder}",
            hint="`git log` shows them; a shallow clone may need `git fetch` first",
        )
    return commit


def extract(
    folder: Path, commit: str, into: Path, environment: Mapping[str, str]
) -> tuple[str, ...]:
    """Write the files that the folder had in that commit into the private folder `into`.

    Returns the links that lead out of it, which are left out. Raises NotFoundError where the commit
    has no such folder, AdapterError where its files cannot be read.
    """
    prefix = ask(folder, environment, "rev-parse", "--show-prefix").strip().rstrip("/")
    own, archive = into.parent / f"{into.name}.git", into.parent / f"{into.name}.tar"
    git, borrowed = _borrow(folder, own, environment)
    tree = f"{commit}:{prefix}" if prefix else commit
    try:
        _run([*git, "cat-file", "-e", tree], borrowed)
    except AdapterError as error:
        raise NotFoundError(
            f"{commit[:12]} has no folder {prefix}", hint="the workspace is newer than that"
        ) from error
    _run([*git, "archive", "--format=tar", f"--output={archive}", tree], borrowed)
    return _unpack(archive, into)


def content(
    folder: Path, commit: str, path: str, size: int, environment: Mapping[str, str]
) -> bytes | None:
    """The commit's content at a path from the top of the trusted checkout around the folder, if it
    has `size` bytes; None where there is none, or one of another size.

    Raises AdapterError where git is missing or does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="patchctl-git-") as scratch:
        git, borrowed = _borrow(folder, Path(scratch) / "own.git", environment, trusted=True)
        blob = f"{commit}:{path}"
        try:
            kind = _run([*git, "cat-file", "-t", blob], borrowed).strip()
            length = int(_run([*git, "cat-file", "-s", blob], borrowed))
        except AdapterError:
            return None
        if kind != b"blob" or length != size:
            return None
        return _run([*git, "cat-file", "blob", blob], borrowed)


def _borrow(
    folder: Path, own: Path, environment: Mapping[str, str], *, trusted: bool = False
) -> tuple[list[str], dict[str, str]]:
    """Make an empty repository that has nothing of the checkout but its objects.

    Returns the start of git's command line, and its environment.
    """

    def rev_parse(*words: str) -> str:
        return ask(folder, environment, "rev-parse", *words, trusted=trusted).strip()

    objects = folder / rev_parse("--git-path", "objects")
    kind = rev_parse("--show-object-format") or "sha1"
    borrowed = own_environment(environment)
    borrowed |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    words = ["--bare", "--template=", f"--object-format={kind}", str(own)]
    _run(["git", "init", "-q", *words], borrowed)
    (own / "info").mkdir(exist_ok=True)
    (own / "info" / "attributes").write_text(_PLAIN)
    borrowed["GIT_OBJECT_DIRECTORY"] = str(objects)
    return ["git", f"--git-dir={own}"], borrowed


def _run(command: list[str], environment: Mapping[str, str]) -> bytes:
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AdapterError(f"git does not answer: {error}") from error
    if done.returncode != 0:
        reason = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise AdapterError(f"git {command[-1]}: {reason[0] if reason else 'failed'}")
    return done.stdout


def _unpack(archive: Path, into: Path) -> tuple[str, ...]:
    """Write regular files before links, so that no file is written through a link; return the links
    that lead out of `into`."""
    into.mkdir(mode=0o700)
    links: list[tuple[Path, str]] = []
    left = _MAX_BYTES
    with tarfile.open(archive, "r:") as tar:
        for member in tar:
            inside = PurePosixPath(member.name)
            if inside.is_absolute() or ".." in inside.parts:
                continue
            path = into / inside
            if member.issym():
                links.append((path, member.linkname))
            elif member.isfile():
                left -= member.size
                if left < 0:
                    raise AdapterError(f"the revision has more than {_MAX_BYTES >> 20} MiB")
                content = tar.extractfile(member)
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.write_bytes(content.read() if content else b"")
                path.chmod(0o700 if member.mode & 0o100 else 0o600)
    for path, target in links:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.symlink_to(target)
    top = into.resolve()
    astray = [path for path, _ in links if not Path(os.path.realpath(path)).is_relative_to(top)]
    for path in astray:
        path.unlink()
    return tuple(str(path.relative_to(into)) for path in astray)
