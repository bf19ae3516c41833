"""Options that several verbs share, with Ansible's names and meaning."""

import functools
import getpass
import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from ..report.formats import Format, of_any_view
from . import completion, output
from .state import state

if TYPE_CHECKING:
    from ..wiring.workspace import Access, Workspace

Output = Annotated[
    Format,
    typer.Option(
        "-o",
        "--output",
        metavar="table|json|yaml",
        callback=of_any_view,
        help="Form of the result.",
    ),
]
# For verbs whose view is a `RowsView`.
RowsOutput = Annotated[Format, typer.Option("-o", "--output", help="Form of the result.")]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="PATTERN",
        help="Leave this package out, by source or binary name, and all that needs it; may be "
        "repeated.",
    ),
]
ExcludeReason = Annotated[str, typer.Option("--reason", help="Why --exclude; kept in the plan.")]
Limit = Annotated[
    str,
    typer.Option(
        "--limit",
        metavar="PATTERN",
        help="Only these hosts (Ansible's patterns).",
        autocompletion=completion.limit,
    ),
]

_ACCESS: dict[str, tuple[Any, Any]] = {
    "inventory": (
        Annotated[
            list[str] | None,
            typer.Option(
                "-i", "--inventory", metavar="SOURCE", help="Inventory source; may be repeated."
            ),
        ],
        None,
    ),
    "user": (
        Annotated[str, typer.Option("-u", "--user", metavar="NAME", help="Log in as NAME.")],
        "",
    ),
    "private_key": (
        Annotated[
            str, typer.Option("--private-key", metavar="FILE", help="SSH key to log in with.")
        ],
        "",
    ),
    "ask_pass": (
        Annotated[
            bool, typer.Option("-k", "--ask-pass", help="Ask for the password to log in with.")
        ],
        False,
    ),
    "ask_become_pass": (
        Annotated[
            bool, typer.Option("-K", "--ask-become-pass", help="Ask for the privilege password.")
        ],
        False,
    ),
    "vault_id": (
        Annotated[
            list[str] | None,
            typer.Option("--vault-id", metavar="ID", help="Vault identity; may be repeated."),
        ],
        None,
    ),
    "vault_password_file": (
        Annotated[
            str, typer.Option("--vault-password-file", metavar="FILE", help="Vault password file.")
        ],
        "",
    ),
    "ask_vault_pass": (
        Annotated[bool, typer.Option("--ask-vault-pass", help="Ask for the vault password.")],
        False,
    ),
    "extra_vars": (
        Annotated[
            list[str] | None,
            typer.Option(
                "-e", "--extra-vars", metavar="VARS", help="Variables for Ansible; may be repeated."
            ),
        ],
        None,
    ),
    "forks": (
        Annotated[int, typer.Option("-f", "--forks", help="Hosts at once.", show_default=False)],
        0,
    ),
}


_CHANGES: dict[str, tuple[Any, Any]] = {
    "ephemeral_state": (
        Annotated[
            bool,
            typer.Option(
                "--ephemeral-state",
                envvar="PATCHCTL_EPHEMERAL_STATE",
                help="With CI set: work though the state is lost with the checkout.",
            ),
        ],
        False,
    ),
}


def reaches_hosts(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb Ansible's options for inventory and access.

    The verb declares `ctx` and `workspace: Workspace` and gets the opened workspace.
    """
    return _with_workspace(command, _ACCESS)


def takes_access(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the same options to a verb that opens the workspace itself, because it may be broken.

    The verb declares `ctx` and `access: Access`.
    """
    return _with_workspace(command, _ACCESS, handed="access")


def changes_hosts(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the same options to a verb that changes hosts, and refuse a state that is lost with the
    checkout.
    """
    return _with_workspace(command, {**_ACCESS, **_CHANGES})


def _with_workspace(
    command: Callable[..., Any], options: dict[str, tuple[Any, Any]], handed: str = "workspace"
) -> Callable[..., Any]:
    original = inspect.signature(command)
    own = [p for name, p in original.parameters.items() if name != handed]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
        for name, (hint, default) in options.items()
    ]

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        given = {name: kwargs.pop(name) for name in options}
        ephemeral = given.pop("ephemeral_state", None)
        ctx: typer.Context = kwargs["ctx"]
        if handed == "access":
            return command(*args, access=_access(**given), **kwargs)
        workspace = open_workspace(ctx, **given)
        # A check stores nothing that must not be lost.
        if ephemeral is not None and not kwargs.get("check"):
            refuse_ephemeral_state(workspace, ephemeral=ephemeral)
        return command(*args, workspace=workspace, **kwargs)

    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    wrapper.__signature__ = original.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {
        **{p.name: p.annotation for p in own},
        **{name: hint for name, (hint, _) in options.items()},
        "return": None,
    }
    return wrapper


def open_workspace(ctx: typer.Context, **given: Any) -> "Workspace":
    """Return the workspace, with the inventory and access that the command line gives."""
    from ..wiring.workspace import open_workspace

    options = state(ctx)
    return open_workspace(
        options.directory, options.caller, _access(**given), trusted=options.trusted
    )


def refuse_ephemeral_state(workspace: "Workspace", *, ephemeral: bool) -> None:
    """Raise UsageError where a pipeline would lose the state, unless `ephemeral` says that this is
    wanted.
    """
    from ..wiring import guards

    if not ephemeral:
        guards.refuse_ephemeral_state(workspace.root, workspace.state, workspace.caller)


def _access(**given: Any) -> "Access":
    from ..wiring.workspace import Access

    identities: list[str] = given["vault_id"] or []
    login, become = _passwords(log_in=given["ask_pass"], become=given["ask_become_pass"])
    return Access(
        sources=tuple(given["inventory"] or ()),
        user=given["user"],
        private_key=given["private_key"],
        ssh_password=login,
        become_password=become,
        vault_ids=tuple(identity for identity in identities if _label(identity) is None),
        vault_password_file=given["vault_password_file"],
        vault_password=_ask("vault", "Vault password: ") if given["ask_vault_pass"] else None,
        vault_passwords=tuple(
            (label, _ask("vault", f"Vault password ({label}): "))
            for label in map(_label, identities)
            if label is not None
        ),
        extra_vars=tuple(given["extra_vars"] or ()),
        forks=given["forks"],
    )


def _label(identity: str) -> str | None:
    """Return the label of a vault identity that asks for its password, None for one with a file."""
    label, _, source = identity.rpartition("@")
    return (label or "default") if source == "prompt" else None


def _passwords(*, log_in: bool, become: bool) -> tuple[str | None, str | None]:
    """Ask for the passwords as `ansible` does: if both are wanted, an empty second answer means the
    first.
    """
    first = _ask("ssh", "SSH password: ") if log_in else None
    if not become:
        return first, None
    hint = "[defaults to SSH password]" if log_in else ""
    return first, _ask("become", f"BECOME password{hint}: ") or first or ""


_WITHOUT_TERMINAL = {
    "ssh": "log in with a key, or keep ansible_password vaulted in the inventory",
    "become": "set ansible.become_password_file in patchctl.yml, or keep ansible_become_password"
    " vaulted in the inventory",
    "vault": "give --vault-password-file, or --vault-id LABEL@FILE",
}


def _ask(what: str, prompt: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError(
            f"no terminal to ask for the {what} password on", hint=_WITHOUT_TERMINAL[what]
        )
    return getpass.getpass(prompt, stream=sys.stderr)


def can_confirm(*, yes: bool) -> None:
    """Raise UsageError where a later `confirm` would get no answer. Call it before any work."""
    if not yes and not sys.stdin.isatty():
        raise UsageError("nothing was changed: no terminal to ask on", hint="add --yes")


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is changed. Without a terminal only `--yes` answers.

    Raises UsageError where nobody can answer, typer.Exit(2) on a no.
    """
    can_confirm(yes=yes)
    if yes:
        return
    output.flush()
    if not typer.confirm(question, err=True):
        raise typer.Exit(2)


def confirm_at_terminal(question: str, *, yes: bool) -> None:
    """Ask before something ends for good, where a person can answer. Pipelines are not asked: they
    have called such a verb without `--yes` before it asked.

    Raises typer.Exit(2) on a no.
    """
    if sys.stdin.isatty():
        confirm(question, yes=yes)
