"""The labs that integration tests run on.

A session makes one lab of six Debian hosts, or uses the one that PATCHCTL_TEST_LAB names, and one
of each other kind that a test asks for (see `managed`). Where no container engine works the tests
are skipped with the reason; with CI=true they fail.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import managed
import pytest

from patchctl.lab import engine as engines
from patchctl.lab import fleet, handle
from patchctl.lab.engine import Engine, EngineError
from patchctl.lab.handle import Lab
from patchctl.lab.model import RELEASES

# What a shell starts in the background ignores Ctrl-C and hands that down to every child, also to
# the commands that are tested.
signal.signal(signal.SIGINT, signal.default_int_handler)
_PREFIX = "test-"


class WatchedLab(Lab):
    """A lab that records the hosts that a test changes by other ways than ssh."""

    def __init__(self, engine: Engine, name: str) -> None:
        super().__init__(engine, name)
        self.touched: set[str] = set()

    def container(self, host: str) -> str:
        self.touched.add(host)
        return super().container(host)

    def reset(self, *names: str, tmpfs: Mapping[str, int] | None = None) -> None:
        if tmpfs:
            self.touched.update(names)
        super().reset(*names, tmpfs=tmpfs)


def _progress(line: str) -> None:
    print(f"lab: {line}", file=sys.__stderr__, flush=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove_left_over() -> None:
    """Remove labs of killed sessions: the lab's name has the process id of its session."""
    for name in {host.lab for host in fleet.status(os.environ).hosts}:
        pid = name.removeprefix(_PREFIX).partition("-")[0]
        if name.startswith(_PREFIX) and pid.isdigit() and not _is_alive(int(pid)):
            fleet.down(name, _progress, os.environ)


def _watched(lab: Lab) -> WatchedLab:
    return WatchedLab(lab.engine, lab.name)


def _end(_number: int, _frame: FrameType | None) -> None:
    # pytest tears fixtures down after this exception, not after the signal itself.
    raise KeyboardInterrupt


@pytest.fixture(scope="session")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], WatchedLab]]:
    """Return a function that gives the session's lab of a kind (debian, rpm or mixed). The lab is
    made at the first call and stays until the end."""
    given = os.environ.get("PATCHCTL_TEST_LAB")
    before = signal.signal(signal.SIGTERM, _end)
    with ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGTERM, before)
        made: dict[str, WatchedLab] = {}

        def of(kind: str) -> WatchedLab:
            if given and "" not in made:
                made[""] = _watched(handle.find(given, os.environ))
                made[managed.kind_of(made[""])] = made[""]
            if kind not in made:
                made[kind] = _make(kind, tmp_path_factory.mktemp("lab") / "workspace", stack)
            return made[kind]

        yield of


def _make(kind: str, root: Path, stack: ExitStack) -> WatchedLab:
    """Make a new lab, which is removed when the stack ends."""
    try:
        engines.find(os.environ)
        _remove_left_over()
    except EngineError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    name = f"{_PREFIX}{os.getpid()}" + ("" if kind == "debian" else f"-over-{kind}")
    stack.callback(fleet.down, name, _progress, os.environ)
    return _watched(fleet.up(name, managed.SIZES[kind], kind, root, _progress, os.environ))


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest, labs: Callable[[str], WatchedLab]) -> WatchedLab:
    """Six running Debian hosts (staging-1, staging-2, canary-1, production-1 to -3), or the lab
    that PATCHCTL_TEST_LAB names; with `managed.over` the hosts of each kind."""
    given = "" if os.environ.get("PATCHCTL_TEST_LAB") else "debian"
    return labs(getattr(request, "param", given))


@pytest.fixture(
    scope="module",
    params=[RELEASES[0], *[pytest.param(it, marks=pytest.mark.managers) for it in RELEASES[1:]]],
)
def rpm_lab(
    request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    """One host of the dnf family, staging-1, for one module; with `make manager-test` once for each
    release that the lab can make."""
    release: str = request.param
    word = request.module.__name__.removeprefix("test_").replace("_", "-")
    name = f"{lab.name}-{word}" + ("" if release == RELEASES[0] else f"-{release[0]}")
    try:
        root = tmp_path_factory.mktemp(word) / "workspace"
        yield fleet.up(name, 1, "rpm", root, _progress, os.environ, release=release)
    finally:
        fleet.down(name, _progress, os.environ)


@pytest.fixture
def fresh_lab(request: pytest.FixtureRequest, lab: WatchedLab) -> Iterator[Lab]:
    """The lab for a test that changes hosts: afterwards these are made again, in about 1 s each.

    A test that also takes `workspace` may change all hosts; else only those that it asked for are
    made again.
    """
    lab.touched.clear()
    yield lab
    lab.reset_repository()
    if "workspace" in request.fixturenames:
        lab.reset()
    elif lab.touched:
        lab.reset(*sorted(lab.touched))


@pytest.fixture
def workspace(lab: Lab, tmp_path: Path) -> Path:
    """A copy of the lab's workspace with a state of its own."""
    return copy_of(lab, tmp_path / "workspace")


def copy_of(lab: Lab, root: Path) -> Path:
    """Make what `workspace` is, for a test that names each host that it changes."""
    shutil.copytree(lab.workspace, root, ignore=shutil.ignore_patterns(".patchctl", "plans"))
    root.chmod(0o755)
    return root
