"""Run podman or docker through their command line. Only this module starts them.

It uses options that both have. Where they differ, code here branches on `Engine.program`.
"""

import json
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from msgspec.structs import replace

from ..errors import AdapterError
from ..models.base import Model

PACKAGES = "podman runc crun iptables netavark aardvark-dns mmdebstrap"
"""The Debian packages that a lab needs."""

LABEL = "patchctl.lab"
"""Label of everything that belongs to a lab; its value is the lab's name."""

HELPER = "patchctl.lab.helper"
"""Label of short-lived containers that do work for a lab and are not its hosts."""

_ENGINE_VARIABLE = "PATCHCTL_LAB_ENGINE"
_DEBIAN = "http://deb.debian.org/debian"
# An engine refuses a higher limit where this machine's hard limit is lower and CAP_SYS_RESOURCE is
# missing.
_LIMIT = 4096


class EngineError(AdapterError):
    """The engine refused or failed. The message contains the last line of its output."""


class Result(Model):
    """Exit code and output of a command in a container."""

    rc: int
    out: str
    err: str


class Origins(Model):
    """Where images come from: the addresses of Debian's main and security archive, and the image to
    make the base from. `base` is empty for an image of the registry or of the archive.
    """

    main: str = _DEBIAN
    security: str = f"{_DEBIAN}-security"
    base: str = ""


class Engine(Model):
    """A container engine that works on this machine.

    `runtime` is the OCI runtime to use, empty for the engine's default. `limits` are passed as
    ulimits to every container.
    """

    program: str
    runtime: str = ""
    limits: tuple[str, ...] = ()
    origins: Origins = Origins()

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        timeout_s: float = 600,
        check: bool = True,
    ) -> Result:
        """Run one engine command. Raises EngineError on a failure if `check`."""
        command = [self.program, *self._global(), *arguments]
        result = _call(command, stdin=stdin, timeout_s=timeout_s)
        if check and result.rc != 0:
            raise EngineError(f"{self.program} {arguments[0]}: {_last_line(result)}")
        return result

    def start(self, image: str, options: Sequence[str], command: Sequence[str]) -> str:
        """Start a container in the background and return its id."""
        return self.run("run", "-d", *self._limits(), *options, image, *command).out.strip()

    def once(
        self,
        image: str,
        options: Sequence[str],
        command: Sequence[str],
        *,
        stdin: bytes | None = None,
    ) -> Result:
        """Run a command in a new container, which is removed afterwards."""
        return self.run("run", "--rm", *self._limits(), *options, image, *command, stdin=stdin)

    def exec(
        self,
        container: str,
        script: str,
        *,
        stdin: bytes | None = None,
        timeout_s: float = 600,
    ) -> Result:
        """Run a line of shell in a container, as root. Never raises because of its exit code."""
        options = ["-i"] if stdin is not None else []
        return self.run(
            "exec",
            *options,
            container,
            "sh",
            "-c",
            script,
            stdin=stdin,
            timeout_s=timeout_s,
            check=False,
        )

    def stream(
        self,
        arguments: Sequence[str],
        on_line: Callable[[str], None],
        *,
        stdin: IO[bytes] | bytes | None = None,
    ) -> None:
        """Run one engine command and pass on each line of its output. Raises EngineError."""
        command = [self.program, *self._global(), *arguments]
        stream(command, on_line, stdin=stdin, what=f"{self.program} {arguments[0]}")

    def host_options(self) -> list[str]:
        """Return the options that a container needs to run systemd as PID 1."""
        if self.program == "podman":
            # Without SYS_PTRACE root cannot see which files other processes map.
            return ["--systemd=always", "--cap-add=SYS_PTRACE"]
        # docker has no such option; these do the same.
        return [
            "--privileged",
            "--cgroupns=private",
            "--tmpfs=/run",
            "--tmpfs=/run/lock",
            "--tmpfs=/tmp",
            "--env=container=docker",
            "--stop-signal=SIGRTMIN+3",
        ]

    def at_once(self) -> list[str]:
        """Return the option of `rm -f` that does not wait for systemd to stop."""
        return ["-t", "0"] if self.program == "podman" else []

    def has_image(self, tag: str) -> bool:
        """Return whether this machine has an image with that tag."""
        return self.run("image", "inspect", tag, check=False).rc == 0

    def inspect(self, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return the engine's description of containers, volumes, networks or images. Names that do
        not exist any more are left out.
        """
        if not names:
            return []
        done = self.run(kind, "inspect", *names, check=False)
        # An object that vanished since it was listed is no error: it is left out.
        try:
            described = json.loads(done.out or "[]")
        except ValueError as error:
            raise EngineError(f"{self.program} {kind} inspect: {_last_line(done)}") from error
        return [item for item in described if isinstance(item, dict)]

    def listed(self, kind: str, label: str) -> list[str]:
        """Return ids (containers, images) or names (volumes, networks) that have the label."""
        options = {"container": ["-a", "-q", "--no-trunc"], "image": ["-q", "--no-trunc"]}
        chosen = options.get(kind, ["-q"])
        if kind == "network":
            chosen = ["--format", "{{.Name}}"]
        answer = self.run(kind, "ls", *chosen, "--filter", f"label={label}")
        return list(dict.fromkeys(answer.out.split()))

    def _global(self) -> list[str]:
        return ["--runtime", self.runtime] if self.runtime else []

    def _limits(self) -> list[str]:
        return [f"--ulimit={limit}" for limit in self.limits]


def find(environment: Mapping[str, str]) -> Engine:
    """Return the engine that the environment asks for, or the first one that works. Raises
    EngineError with a hint of one line.
    """
    wanted = environment.get(_ENGINE_VARIABLE)
    candidates = [wanted] if wanted else ["podman", "docker"]
    refusals = []
    for program in candidates:
        if not shutil.which(program):
            continue
        answer = _call([program, "info"], stdin=None, timeout_s=60)
        # Without its daemon, docker's client exits 0 or 1, depending on the version, and writes
        # the error to stdout or stderr.
        if answer.rc == 0 and "Cannot connect" not in answer.err:
            return Engine(program=program, limits=_limits(), origins=_origins(environment))
        refusals.append(f"{program}: {_last_line(answer)}")
    if refusals:
        raise EngineError(
            "no container engine works here: " + ", ".join(refusals),
            hint="start it, or run as a user who may use it (root, or the docker group)",
        )
    raise EngineError(
        "no container engine found (podman or docker)",
        hint=f"as root: apt-get install {PACKAGES}",
    )


def _origins(environment: Mapping[str, str]) -> Origins:
    main = environment.get("PATCHCTL_LAB_MIRROR", _DEBIAN).rstrip("/")
    security = environment.get("PATCHCTL_LAB_SECURITY_MIRROR", f"{main}-security").rstrip("/")
    return Origins(main=main, security=security, base=environment.get("PATCHCTL_LAB_BASE", ""))


def with_working_runtime(engine: Engine, image: str) -> Engine:
    """Return the engine with an OCI runtime that can start a container of `image`.

    crun refuses where cgroups are in hybrid mode ("cgroups in hybrid mode not supported"), runc
    does not. Only a trial shows it. Raises EngineError with the last refusal.
    """
    refusal = ""
    for runtime in _runtimes(engine):
        trial = replace(engine, runtime=runtime)
        answer = trial.run(
            "run", "--rm", *trial._limits(), "--network=none", image, "/bin/true", check=False
        )
        if answer.rc == 0:
            return trial
        refusal = _last_line(answer)
    raise EngineError(
        f"{engine.program} starts no container here: {refusal}",
        hint="as root: apt-get install runc crun; inside a container it needs --privileged",
    )


def stream(
    command: Sequence[str],
    on_line: Callable[[str], None],
    *,
    stdin: IO[bytes] | bytes | None = None,
    what: str = "",
) -> None:
    """Run a program and pass each line of its output to `on_line`. Raises EngineError with the last
    line of the output. `what` is the program's name in the message.
    """
    last = ""
    with tempfile.TemporaryFile() as given:
        if isinstance(stdin, bytes):
            given.write(stdin)
            given.seek(0)
        source: IO[bytes] | int = given if isinstance(stdin, bytes) else stdin or subprocess.DEVNULL
        try:
            process = subprocess.Popen(
                command, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise EngineError(f"{command[0]}: {error.strerror}") from error
        try:
            assert process.stdout is not None
            for raw in process.stdout:
                line = raw.decode(errors="replace").strip()
                last = line or last
                on_line(line)
            rc = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if rc != 0:
        raise EngineError(f"{what or command[0]}: {last or f'exit code {rc}'}")


def _runtimes(engine: Engine) -> list[str]:
    if engine.program != "podman":
        return [""]
    return ["", *[name for name in ("runc", "crun") if shutil.which(name)]]


def _limits() -> tuple[str, ...]:
    options = []
    for name, kind in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        hard = resource.getrlimit(kind)[1]
        value = _LIMIT if hard == resource.RLIM_INFINITY else min(hard, _LIMIT)
        options.append(f"{name}={value}:{value}")
    return tuple(options)


def _call(command: Sequence[str], *, stdin: bytes | None, timeout_s: float) -> Result:
    try:
        done = subprocess.run(
            command,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except OSError as error:
        raise EngineError(f"{command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{' '.join(command[:4])}: no answer within {timeout_s:.0f} s") from error
    return Result(
        rc=done.returncode,
        out=done.stdout.decode(errors="replace"),
        err=done.stderr.decode(errors="replace"),
    )


def _last_line(result: Result) -> str:
    lines = [line.strip() for line in f"{result.out}\n{result.err}".splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {result.rc}"
