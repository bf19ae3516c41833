"""What is asked of Ansible and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ...models.base import Model
from ...models.facts import PackageManager
from ..clock import now_ms


class Connection(Model):
    """How hosts are reached and vaulted values opened, as on `ansible-playbook`'s command line.

    What the inventory says about a host wins over `user` and `private_key`, as under Ansible.
    `extra_vars` are the operator's own `-e`: `@file`, `key=value …` or a JSON/YAML mapping.
    `known_hosts`: the workspace's own file, absolute; where it exists its keys count beside the
    user's. Other paths are relative to the workspace. `vault_passwords`: of vault identities that
    ask for theirs (`--vault-id LABEL@prompt`), by label; `vault_ids` has none of these. Passwords
    never show in the representation.
    """

    user: str = ""
    private_key: str = ""
    become_password: str | None = None
    ssh_password: str | None = None
    vault_ids: tuple[str, ...] = ()
    vault_password_file: str = ""
    vault_password: str | None = None
    vault_passwords: tuple[tuple[str, str], ...] = ()
    extra_vars: tuple[str, ...] = ()
    forks: int = 25
    connect_timeout_s: int = 10
    known_hosts: str = ""

    def __repr__(self) -> str:
        return f"Connection(user={self.user!r}, forks={self.forks})"

    __str__ = __repr__


@dataclass(frozen=True, kw_only=True)
class CarriedFile:
    """A file that a run brings along: its content, or the relative path that a link leads to."""

    content: bytes = field(default=b"", repr=False)
    executable: bool = False
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One playbook for some hosts.

    `id`: letters, digits, dots, dashes and underscores. `inventory`: generated; builtins with
    vaulted values as `{"__ansible_vault": …}`; its hosts are the job's. `variables` reach every
    host and win over all others; nothing that a host said may be in them. `payloads`: text for
    single hosts; each travels as a private file whose path is the host's `patch_payload_file`.
    `pushes`: the list of files for `patch_push`, as `patch_push_file`.
    `files`: laid into the run's private folder, by their path there; `places` are variables whose
    value is where one of these paths lies.
    `timeout_s`: for each task on each host, from connecting on (`patch_timeout`).
    `limit_s`: for the whole run, 0 for a generous one that is computed.
    `manager`: whose files the role takes, as `patch_manager`; None where that is all the same.
    `rescues`: the playbook may rescue or ignore failures (an operator's hook does), so that a
    host's outcome is known only at the end of the run.
    """

    id: str
    playbook: Path
    inventory: Mapping[str, Any]
    variables: Mapping[str, Any] = field(default_factory=dict)
    payloads: Mapping[str, str] = field(default_factory=dict)
    pushes: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, CarriedFile] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    timeout_s: int = 60
    limit_s: int = 0
    forks: int = 0
    manager: PackageManager | None = None
    rescues: bool = False


class AnswerStatus(StrEnum):
    """How a playbook ended on a host. `lost`: the run ended without a word about it."""

    OK = "ok"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    LOST = "lost"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One host's end of a job.

    `reason` is one line in plain words where the status is not ok. `output` is what the host's
    script printed ("" if none), at most 64 MiB, and hostile; it may be there with status failed.
    `rc` is the script's exit code (255 without one). `elapsed_ms` is what the task took on this
    host. `trouble` says what kept this machine from taking the answer: nothing is known of the
    host then, and the status is `lost`. `at_ms`: when the answer came in, epoch milliseconds UTC.
    """

    job: str
    host: str
    status: AnswerStatus
    reason: str = ""
    rc: int = 255
    output: str = field(default="", repr=False)
    elapsed_ms: int = 0
    trouble: str = ""
    at_ms: int = field(default_factory=now_ms, compare=False)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The run is over; no answer of this job comes after it. `rc` is ansible-playbook's."""

    job: str
    rc: int
    reason: str = ""


def hosts_of(inventory: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of all hosts of a generated inventory, sorted."""
    found: set[str] = set()
    waiting = [group for group in inventory.values() if isinstance(group, Mapping)]
    while waiting:
        group = waiting.pop()
        found.update(group.get("hosts") or {})
        waiting += [child for child in (group.get("children") or {}).values() if child]
    return tuple(sorted(found))
