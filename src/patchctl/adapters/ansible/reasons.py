"""Translate what Ansible, ssh and sudo say of a failed host into a code and one plain line.

This is the only module that reads their English; everybody else looks at the code.
"""

import re
from dataclasses import dataclass

from ...models.reach import Reason, ReasonCode
from ...protocol.cleaning import sentence

# The first match wins, so what ssh says before its last line comes first: a changed host key also
# ends with "Host key verification failed", and most failures with "Connection closed".
# `{become}` is the host's become method, or what the message itself says (`how`).
_DOAS_WANTS_TERMINAL = (
    "doas wants a password and takes it on a terminal only, which is not supported;"
    " permit nopass there"
)
_KNOWN = [
    # The refusal of `inventory.withheld_hosts`, in whatever Ansible says around it.
    (r"(the \w+ hook does not see \S+: add [^\n]+)", "{0}", ReasonCode.UNSEEN),
    (
        r"the connection plugin '(?:[\w.]+\.)?"
        r"(network_cli|netconf|httpapi|winrm|psrp)' was not found",
        "the connection {0} is not supported: patchctl needs a POSIX shell, as ssh has it",
        ReasonCode.UNSUPPORTED,
    ),
    (
        r"The 'powershell' shell plugin does not support become"
        r"|(?:winrm or requests|pypsrp\S*(?: or dependencies)?) is not installed",
        "Windows (winrm, psrp, PowerShell) is not supported",
        ReasonCode.UNSUPPORTED,
    ),
    (
        r"does not support optimized module pipelining|paramiko is not installed",
        "this connection is not supported: it carries no scripts (pipelining); use ssh",
        ReasonCode.UNSUPPORTED,
    ),
    (
        r"Could not find the shell plugin required \(([\w.]+)\)",
        "the shell {0} is not supported: patchctl needs a POSIX shell",
        ReasonCode.UNSUPPORTED,
    ),
    (
        r"the connection plugin '([\w.]+)' was not found",
        "the connection {0} has no plugin here",
        ReasonCode.NO_PLUGIN,
    ),
    (
        r"could not find matching plugin: '([\w.]+)'",
        "the become method {0} has no plugin here",
        ReasonCode.NO_PLUGIN,
    ),
    (
        r"(?:Decryption failed|no vault secrets|undecryptable variable)",
        "a vaulted value cannot be opened (--vault-id)",
        ReasonCode.VAULT_CLOSED,
    ),
    (
        r"Error processing keyword '(\w+)': ([^\n]{1,200})",
        "the inventory's {0} cannot be used: {1}",
        ReasonCode.BAD_VARIABLE,
    ),
    (
        r"from 'var: (\w+)' has an invalid value: ([^\n]{1,200})",
        "the inventory's {0} cannot be used: {1}",
        ReasonCode.BAD_VARIABLE,
    ),
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host key changed; if the host was really re-installed, fix known_hosts",
        ReasonCode.HOST_KEY_CHANGED,
    ),
    (
        r"No \S+ host key is known for|Host key verification failed",
        "the host key is not known; add it to known_hosts after checking it",
        ReasonCode.HOST_KEY_UNKNOWN,
    ),
    (
        r"UNPROTECTED PRIVATE KEY FILE|bad permissions",
        "the private key is readable by others",
        ReasonCode.KEY_READABLE,
    ),
    (
        r"Could not resolve hostname ([^\s:]+)",
        "the name {0} does not resolve",
        ReasonCode.NAME_UNKNOWN,
    ),
    (r"Name or service not known", "the host's name does not resolve", ReasonCode.NAME_UNKNOWN),
    (
        # ssh cannot name the peer where a program connects for it, and hides that program's error.
        r"by UNKNOWN port 65535",
        "the jump host, or the ProxyCommand, gave no connection; try it by itself",
        ReasonCode.CLOSED,
    ),
    (
        r"Connection refused",
        "connection refused: nothing listens on the ssh port",
        ReasonCode.REFUSED_CONNECTION,
    ),
    (r"No route to host|Network is unreachable", "no route to the host", ReasonCode.NO_ROUTE),
    (
        r"Connection timed out during banner exchange",
        "timeout: connected, but sshd does not answer",
        ReasonCode.SSHD_SILENT,
    ),
    (
        r"Connection timed out|Operation timed out|timed out\b.*ssh",
        "timeout while connecting",
        ReasonCode.CONNECT_TIMEOUT,
    ),
    (
        r"Too many authentication failures",
        "permission denied: the agent offers too many keys",
        ReasonCode.TOO_MANY_KEYS,
    ),
    (
        r"Permission denied \(([a-z,-]+)\)",
        "permission denied: the host accepts neither the key nor the user",
        ReasonCode.REFUSED_KEY,
    ),
    (
        r"Invalid/incorrect password",
        "permission denied: wrong ssh password",
        ReasonCode.WRONG_PASSWORD,
    ),
    (
        # doas reads no password from a pipe, and a script's connection has nothing else.
        r"(?:Missing|Incorrect) (?:[\w.]+\.)?doas password|doas: a tty is required"
        r"|doas: Auth(?:entication|orization) (?:required|failed)",
        _DOAS_WANTS_TERMINAL,
        ReasonCode.SUDO_WANTS_TERMINAL,
    ),
    (
        r"Missing (?P<how>\S+) password|a password is required",
        "{become} wants a password (-K)",
        ReasonCode.SUDO_WANTS_PASSWORD,
    ),
    (
        r"Incorrect (?P<how>\S+) password|su: Authentication failure",
        "wrong {become} password",
        ReasonCode.WRONG_SUDO_PASSWORD,
    ),
    (
        r"is not in the sudoers file|is not allowed to (?:execute|run)"
        r"|doas: Operation not permitted|su: Permission denied",
        "{become} is not allowed there",
        ReasonCode.SUDO_FORBIDDEN,
    ),
    (
        r"\b(sudo|su|doas): (?:command )?not found",
        "{0} is not installed there",
        ReasonCode.NO_SUDO,
    ),
    (
        r"sudo: (?:sorry, )?you must have a tty",
        "{become} there demands a terminal (requiretty)",
        ReasonCode.SUDO_WANTS_TERMINAL,
    ),
    (
        r"waiting for privilege escalation",
        "timeout while waiting for {become}",
        ReasonCode.SUDO_TIMEOUT,
    ),
    (
        r"account (?:has )?expired|password has expired|must change your password",
        "account expired",
        ReasonCode.ACCOUNT_EXPIRED,
    ),
    (
        r"kex_exchange_identification|Connection reset",
        "the host closed the connection",
        ReasonCode.CLOSED,
    ),
    (
        r"no matching (host key|cipher|key exchange|MAC)",
        "ssh finds no common algorithm",
        ReasonCode.NO_ALGORITHM,
    ),
    (r"No space left on device", "no space left on the host", ReasonCode.NO_SPACE),
    (r"Timed out after (\d+) second", "no answer within {0} s", ReasonCode.TIMEOUT),
    (
        # `meta: refresh_inventory` in what a hook includes; `task_file` finds it in the hook.
        r"failed to parse inventory source \S*/given/",
        "refresh_inventory found nothing to read: take it out, a run's inventory is removed once"
        " it was read",
        ReasonCode.INVENTORY_GONE,
    ),
    (
        r"worker was found in a dead state",
        "the task's process died on the controller",
        ReasonCode.WORKER_DIED,
    ),
    (
        r"(?:Connection|Shared connection).*closed|Broken pipe",
        "the connection was lost",
        ReasonCode.CONNECTION_LOST,
    ),
]
# A program that a script calls, as dash, bash and BusyBox name it.
_NOT_FOUND = re.compile(r": (?:line )?(?:\d+: )?([A-Za-z0-9_.+-]+): (?:command )?not found$")
# The same refusal where a password was offered, which ssh does not say.
_DENIED = re.compile(r"Permission denied \(([a-z,-]+)\)", re.IGNORECASE)
_BY_PASSWORD = frozenset({"password", "keyboard-interactive"})
_WRONG = Reason(code=ReasonCode.WRONG_PASSWORD, text="permission denied: wrong ssh password")
_TAKES_NONE = Reason(
    code=ReasonCode.TAKES_NO_PASSWORD, text="permission denied: the host takes no password"
)
_PATTERNS = [(re.compile(pattern, re.IGNORECASE), words, code) for pattern, words, code in _KNOWN]
_PREFIXES = re.compile(
    r"^(?:ERROR!|\[ERROR\]:|Task failed:|Action failed:|Failed to connect to the host via ssh:"
    r"|Data could not be sent to remote host \"[^\"]*\"\. Make sure this host can be reached over"
    r" ssh:)\s*"
)


@dataclass(frozen=True)
class Become:
    """How to become root on a host, and whether a password is offered for it."""

    method: str = "sudo"
    password: bool = False


def explain(
    message: str,
    otherwise: str = "failed without a message",
    *,
    password: bool = False,
    become: Become | None = None,
) -> Reason:
    """Code and plain words of a known failure, else UNKNOWN with the message's first line, cleaned
    and bounded.

    `password`: ssh had one to offer. `become`: the host's, which Ansible does not always name.
    """
    how = become or Become()
    for pattern, words, code in _PATTERNS:
        if match := pattern.search(message):
            if code is ReasonCode.REFUSED_KEY and password:
                return _password_reason(message)
            if code is ReasonCode.SUDO_TIMEOUT and how.method != "sudo" and not how.password:
                # Of the methods only sudo can be told not to ask, and says that it wants one.
                return _wants_password(how.method)
            method = match.groupdict().get("how") or how.method
            text = words.format(*match.groups(), become=method.rpartition(".")[2])
            return Reason(code=code, text=sentence(text))
    line = next((line for line in message.splitlines() if line.strip()), "")
    previous = None
    while previous != line:
        previous, line = line, _PREFIXES.sub("", line.strip())
    return Reason(code=ReasonCode.UNKNOWN, text=sentence(line) or otherwise)


def _wants_password(method: str) -> Reason:
    if method == "doas":
        return Reason(code=ReasonCode.SUDO_WANTS_TERMINAL, text=_DOAS_WANTS_TERMINAL)
    return Reason(code=ReasonCode.SUDO_WANTS_PASSWORD, text=f"{method} wants a password (-K)")


def script_reason(rc: int, errors: str) -> str:
    """Why a script ended so: the program that the host does not have, or its last line."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    if rc == 127 and (missing := _NOT_FOUND.search(lines[-1] if lines else "")):
        return f"{missing[1]} is missing on the host"
    return sentence(f"exit code {rc}: {lines[-1]}" if lines else f"exit code {rc}")


def _password_reason(message: str) -> Reason:
    denied = _DENIED.search(message)
    # The host names the ways that are left to try: passwords are among them where it takes any.
    ways = set(denied[1].split(",")) if denied is not None else set()
    return _WRONG if _BY_PASSWORD & ways else _TAKES_NONE
