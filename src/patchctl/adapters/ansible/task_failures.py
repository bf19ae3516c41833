"""What of a task failed, and where: one round of a loop, or a task that was delegated."""

import re
from collections.abc import Collection, Mapping
from typing import Any


class Rounds:
    """Remembers of each host's loop the first round that failed: the end of the loop says no more
    than that one did, and ansible-core 2.21 does not mark it there."""

    def __init__(self) -> None:
        self._first: dict[Any, tuple[Any, Mapping[str, Any]]] = {}

    def see(self, event: Mapping[str, Any]) -> None:
        """Take an event `runner_item_on_failed`."""
        task, host = _of(event)
        if host not in self._first or self._first[host][0] != task:
            self._first[host] = (task, event)

    def of(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """The event of the round in which this failed task failed; itself where it is no loop."""
        task, host = _of(event)
        found = self._first.get(host)
        return found[1] if found is not None and found[0] == task else event


def _of(event: Mapping[str, Any]) -> tuple[str, str]:
    data = event.get("event_data") or {}
    return str(data.get("task_uuid")), str(data.get("host"))


def result_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result of the task, empty where the event has none."""
    result = (event.get("event_data") or {}).get("res")
    return result if isinstance(result, dict) else {}


def message(result: Mapping[str, Any]) -> str:
    """What went wrong, of Ansible and of the module."""
    return "\n".join(
        str(result[key])
        for key in ("msg", "module_stderr", "stderr")
        if isinstance(result.get(key), str) and result[key]
    )


def elsewhere(event: Mapping[str, Any], host: str, hosts: Collection[str]) -> str:
    """The other host of `hosts` that the task of `host` failed on, "" where it is none of them.

    Only Ansible's display names it.
    """
    shown = re.search(
        rf"^(?:fatal|failed): \[{re.escape(host)} -> ([^\]\s]+)\]",
        str(event.get("stdout") or ""),
        re.MULTILINE,
    )
    return shown[1] if shown and shown[1] in hosts and shown[1] != host else ""
