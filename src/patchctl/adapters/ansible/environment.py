"""The environment and configuration in which Ansible's programs run.

A stray `ANSIBLE_STRATEGY` or `ansible.cfg` must not change what a rollout does, so `ANSIBLE_*` is
dropped, except what names paths or opens vaulted values.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ...errors import AdapterError

PASSED_ON = frozenset(
    {
        "ANSIBLE_COLLECTIONS_PATH",
        "ANSIBLE_HOME",
        "ANSIBLE_INVENTORY_PLUGINS",
        "ANSIBLE_LOOKUP_PLUGINS",
        "ANSIBLE_FILTER_PLUGINS",
        "ANSIBLE_VAULT_IDENTITY_LIST",
        "ANSIBLE_VAULT_PASSWORD_FILE",
    }
)


def clean_environment(outside: Mapping[str, str]) -> dict[str, str]:
    """`outside` without what would change Ansible's behaviour, and with a UTF-8 locale.

    Ansible refuses to start in the C locale, which cron and minimal containers have.
    """
    environment = {
        name: value
        for name, value in outside.items()
        if not name.startswith("ANSIBLE_") or name in PASSED_ON
    }
    locale = (
        environment.get("LC_ALL") or environment.get("LC_CTYPE") or environment.get("LANG") or ""
    )
    if "utf-8" not in locale.lower() and "utf8" not in locale.lower():
        environment["LC_ALL"] = "C.UTF-8"
    environment["ANSIBLE_NOCOLOR"] = "1"
    environment.pop("ANSIBLE_FORCE_COLOR", None)
    return environment


def program(name: str) -> Path:
    """The path of one of Ansible's programs, from the environment that patchctl itself runs in.

    Never from PATH: that one may have another version and another Python. Raises AdapterError.
    """
    path = Path(sys.executable).parent / name
    if not os.access(path, os.X_OK):
        raise AdapterError(f"{path} is missing", hint="install patchctl again")
    return path
