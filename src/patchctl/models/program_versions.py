"""The versions of patchctl and of what it runs on."""

from .base import Model


class ProgramVersions(Model):
    """Each as its publisher writes it; "" where it is not installed."""

    patchctl: str
    python: str
    ansible_core: str
    ansible_runner: str
