"""Make checks of the workspace: who can write it, settings, inventory, state."""

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

# The policy itself should be reviewed every four months.
REVIEW_DAYS = 122
_SHOWN = 10


def check(subject: str, name: str, status: CheckStatus, text: str = "", hint: str = "") -> Check:
    """Return a check of the workspace."""
    return Check(
        area=Area.WORKSPACE, subject=subject, name=name, status=status, text=text, hint=hint
    )


def from_error(name: str, error: PatchctlError) -> tuple[Check, ...]:
    """Return a failed check for every problem of an error."""
    hint = error.hint or "correct it"
    lines = (str(problem) or type(error).__name__ for problem in error.problems)
    return tuple(check("", name, FAIL, line, hint) for line in lines)


def owner(problems: Iterable[Problem], *, trusted: bool) -> Iterator[Check]:
    """Check who can write the workspace. If others can, it is not read unless it is trusted."""
    distinct = list(dict.fromkeys(problems))
    if not distinct:
        yield check("", "owner", OK, "only you or root can write it")
    for problem in distinct[:_SHOWN]:
        yield check(problem.path, "owner", WARN if trusted else FAIL, problem.message, problem.hint)
    if len(distinct) > _SHOWN:
        text = f"{len(distinct) - _SHOWN} more paths are not yours alone"
        yield check("", "owner", WARN if trusted else FAIL, text, "fix the first ones")


def lint(report: LintReport) -> Iterator[Check]:
    """Yield the findings of `inventory lint`: an error there is a failure here."""
    if not report.findings:
        yield check("", "inventory", OK, f"{count(report.hosts, 'host')}, lint finds nothing")
    for finding in report.findings:
        status = FAIL if finding.level is Level.ERROR else WARN
        yield check(
            finding.where, f"inventory:{finding.rule}", status, finding.message, finding.hint
        )


def not_used(problems: Iterable[Problem]) -> Iterator[Check]:
    """Yield what of an ansible.cfg is not used; a problem without a hint is fine as it is."""
    for problem in problems:
        subject = f"{problem.path}:{problem.line}" if problem.line else problem.path
        status = WARN if problem.hint else OK
        yield check(subject, "ansible.cfg", status, problem.message, problem.hint)


def secrets(root: Path, ansible: AnsibleSettings, expand: Callable[[str], Path]) -> Iterator[Check]:
    """Check that the settings' files with keys and passwords exist and nobody else can read them.
    `expand` replaces `~` by the caller's home folder."""
    files = {
        "ansible.private_key": ansible.private_key,
        "ansible.become_password_file": ansible.become_password_file,
        "ansible.vault_password_file": ansible.vault_password_file,
    }
    for key, name in files.items():
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
    """Check the state folder. `lost`: why a pipeline would lose it, "" where it would not;
    `network`: the kind of its file system, "" for a local one."""
    where = str(folder)
    if lost:
        hint = "name a lasting folder in PATCHCTL_STATE or `state:`; a rollout refuses this one"
        yield check(where, "state", WARN, lost, hint)
    if network:
        hint = "name a folder of a local disk in PATCHCTL_STATE or `state:`"
        yield check(where, "state", WARN, f"lies on {network}, where SQLite's locks may fail", hint)
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        hint = "fix its owner and mode, or name another folder"
        yield check(where, "state", FAIL, "you may not write it", hint)
    elif folder.is_dir() and folder.stat().st_mode & 0o077:
        yield check(where, "state", WARN, "others can look into it", f"chmod 700 {folder}")
    elif not lost and not network:
        yield check(where, "state", OK, "" if folder.is_dir() else "not made yet")
    tree = ask(root, "rev-parse", "--show-toplevel").strip()
    in_checkout = bool(tree) and folder.resolve().is_relative_to(Path(tree).resolve())
    if in_checkout and not ask(root, "check-ignore", str(folder / "state.db")).strip():
        hint = f"add it to .gitignore: printf '%s/\\n' {folder.name} >>.gitignore"
        yield check(where, "state-ignored", WARN, "git would commit it", hint)


def known_hosts(file: Path, ssh: Ssh) -> Check:
    """Check the workspace's own known_hosts, which ssh reads beside that of the user."""
    name = "known-hosts"
    try:
        entries = ssh.read(file)
    except PatchctlError as error:
        return check(str(file), name, FAIL, error.message, error.hint)
    if not file.is_file():
        return check(str(file), name, OK, "none; host keys come from your own known_hosts")
    return check(str(file), name, OK, f"{count(len(entries), 'key')}, beside your own known_hosts")


def policy(root: Path, file: str, now: int, ask: Ask) -> Check:
    """Check how long ago the settings changed, by git or else by the file system. `now`: epoch
    seconds."""
    committed = ask(root, "log", "-1", "--format=%ct", "--", file).strip()
    edited = ask(root, "status", "--porcelain", "--", file).strip()
    by_git = committed.isdigit() and not edited
    changed = int(committed) if by_git else int((root / file).stat().st_mtime)
    days = max(0, now - changed) // 86_400
    text = f"last changed {days} days ago, says {'git' if by_git else 'the file system'}"
    if days <= REVIEW_DAYS:
        return check(file, "policy", OK, text)
    hint = "review rings, windows and policy, as is due every four months, and commit the result"
    return check(file, "policy", WARN, text, hint)
