"""Who sits at this command line. The only place that asks the process for it."""

import getpass
import os
import socket
from pathlib import Path

from ..wiring.caller import Caller


def this_process() -> Caller:
    """The user of this process, its folder and its environment, as they are now."""
    environment = dict(os.environ)
    return Caller(
        actor=f"{_user(environment)}@{socket.gethostname()}",
        folder=_folder(environment),
        environment=environment,
    )


def _user(environment: dict[str, str]) -> str:
    """In a sudo session the user behind it. A number where the machine has no name for the user, as
    in a container that runs as somebody."""
    try:
        return environment.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _folder(environment: dict[str, str]) -> Path:
    """The current folder. One that was removed keeps its name: with absolute paths nobody needs
    it, and what is looked for in it is not there."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path("/", environment.get("PWD", ""))
