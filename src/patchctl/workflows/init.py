"""Write a commented workspace. Until it is edited, all its settings are the defaults."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import AdapterError, InvalidInputError
from .interfaces import Files

# `#` before a key, without a blank: a setting with its default. `# ` before words: prose.
_SETTINGS = """\
# yaml-language-server: $schema=patchctl.schema.json
# Settings of this workspace. Lines with `#` directly before a key show the default: remove the `#`
# to change one, and those of the lines above it that it stands under.

# Rings in the order in which a rollout walks them. Any names and number work; the last ring is the
# careful one. Durations: 30s, 10m, 24h, 14d.
#rings:
#  - name: staging
#    budget: 0 # hosts, or a percentage, that may fail before the rollout halts
#    max_concurrent: 50% # hosts, or a percentage, that are patched at once
#    soak: 0 # waited after the last host, before the next ring
#    promote: auto # or manual: wait for `patchctl rollout approve`
#    reboot: never # or if-required
#    on_failure: rollback # or stop: leave a failed host as it is
#  - {name: canary, budget: 0, max_concurrent: 50%, soak: 24h, promote: auto}
#  - {name: production, budget: 5%, max_concurrent: 10%, soak: 0, promote: manual}

# A host's ring is its variable patch_ring, or a group named as a ring; else the first rule that
# fits; else its share, by a hash of its name. No rules and no shares by default. For example:
# assign:
#   rules:
#     - {ring: staging, groups: [test], names: ["*.test.example.com"]}
#   shares: {seed: "any text", stratum: [role], staging: 5, canary: 15, production: 80}

# Any Ansible inventory sources, relative to this file.
#inventory: [inventory/]

#policy:
#  rollback_ready: require # no patching where the old versions cannot be kept; or warn
#  updaters: refuse # unattended-upgrades and the like: refuse, warn or hold-for-run
#  unproven: hold # what no earlier ring has proven: hold, approve or allow
#  allow_removals: false # may a transaction remove packages?
#  undo_safe: [] # globs of packages that may be undone though their kind is risky
#  exclude: [] # packages that plans leave out for a while, with reason, owner and until
#  stale_lists: hold # a host with repositories that could not be looked into: hold or warn
#  lists_max_age: 2d # package lists in a snapshot that are older tell nothing
#  plan_expires: 14d
#  transaction_timeout: 1h # the package manager's work on a host
#  verify_timeout: 2m
#  reboot_timeout: 10m
#  drain_timeout: 5m # each hook
#  lock_wait: 2m # for somebody else at work with the package manager; then the host is deferred
#  discovery_timeout: 1m

# Asked on the host after patching, until it is answered well or the time is over. None by default.
# For example:
# probes:
#   - name: web answers
#     kind: http # or tcp, command, unit
#     target: http://localhost/
#     expect: "" # text that the answer must hold
#     within: 30s
#     groups: [web] # only these hosts; none: all
#     packages: [nginx] # only where one of these is patched; none: always

# Your own tasks around a host's patching, see hooks/README. None by default. For example:
# hooks: {drain: hooks/drain.yml, undrain: hooks/undrain.yml}
# `sees` names groups whose hosts a hook may reach besides those that it works on:
# hooks: {drain: {file: hooks/drain.yml, sees: [lbservers]}, undrain: hooks/undrain.yml}

# How hosts are reached; what the inventory says of a host wins.
#ansible:
#  user: ""
#  private_key: ""
#  forks: 25 # hosts at once
#  connect_timeout: 10s
#  become_password_file: ""
#  vault_password_file: ""
#  vault_ids: []

# Vulnerability data. `patchctl feeds status` names the sources; only what the fleet's systems need
# is fetched. A mirror has the files below the paths that `patchctl feeds update --help` shows.
#feeds:
#  mirror: "" # https://mirror.example/feeds, in place of the public addresses
#  ecosystems: [] # wanted besides those of the fleet, for example "Rocky Linux:9"
#  max_age: 7d # older feeds are stale
#  stale: warn # or refuse: no assessment with a stale feed
#  sources: []
#    # - {name: epss, enabled: false}
#    # - {name: cve, address: "https://mirror.example/cve-records.zip", max_age: 30d}

# How urgent a vulnerability is, and by when. Profiles combine: the most urgent decision and the
# earliest date count. Also known: pci-dss, bod-22-01 (the old due dates of KEV).
#assessment:
#  profiles: [ssvc-deployer, bod-26-04, cvss-sla]
#  sla: {critical: 7d, high: 30d, medium: 90d, low: 0} # from the day a fix is out; 0: no deadline

# Database, packages of plans, audit log. PATCHCTL_STATE wins.
#state: .patchctl
"""

_HOSTS = """\
# Replace these examples, whose names never resolve. Any Ansible source may lie in this folder:
# YAML, INI, executable scripts, plugin configurations, group_vars/ and host_vars/. A group named as
# a ring gives its hosts that ring.
all:
  vars:
    ansible_become: true
    # ansible_user: ops
  children:
    staging:
      hosts:
        test1.example:
    canary:
      hosts:
        web1.example:
    production:
      hosts:
        web2.example:
        db1.example: {ansible_host: db1-admin.example}
"""

_HOOKS = """\
Task files that run around a host's patching, on the controller or on the host: take it out of the
load balancer before (drain), put it back after (undrain). Name them in patchctl.yml under hooks.
They may run more than once for a host, so they must be idempotent. A plan has the digest of every
file in here: after a change make a new plan. They run from a copy of this folder, so they find each
other by relative paths; what they write belongs elsewhere.
"""

SCHEMA = "patchctl.schema.json"
_DEFAULT_INVENTORY = "#inventory: [inventory/]\n"
FILES = {
    "patchctl.yml": _SETTINGS,
    "inventory/hosts.yml": _HOSTS,
    "hooks/README": _HOOKS,
    ".gitignore": ".patchctl/\n",
}


_SETTINGS_FILE, _IGNORE = "patchctl.yml", ".gitignore"
# A folder with only such files has no content of its own yet.
_BARE = re.compile(r"\.|(?:README|LICENSE|COPYING)\b", re.IGNORECASE)
# Usual names of inventories, in the order in which they are looked for.
_INVENTORIES = (
    *("inventory", "inventories", "hosts"),
    *("inventory.yml", "inventory.yaml", "inventory.ini", "hosts.yml", "hosts.yaml", "hosts.ini"),
)


def init(root: Path, schema: str, folder: Files, named: Sequence[str] = ()) -> list[Path]:
    """Write the workspace and return the paths that were written, `patchctl.yml` last.

    The inventory of an existing repository stays as it is: the settings name it, as its ansible.cfg
    does (`named`) or by its usual name. Existing files stay, but for a new line in `.gitignore`.
    `schema` is the JSON Schema for editors, which the settings name. Raises InvalidInputError,
    before anything is written, where the folder is a workspace already.
    """
    existing = [name for name in (_SETTINGS_FILE, SCHEMA) if os.path.lexists(root / name)]
    if existing:
        raise InvalidInputError(
            f"nothing was written, already there: {', '.join(existing)}",
            where=str(root),
            hint="name a new folder",
        )
    written = []
    files = _files(root, schema, named)
    # The settings make the folder a workspace, so they are written last.
    for name in sorted(files, key=_SETTINGS_FILE.__eq__):
        path = root / name
        try:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError as error:
            raise AdapterError(f"{path.parent}: {error.strerror}", hint="name another") from error
        folder.write_atomic(path, files[name].encode(), mode=0o644)
        written.append(path)
    return written


def _files(root: Path, schema: str, named: Sequence[str]) -> dict[str, str]:
    """Return path below the workspace -> text, for every file to write."""
    files = {**FILES, SCHEMA: schema}
    if root.is_dir() and any(not _BARE.match(path.name) for path in root.iterdir()):
        del files["inventory/hosts.yml"]
        files[_SETTINGS_FILE] = _with_inventory(root, named)
    if os.path.lexists(root / "hooks"):
        del files["hooks/README"]
    if os.path.lexists(root / _IGNORE):
        ignored = _with_ignored(root / _IGNORE)
        files = {name: text for name, text in files.items() if name != _IGNORE} | ignored
    return files


def _with_inventory(root: Path, named: Sequence[str]) -> str:
    """Return the settings with the existing sources; the plain ones where none is known."""
    sources = list(named) or _inventories(root)
    if not sources or (sources == ["inventory"] and (root / "inventory").is_dir()):
        return _SETTINGS
    return _SETTINGS.replace(_DEFAULT_INVENTORY, f"inventory: {json.dumps(sources)}\n")


def _inventories(root: Path) -> list[str]:
    source = next((name for name in _INVENTORIES if (root / name).exists()), "")
    if source == "inventories" and (root / source).is_dir():
        # One folder for each environment: Ansible reads group_vars/ only beside a named source.
        inside = sorted(path.name for path in (root / source).iterdir())
        return [f"{source}/{name}" for name in inside if not name.startswith((".", "group_vars"))]
    return [source] if source else []


def _with_ignored(path: Path) -> dict[str, str]:
    """Return `.gitignore` with our line at its end; nothing where it has the line already, or is
    a link or unreadable."""
    try:
        text = "" if path.is_symlink() else path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    lines = {line.strip().strip("/") for line in text.splitlines()}
    if path.is_symlink() or ".patchctl" in lines:
        return {}
    end = "" if not text or text.endswith("\n") else "\n"
    return {_IGNORE: f"{text}{end}.patchctl/\n"}
