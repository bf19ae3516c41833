"""Find what part of a task failed, and where: a round of a loop, or a delegated task."""

import re
from collections.abc import Collection, Mapping
from typing import Any


class Rounds:
    """Remembers the first round that failed of each host's loop: the event at the end of the loop
    says no more than that round did, and ansible-core 2.21 does not mark it there."""

    def __init__(self) -> None:
        self._first: dict[Any, tuple[Any, Mapping[str, Any]]] = {}

    def see(self, event: Mapping[str, Any]) -> None:
        """Take an event `runner_item_on_failed`."""
        task, host = _task_and_host(event)
        if host not in self._first or self._first[host][0] != task:
            self._first[host] = (task, event)

    def of(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """The event of the round in which this task failed; the event itself without a loop."""
        task, host = _task_and_host(event)
        first = self._first.get(host)
        return first[1] if first is not None and first[0] == task else event


def _task_and_host(event: Mapping[str, Any]) -> tuple[str, str]:
    data = event.get("event_data") or {}
    return str(data.get("task_uuid")), str(data.get("host"))


def result_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result of the task, empty where the event has none."""
    result = (event.get("event_data") or {}).get("res")
    return result if isinstance(result, dict) else {}


def message(result: Mapping[str, Any]) -> str:
    """What went wrong, in the words of Ansible and of the module."""
    return "\n".join(
        str(result[key])
        for key in ("msg", "module_stderr", "stderr")
        if isinstance(result.get(key), str) and result[key]
    )


def elsewhere(event: Mapping[str, Any], host: str, hosts: Collection[str]) -> str:
    """The other host of `hosts` on which the task of `host` failed; "" where it is none of them.

    Only Ansible's display names that host.
    """
    shown = re.search(
        rf"^(?:fatal|failed): \[{re.escape(host)} -> ([^\]\s]+)\]",
        str(event.get("stdout") or ""),
        re.MULTILINE,
    )
    return shown[1] if shown and shown[1] in hosts and shown[1] != host else ""
