"""What `patchctl version` asks."""

from .. import __version__
from ..adapters import machine
from ..models.program_versions import ProgramVersions


def versions() -> ProgramVersions:
    """Return the versions that are installed, without loading Ansible."""
    python, core, runner = machine.versions()
    return ProgramVersions(
        patchctl=__version__, python=python, ansible_core=core, ansible_runner=runner
    )
