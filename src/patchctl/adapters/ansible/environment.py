"""The environment and configuration in which Ansible's programs run.

A stray `ANSIBLE_STRATEGY` or `ansible.cfg` must not change what a rollout does, so `ANSIBLE_*` is
dropped except for what says where things are or how vaulted values are opened.
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
    kept = {
        name: value
        for name, value in outside.items()
        if not name.startswith("ANSIBLE_") or name in PASSED_ON
    }
    locale = kept.get("LC_ALL") or kept.get("LC_CTYPE") or kept.get("LANG") or ""
    if "utf-8" not in locale.lower() and "utf8" not in locale.lower():
        kept["LC_ALL"] = "C.UTF-8"
    kept["ANSIBLE_NOCOLOR"] = "1"
    kept.pop("ANSIBLE_FORCE_COLOR", None)
    return kept


def program(name: str) -> Path:
    """One of Ansible's programs of the environment that patchctl itself runs in.

    Never one from PATH: it may be another version with another Python.
    """
    found = Path(sys.executable).parent / name
    if not os.access(found, os.X_OK):
        raise AdapterError(f"{found} is missing", hint="install patchctl again")
    return found
