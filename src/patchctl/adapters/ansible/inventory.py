"""Read Ansible's inventories by running `ansible-inventory`.

It uses `ansible-inventory --list`, whose output is merged, and not `--export`: vaulted values,
`!unsafe` and Jinja survive in both (tried), but `--export` leaves merging to the reader, who would
have to decide `ansible_group_priority`, group depth and `host_vars/` beside several sources again.
The merged form lacks `inventory_dir` and `inventory_file`; a constructed source that is read last
copies them.
"""

import contextlib
import json
import logging
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ...errors import AdapterError, EmptyInventoryError, InvalidInputError
from ...models.unsafe import marked, opened
from . import run_folders, static_sources
from .environment import clean_environment, program
from .inventory_cache import InventoryCache, inputs_of
from .inventory_errors import (
    explain,
    locate,
    misspelled,
    shorten,
    static_files,
    text_of,
    warnings_in,
)

_LOG = logging.getLogger(__name__)

TIMEOUT_S = 300  # cloud sources page through thousands of instances


class VaultAccess(Protocol):
    """The part of a connection that opens vaulted values."""

    @property
    def vault_ids(self) -> tuple[str, ...]: ...
    @property
    def vault_password_file(self) -> str: ...
    @property
    def vault_password(self) -> str | None: ...
    @property
    def vault_passwords(self) -> tuple[tuple[str, str], ...]: ...


@dataclass(frozen=True)
class RawInventory:
    """What ansible-inventory says, untemplated.

    `hosts`: name -> merged variables, with `inventory_dir` and `inventory_file`. `groups`: name ->
    (direct hosts, direct children), without `all` and `ungrouped`. A vaulted value is
    `{"__ansible_vault": ciphertext}`, text that must not be templated is `Unsafe`.
    """

    hosts: Mapping[str, dict[str, Any]]
    groups: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class InventoryReader:
    """Reads sources as `ansible -i` would from the folder `cwd` (a workspace's root) with that
    `environment`.

    `static`: read only YAML, INI and TOML; run no program and no plugin, and raise for a source
    that needs one. `cache`: take the reading from there where no input has changed since.
    """

    vault: VaultAccess
    cwd: Path
    environment: Mapping[str, str] = field(repr=False)
    static: bool = False
    cache: InventoryCache | None = None

    def read(self, sources: Sequence[str]) -> RawInventory:
        """All sources together. Raises InvalidInputError with file and line."""
        inputs = inputs_of(sources, self.cwd, self.environment) if self.cache else None
        if self.cache is None or inputs is None:
            return self._load(sources)
        known = self.cache.get(inputs)
        if known is not None:
            return _from_cache(known)
        inventory = self._load(sources)
        if inputs == inputs_of(sources, self.cwd, self.environment):  # nobody edited it meanwhile
            self.cache.put(inputs, _for_cache(inventory))
        return inventory

    def _load(self, sources: Sequence[str]) -> RawInventory:
        return load(sources, self.vault, self.cwd, self.environment, static=self.static)

    def locate(self, name: str, sources: Sequence[str]) -> str:
        """`file:line` where a host's name stands in a static source, else the sources."""
        return locate(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", sources, self.cwd)

    def texts(self, sources: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Name and text of every file of the sources, to find lines in."""
        for path in static_files(sources, self.cwd):
            yield shorten(path, self.cwd), text_of(path)


def _for_cache(inventory: RawInventory) -> dict[str, Any]:
    return {
        "hosts": marked(inventory.hosts),
        "groups": inventory.groups,
        "warnings": inventory.warnings,
    }


def _from_cache(reading: Mapping[str, Any]) -> RawInventory:
    return RawInventory(
        hosts=opened(reading["hosts"]),
        groups={
            name: (tuple(hosts), tuple(children))
            for name, (hosts, children) in reading["groups"].items()
        },
        warnings=tuple(reading["warnings"]),
    )


def load(
    sources: Sequence[str],
    vault: VaultAccess,
    cwd: Path,
    outside: Mapping[str, str],
    *,
    static: bool = False,
) -> RawInventory:
    """Read the sources together, as `ansible -i A -i B` would from the folder `cwd`.

    `outside` is the environment; variables that would change Ansible's behaviour are dropped. A
    source is a path, relative to `cwd` or absolute, or a list of names with a comma. Raises
    InvalidInputError with file and line where any source is missing or unreadable: Ansible itself
    would warn and go on with fewer hosts.
    """
    _check_exist(sources, cwd)
    bare = _bare(sources, cwd)
    started = time.monotonic()
    with run_folders.passing_folder() as private:
        arguments = [str(program("ansible-inventory")), "--list"]
        for source in sources:
            arguments += ["-i", source]
        if not static:  # the plugin would take a source's own templates too
            arguments += ["-i", str(_origin_source(private))]
        arguments += _vault_arguments(vault, private, cwd)
        environment = clean_environment(outside)
        environment["ANSIBLE_CONFIG"] = str(
            _configuration(private, sources, cwd, bare, static=static)
        )
        code, out, err = _run(arguments, cwd, environment)
    if code != 0:
        raise explain(err, sources, cwd)
    if misspelling := misspelled(err, sources, cwd):
        raise misspelling
    bare_warnings = (f"{shorten(path, cwd)}: has no inventory source in it" for path in bare)
    inventory = _raw(out, (*warnings_in(err), *bare_warnings))
    took = time.monotonic() - started
    _LOG.info("inventory %s: %d hosts, %.1f s", " ".join(sources), len(inventory.hosts), took)
    return inventory


# --- reading ------------------------------------------------------------------------------------

_DIR, _FILE = "patchctl_inventory_dir", "patchctl_inventory_file"


def _origin_source(private: Path) -> Path:
    path = private / "zz_constructed.yml"
    path.write_text(
        "plugin: ansible.builtin.constructed\n"
        "strict: true\n"
        f"compose: {{{_DIR}: inventory_dir, {_FILE}: inventory_file}}\n"
    )
    return path


def _bare(sources: Sequence[str], cwd: Path) -> list[Path]:
    """Folders without sources. Empty where they cannot be read: Ansible reports that itself."""
    try:
        return list(static_sources.bare_folders(sources, cwd))
    except OSError:
        return []


def _configuration(
    private: Path, sources: Sequence[str], cwd: Path, bare: Sequence[Path], *, static: bool
) -> Path:
    """Write an ansible.cfg by which any unreadable source is an error.

    Ansible would try to read a private key beside the sources as a source, though
    `{{ inventory_dir }}/key` is common, and likewise a folder in which there is nothing to read.
    Both are ignored, by their names alone.
    """
    names = {*_key_files(sources, cwd), *(path.name for path in bare)}
    keys = "|".join(re.escape(name) for name in sorted(names))
    path = private / "ansible.cfg"
    path.write_text(
        f"[defaults]\nlocal_tmp = {private}/tmp\n".replace("%", "%%")
        + "duplicate_dict_key = error\n"
        "devel_warning = false\n"
        "[inventory]\n"
        "unparsed_is_failed = true\n"
        "any_unparsed_is_failed = true\n"
        + ("enable_plugins = host_list, yaml, ini, toml\n" if static else "")
        + (f"ignore_patterns = ^({keys})$\n".replace("%", "%%") if keys else "")
    )
    return path


def _key_files(sources: Sequence[str], cwd: Path) -> Iterator[str]:
    for source in sources:
        folder = cwd / source
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            with contextlib.suppress(OSError):
                if path.is_file() and _begins_with(path, b"-----BEGIN "):
                    yield path.name


def _begins_with(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def _check_exist(sources: Sequence[str], cwd: Path) -> None:
    for source in sources:
        if "," not in source and not (cwd / source).exists():
            raise EmptyInventoryError("no such inventory source", where=source)


def _vault_arguments(vault: VaultAccess, private: Path, cwd: Path) -> list[str]:
    arguments = []
    for identity in vault.vault_ids:
        arguments += ["--vault-id", identity]
    if vault.vault_password_file:
        arguments += ["--vault-password-file", str(cwd / vault.vault_password_file)]
    if vault.vault_password is not None:
        path = _password_file(private / "vault-password", vault.vault_password)
        arguments += ["--vault-password-file", str(path)]
    for number, (label, password) in enumerate(vault.vault_passwords):
        path = _password_file(private / f"vault-password-{number}", password)
        arguments += ["--vault-id", f"{label}@{path}"]
    return arguments


def _password_file(path: Path, password: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(password)
    return path


def _run(arguments: list[str], cwd: Path, environment: dict[str, str]) -> tuple[int, str, str]:
    """Run in a session of its own, so that a source that hangs can be ended with its children."""
    try:
        process = subprocess.Popen(
            arguments,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise AdapterError(f"ansible-inventory does not start: {error.strerror}") from error
    try:
        out, err = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise InvalidInputError(
            f"the inventory was not read within {TIMEOUT_S} s",
            hint="run the sources one by one with ansible-inventory to see which one hangs",
        ) from error
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return process.returncode, out, err


def _raw(out: str, warnings: tuple[str, ...]) -> RawInventory:
    try:
        parsed = json.loads(out)
        variables: dict[str, dict[str, Any]] = parsed.pop("_meta")["hostvars"]
        groups = {
            name: (tuple(entry.get("hosts", ())), tuple(entry.get("children", ())))
            for name, entry in parsed.items()
        }
    except (ValueError, KeyError, AttributeError) as error:
        raise AdapterError(f"ansible-inventory answered something unknown: {error}") from error
    names = {host for hosts, _ in groups.values() for host in hosts} | set(variables)
    return RawInventory(
        hosts={name: _with_origin(variables.get(name, {})) for name in sorted(names)},
        groups={
            name: entry for name, entry in sorted(groups.items()) if name not in _IMPLIED_GROUPS
        },
        warnings=warnings,
    )


_IMPLIED_GROUPS = ("all", "ungrouped")


def _with_origin(variables: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = opened(variables)
    for name, copied in (("inventory_dir", _DIR), ("inventory_file", _FILE)):
        value = result.pop(copied, None)
        if value is not None:
            # Ansible marks the values of a constructed source as unsafe; these are its own paths.
            result[name] = str(value)
    return result
