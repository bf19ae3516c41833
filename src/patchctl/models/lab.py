"""Models of the hosts of labs."""

from .base import Model


class LabHost(Model):
    """A host of a lab. `state` is the engine's word: running, exited, paused, created."""

    name: str
    address: str
    port: int
    image: str
    state: str
    ring: str
    lab: str
    container: str
    workspace: str = ""


class LabStatus(Model):
    """The answer of `lab status`."""

    hosts: tuple[LabHost, ...]
