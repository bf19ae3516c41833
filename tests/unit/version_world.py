"""Compare versions for the version tests: by the keys, and by the package managers themselves."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from patchctl.assessment.versions import key
from patchctl.models.versions import VersionScheme

# Debian's packages python3-apt and python3-rpm belong to the system's interpreter.
SYSTEM_PYTHON = Path("/usr/bin/python3")

_ANSWERS = """
import json, sys
if sys.argv[1] == "deb":
    import apt_pkg
    apt_pkg.init_system()
    compare = apt_pkg.version_compare
else:
    import rpm
    def compare(a, b):
        a, b = rpm.ver(a), rpm.ver(b)
        return (a > b) - (a < b)
print("ready", flush=True)
for line in sys.stdin:
    print(compare(*json.loads(line)), flush=True)
"""


def sign(difference: int) -> str:
    return "<" if difference < 0 else ">" if difference > 0 else "="


def order(scheme: VersionScheme, a: str, b: str) -> str:
    """Return `<`, `=` or `>` by the keys; fail where comparisons and hash disagree."""
    first, second = key(scheme, a), key(scheme, b)
    assert (first == second) == (not first < second and not first > second)
    assert first != second or hash(first) == hash(second)
    return sign((first > second) - (first < second))


def is_sorted(scheme: VersionScheme, versions: str) -> None:
    """Fail unless each of the words sorts before all that follow."""
    words = versions.split()
    for position, earlier in enumerate(words):
        assert order(scheme, earlier, earlier) == "="
        for later in words[position + 1 :]:
            assert order(scheme, earlier, later) == "<", f"{earlier} {later}"
            assert order(scheme, later, earlier) == ">", f"{later} {earlier}"


class Peer:
    """A package manager's library in another process, which compares one pair after another."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def compare(self, a: str, b: str) -> str:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([a, b]) + "\n")
        self._process.stdin.flush()
        return sign(int(self._process.stdout.readline()))


@contextmanager
def peer(scheme: VersionScheme) -> Iterator[Peer]:
    """Return libapt for deb, librpm for rpm; skip the test where their Python module is absent."""
    package = {VersionScheme.DEB: "python3-apt", VersionScheme.RPM: "python3-rpm"}[scheme]
    if not SYSTEM_PYTHON.exists():
        pytest.skip(f"no {SYSTEM_PYTHON} with {package}")
    with subprocess.Popen(
        [SYSTEM_PYTHON, "-c", _ANSWERS, scheme.value],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout and process.stderr
        if process.stdout.readline() != "ready\n":
            error = process.stderr.read()
            if "No module named" not in error:
                pytest.fail(error)
            pytest.skip(f"{package} is not installed")
        try:
            yield Peer(process)
        finally:
            process.kill()
