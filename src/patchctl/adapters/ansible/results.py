"""What of a task failed, and where: one round of a loop, or a task that was delegated."""

import re
from collections.abc import Collection, Mapping
from typing import Any


def failed_part(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first round of a loop that failed, of which the whole says nothing but that; the result
    itself where there was no loop."""
    rounds = result.get("results")
    for one in rounds if isinstance(rounds, list) else ():
        if isinstance(one, dict) and (one.get("failed") or one.get("unreachable")):
            return one
    return result


def message(result: Mapping[str, Any]) -> str:
    """What went wrong, of Ansible and of the module."""
    return "\n".join(
        str(result[key])
        for key in ("msg", "module_stderr", "stderr")
        if isinstance(result.get(key), str) and result[key]
    )


def elsewhere(
    event: Mapping[str, Any], host: str, part: Mapping[str, Any], hosts: Collection[str]
) -> str:
    """The other host that the task of `host` failed on, "" where it is not known to be another.

    Ansible's display names it; in a loop it is mostly the item. Any other item may be a secret.
    """
    shown = re.search(
        rf"^(?:fatal|failed): \[{re.escape(host)} -> ([^\]\s{{}}]+)\]",
        str(event.get("stdout") or ""),
        re.MULTILINE,
    )
    named = shown[1] if shown else part.get("_ansible_item_label")
    return named if isinstance(named, str) and named in hosts and named != host else ""
