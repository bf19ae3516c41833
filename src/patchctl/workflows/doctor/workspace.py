"""What is wrong with the workspace -> checks: who may write it, settings, inventory, state."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ...errors import PatchctlError, Problem
from ...models.doctor import Area, Check, CheckStatus
from ...models.lint import Level, LintReport
from ...models.settings import AnsibleSettings
from ...models.words import count
from .interfaces import Ask, Ssh

OK, WARN, FAIL, SKIPPED = CheckStatus.OK, CheckStatus.WARN, CheckStatus.FAIL, CheckStatus.SKIPPED

# product.md: the policy itself is reviewed every four months.
REVIEW_DAYS = 122
_SHOWN = 10


def check(subject: str, name: str, status: CheckStatus, text: str = "", hint: str = "") -> Check:
    """A check of the area."""
    return Check(
        area=Area.WORKSPACE, subject=subject, name=name, status=status, text=text, hint=hint
    )


def from_error(name: str, error: PatchctlError) -> tuple[Check, ...]:
    """A failed check for every problem that an error tells."""
    hint = error.hint or "correct it"
    lines = (str(one) or type(error).__name__ for one in error.problems)
    return tuple(check("", name, FAIL, line, hint) for line in lines)


def owner(problems: Iterable[Problem], *, trusted: bool) -> Iterator[Check]:
    """Who could have written it. One that others can write is not read, unless it is trusted."""
    found = list(dict.fromkeys(problems))
    if not found:
        yield check("", "owner", OK, "only you or root can write it")
    for one in found[:_SHOWN]:
        yield check(one.path, "owner", WARN if trusted else FAIL, one.message, one.hint)
    if len(found) > _SHOWN:
        text = f"{len(found) - _SHOWN} more paths are not yours alone"
        yield check("", "owner", WARN if trusted else FAIL, text, "mend the first ones")


def lint(report: LintReport) -> Iterator[Check]:
    """The findings of `inventory lint`: an error there is a failure here."""
    if not report.findings:
        yield check("", "inventory", OK, f"{count(report.hosts, 'host')}, lint finds nothing")
    for one in report.findings:
        status = FAIL if one.level is Level.ERROR else WARN
        yield check(one.where, f"inventory:{one.rule}", status, one.message, one.hint)


def not_used(problems: Iterable[Problem]) -> Iterator[Check]:
    """What of an ansible.cfg is not used; what has nothing in its place is well so."""
    for one in problems:
        place = f"{one.path}:{one.line}" if one.line else one.path
        status = WARN if one.hint else OK
        yield check(place, "ansible.cfg", status, one.message, one.hint)


def secrets(root: Path, ansible: AnsibleSettings, expand: Callable[[str], Path]) -> Iterator[Check]:
    """Files with keys and passwords that the settings name: there, and read by nobody else.
    `expand` knows whose home folder `~` is."""
    named = {
        "ansible.private_key": ansible.private_key,
        "ansible.become_password_file": ansible.become_password_file,
        "ansible.vault_password_file": ansible.vault_password_file,
    }
    for key, name in named.items():
        if not name:
            continue
        path = root / expand(name)
        try:
            mode = path.stat().st_mode
        except OSError as error:
            yield check(name, key, FAIL, f"{error.strerror}", f"correct {key} in patchctl.yml")
            continue
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield check(name, key, FAIL, "others can read it", f"chmod go= {path}")
        else:
            yield check(name, key, OK)


def state(root: Path, folder: Path, lost: str, network: str, ask: Ask) -> Iterator[Check]:
    """Where the state lies. `lost`: why a pipeline would lose it, "" where it would not; `network`:
    the kind of its file system, "" for a local one."""
    where = str(folder)
    if lost:
        hint = "name a lasting folder in PATCHCTL_STATE or `state:`; a rollout refuses this one"
        yield check(where, "state", WARN, lost, hint)
    if network:
        hint = "name a folder of a local disk in PATCHCTL_STATE or `state:`"
        yield check(where, "state", WARN, f"lies on {network}, where SQLite's locks may fail", hint)
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        hint = "mend its owner and mode, or name another folder"
        yield check(where, "state", FAIL, "you may not write it", hint)
    elif folder.is_dir() and folder.stat().st_mode & 0o077:
        yield check(where, "state", WARN, "others can look into it", f"chmod 700 {folder}")
    elif not lost and not network:
        yield check(where, "state", OK, "" if folder.is_dir() else "not made yet")
    tree = ask(root, "rev-parse", "--show-toplevel").strip()
    inside = bool(tree) and folder.resolve().is_relative_to(Path(tree).resolve())
    if inside and not ask(root, "check-ignore", str(folder / "state.db")).strip():
        hint = f"add it to .gitignore: printf '%s/\\n' {folder.name} >>.gitignore"
        yield check(where, "state-ignored", WARN, "git would commit it", hint)


def known_hosts(file: Path, ssh: Ssh) -> Check:
    """The workspace's own known_hosts, which counts beside the user's."""
    name = "known-hosts"
    try:
        entries = ssh.read(file)
    except PatchctlError as error:
        return check(str(file), name, FAIL, error.message, error.hint)
    if not file.is_file():
        return check(str(file), name, OK, "none; host keys come from your own known_hosts")
    return check(str(file), name, OK, f"{count(len(entries), 'key')}, beside your own known_hosts")


def policy(root: Path, file: str, now: int, ask: Ask) -> Check:
    """How long ago the settings last changed, as git or else the file system tells. `now`: epoch
    seconds."""
    committed = ask(root, "log", "-1", "--format=%ct", "--", file).strip()
    edited = ask(root, "status", "--porcelain", "--", file).strip()
    told = committed.isdigit() and not edited
    changed = int(committed) if told else int((root / file).stat().st_mtime)
    days = max(0, now - changed) // 86_400
    text = f"last changed {days} days ago, says {'git' if told else 'the file system'}"
    if days <= REVIEW_DAYS:
        return check(file, "policy", OK, text)
    hint = "review rings, windows and policy, as is due every four months, and commit the result"
    return check(file, "policy", WARN, text, hint)
