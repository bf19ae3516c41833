"""Start a lab for a benchmark, and reach its hosts with other tools than patchctl."""

import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from measure import PATCHCTL, ROOT, Cost, command

from patchctl.lab.handle import Lab, each, find

PEERS = Path(__file__).parent / "peers"
KEX = "KexAlgorithms=curve25519-sha256"
_VENV = ROOT / "build" / "benchmarks"


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """A running lab, and a folder for the files of contestants."""

    lab: Lab
    workspace: Path
    scratch: Path
    addresses: tuple[str, ...]
    forks: int

    def ssh(self, *, kex: bool = False) -> list[str]:
        """Return the options of a plain ssh without shared connections; `kex`: curve25519 only."""
        known = f'UserKnownHostsFile="{self.workspace / "known_hosts"}"'
        words = [
            "-p", "2222", "-i", str(self.workspace / "lab/id_ed25519"), "-o", known,
            "-o", "GlobalKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes",
            "-o", "BatchMode=yes", "-o", "ControlMaster=no", "-o", "ControlPath=none",
        ]  # fmt: skip
        return [*words, "-o", KEX] if kex else words

    def parallel_ssh(self, remote: str, *, stdin: Path | None = None, kex: bool = False) -> Cost:
        """Run `xargs -P` with one plain ssh for each host; the output of each goes to a file."""
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        hosts = folder.with_suffix(".hosts")
        hosts.write_text("\n".join(self.addresses) + "\n", encoding="utf-8")
        ssh = shlex.join(["ssh", *self.ssh(kex=kex)])
        given, out = shlex.quote(str(stdin or os.devnull)), shlex.quote(str(folder))
        per_host = f'exec {ssh} "ops@$1" {shlex.quote(remote)} <{given} >{out}/"$1" 2>&1'
        words = ["xargs", "-P", str(self.forks), "-n", "1", "sh", "-c", per_host, "sh"]
        cost = command(words, stdin=hosts)
        answers = [path for path in folder.iterdir() if path.stat().st_size]
        if len(answers) != len(self.addresses):
            raise RuntimeError(f"only {len(answers)} of {len(self.addresses)} hosts answered")
        return cost

    def patchctl(self, *words: str, kex: bool = False) -> Cost:
        """Call the command line once."""
        return command([PATCHCTL, "-C", self.workspace, *words, *(CURVE25519 if kex else ())])

    def ansible(self, playbook: str, *options: str) -> Cost:
        """Run `ansible-playbook` with a peer's playbook: same forks, pipelining, no open
        connections.

        Its configuration is that of a careful user. Each run begins without open connections, like
        a run once a day.
        """
        control = tempfile.mkdtemp(prefix="cp", dir="/tmp")
        environment = {
            "ANSIBLE_FORKS": str(self.forks),
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": control,
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
        inventory = self.workspace / "inventory"
        words: list[str | Path] = [
            PATCHCTL.parent / "ansible-playbook",
            "-i",
            inventory,
            PEERS / playbook,
        ]
        try:
            return command([*words, *options], env=environment, cwd=self.scratch)
        finally:
            end_masters(Path(control))

    def pyinfra(self, *operation: str) -> Cost:
        """pyinfra with as many hosts at once. It exchanges keys by curve25519 (paramiko)."""
        inventory = self.scratch / "fleet.py"
        key = str(self.workspace / "lab/id_ed25519")
        data = {"ssh_user": "ops", "ssh_port": 2222, "ssh_key": key, "_sudo": True,
                "ssh_known_hosts_file": str(self.workspace / "known_hosts")}  # fmt: skip
        hosts = [(address, data) for address in self.addresses]
        inventory.write_text(f"hosts = {hosts!r}\n", encoding="utf-8")
        words: list[str | Path] = [
            pyinfra(),
            "-y",
            "--parallel",
            str(self.forks),
            inventory,
            *operation,
        ]
        return command(words, cwd=self.scratch)


# For Ansible and for patchctl, which takes the same option.
CURVE25519 = ("-e", json.dumps({"ansible_ssh_extra_args": f"-o {KEX}"}))


def end_masters(folder: Path) -> None:
    """End the ssh connections whose control sockets are in the folder, and remove it."""
    for socket in folder.iterdir():
        subprocess.run(
            ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "bench"],
            capture_output=True, check=False,
        )  # fmt: skip
    with contextlib.suppress(OSError):
        folder.rmdir()


def pyinfra() -> Path:
    """pyinfra in an environment of its own, installed when it is first asked for."""
    program = _VENV / "bin" / "pyinfra"
    if not program.exists():
        venv.create(_VENV, with_pip=True)
        requirements = Path(__file__).with_name("requirements.txt")
        subprocess.run(
            [_VENV / "bin" / "pip", "-q", "install", "-r", requirements],
            check=True, stdout=sys.stderr, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return program


@contextlib.contextmanager
def fleet(
    hosts: int, forks: int, name: str, kept: str = "", image: str = "debian"
) -> Iterator[Fleet]:
    """A lab of that many hosts of one image, removed at the end. `kept` names a lab that already
    runs."""
    with tempfile.TemporaryDirectory(prefix="patchctl-bench-") as folder:
        if not kept:
            up = [
                "lab",
                "up",
                "--hosts",
                str(hosts),
                "--name",
                name,
                "--image",
                image,
                "--workspace",
            ]
            command([PATCHCTL, "-q", *up, f"{folder}/workspace"])
        try:
            lab = find(kept or name, os.environ)
            yield Fleet(
                lab=lab,
                workspace=lab.workspace,
                scratch=Path(folder),
                addresses=addresses(lab),
                forks=forks,
            )
        finally:
            if not kept:
                command([PATCHCTL, "-q", "lab", "down", "--name", name])


def with_python_apt(lab: Lab, folder: Path) -> None:
    """Install python3-apt on each host, because Ansible's fact and apt modules need it.

    The packages come from this machine's own archive, so it must have the hosts' system, Debian 12.
    """
    names = ["python3-apt", "python-apt-common", "distro-info-data"]
    done = subprocess.run(
        ["apt-get", "-q", "download", *names],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"apt-get download {' '.join(names)} failed:\n{done.stderr}")
    tar = subprocess.run(
        ["tar", "-C", folder, "-c", *(path.name for path in folder.glob("*.deb"))],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    install = "mkdir -p /tmp/debs && cd /tmp/debs && tar -x && dpkg -i *.deb && rm -r /tmp/debs"
    each([host.name for host in lab.hosts()], lambda name: lab.check(name, install, stdin=tar))


def addresses(lab: Lab) -> tuple[str, ...]:
    """Return the addresses of the hosts, port 2222."""
    return tuple(host.address for host in lab.hosts())
