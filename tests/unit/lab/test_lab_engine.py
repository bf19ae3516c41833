"""Find a container engine that works. Programs in PATH stand for the engines."""

from pathlib import Path

import pytest

from patchctl.lab import engine
from patchctl.lab.engine import Engine, EngineError


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def put(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_an_engine_the_error_names_the_packages(programs: Path) -> None:
    with pytest.raises(EngineError) as caught:
        engine.find({})
    assert str(caught.value) == (
        "no container engine found (podman or docker); as root: apt-get install podman runc crun "
        "iptables netavark aardvark-dns mmdebstrap"
    )


def test_an_engine_that_refuses_is_quoted_in_one_line(programs: Path) -> None:
    put(programs, "podman", "echo 'usage' >&2; echo 'cannot set up namespace' >&2; exit 125")
    with pytest.raises(EngineError) as caught:
        engine.find({})
    assert "podman: cannot set up namespace" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_dockers_client_without_its_daemon_is_no_engine(programs: Path) -> None:
    put(programs, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 0")
    with pytest.raises(EngineError, match="Cannot connect"):
        engine.find({})


def test_docker_is_taken_where_podman_does_not_work(programs: Path) -> None:
    put(programs, "podman", "exit 125")
    put(programs, "docker", "exit 0")
    assert engine.find({}).program == "docker"


def test_an_engine_can_be_named(programs: Path) -> None:
    put(programs, "podman", "exit 0")
    put(programs, "docker", "exit 0")
    assert engine.find({"PATCHCTL_LAB_ENGINE": "docker"}).program == "docker"


def test_runc_is_taken_where_the_engines_own_runtime_refuses(programs: Path) -> None:
    put(
        programs,
        "podman",
        '[ "$1 $2" = "--runtime runc" ] || { echo "crun: cgroups in hybrid mode" >&2; exit 126; }',
    )
    put(programs, "runc", "exit 0")
    chosen = engine.with_working_runtime(Engine(program="podman"), "image")
    assert chosen.runtime == "runc"


def test_no_runtime_that_works_is_an_error_with_its_last_words(programs: Path) -> None:
    put(programs, "podman", "echo 'cgroups in hybrid mode not supported' >&2; exit 126")
    with pytest.raises(EngineError, match="starts no container here: cgroups in hybrid mode"):
        engine.with_working_runtime(Engine(program="podman"), "image")


def test_a_command_that_fails_carries_its_last_line(programs: Path) -> None:
    put(programs, "podman", "echo 'one' >&2; echo 'no such volume' >&2; exit 1")
    with pytest.raises(EngineError, match="podman volume: no such volume"):
        Engine(program="podman").run("volume", "rm", "x")


def test_a_stream_hands_on_lines_and_feeds_stdin(programs: Path) -> None:
    put(programs, "podman", "read -r line; echo \"got $line\"; echo 'to stderr' >&2")
    lines: list[str] = []
    Engine(program="podman").stream(["exec"], lines.append, stdin=b"hello\n")
    assert lines == ["got hello", "to stderr"]


def test_a_stream_that_fails_names_what_failed(programs: Path) -> None:
    put(programs, "podman", "echo 'E: no space'; exit 100")
    with pytest.raises(EngineError, match="podman exec: E: no space"):
        Engine(program="podman", runtime="runc").stream(["exec"], lambda _: None)
