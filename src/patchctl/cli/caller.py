"""Find out who runs this command. Only this module asks the process for it."""

import getpass
import os
import socket
from pathlib import Path

from ..wiring.caller import Caller


def this_process() -> Caller:
    """Return the user of this process, its current folder and its environment."""
    environment = dict(os.environ)
    return Caller(
        actor=f"{_user(environment)}@{socket.gethostname()}",
        folder=_folder(environment),
        environment=environment,
    )


def _user(environment: dict[str, str]) -> str:
    """Return the user's name; in a sudo session that of the user who called sudo. A user id where
    the machine has no name for it, as in a container.
    """
    try:
        return environment.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _folder(environment: dict[str, str]) -> Path:
    """Return the current folder. If it was removed, return its old path: commands with absolute
    paths still work, and nothing is found in it.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path("/", environment.get("PWD", ""))
