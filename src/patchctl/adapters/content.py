"""Locate the shipped roles and playbooks: inside the wheel, or at the top of a checkout."""

from importlib import resources
from pathlib import Path

from ..errors import PatchctlError


def root() -> Path:
    """The folder that holds `playbooks/` and `roles/`."""
    packaged = Path(str(resources.files("patchctl"))) / "_content"
    if packaged.is_dir():
        return packaged
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / "playbooks").is_dir() and (checkout / "roles").is_dir():
        return checkout
    raise PatchctlError(
        "the roles and playbooks of patchctl are missing", hint="install patchctl again"
    )


def playbook(name: str) -> Path:
    """The shipped playbook of that name, without `.yml`."""
    return root() / "playbooks" / f"{name}.yml"


def roles() -> Path:
    """The folder of the shipped roles."""
    return root() / "roles"
