"""What Ansible, ssh and sudo say when a host fails: a code, and one line of plain words.

This is the only place that reads their English; everybody else looks at the code.
"""

import re

from ...models.reach import Reason, ReasonCode
from ...protocol.cleaning import sentence

# The first match wins, so what ssh says before its last line comes first: a changed host key also
# ends with "Host key verification failed", and most failures with "Connection closed".
_KNOWN = [
    # What `inventory.unseen` says, in whatever Ansible says around it.
    (r"(the \w+ hook does not see \S+: add [^\n]+)", "{0}", ReasonCode.UNSEEN),
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host key changed; if the host was really re-installed, mend known_hosts",
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
        r"Could not resolve hostname|Name or service not known",
        "the host's name does not resolve",
        ReasonCode.NAME_UNKNOWN,
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
        r"Missing (\S+) password|a password is required",
        "sudo needs a password (-K)",
        ReasonCode.SUDO_WANTS_PASSWORD,
    ),
    (r"Incorrect (\S+) password", "wrong sudo password", ReasonCode.WRONG_SUDO_PASSWORD),
    (
        r"is not in the sudoers file|is not allowed to (?:execute|run)",
        "sudo is not allowed there",
        ReasonCode.SUDO_FORBIDDEN,
    ),
    (
        r"(?:sudo|su|doas): (?:command )?not found",
        "sudo is not installed there",
        ReasonCode.NO_SUDO,
    ),
    (
        r"sudo: (?:sorry, )?you must have a tty",
        "sudo there demands a terminal (requiretty)",
        ReasonCode.SUDO_WANTS_TERMINAL,
    ),
    (
        r"waiting for privilege escalation",
        "timeout while waiting for sudo",
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
        r"(?:Decryption failed|no vault secrets)",
        "a vaulted value cannot be opened (--vault-id)",
        ReasonCode.VAULT_CLOSED,
    ),
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


def explain(
    message: str, otherwise: str = "failed without a message", *, password: bool = False
) -> Reason:
    """Code and plain words of a known failure, else UNKNOWN with the message's first line, cleaned
    and bounded.

    `password`: ssh had one to offer.
    """
    for pattern, words, code in _PATTERNS:
        if found := pattern.search(message):
            if code is ReasonCode.REFUSED_KEY and password:
                return _of_password(message)
            return Reason(code=code, text=sentence(words.format(*found.groups())))
    line = next((line for line in message.splitlines() if line.strip()), "")
    previous = None
    while previous != line:
        previous, line = line, _PREFIXES.sub("", line.strip())
    return Reason(code=ReasonCode.UNKNOWN, text=sentence(line) or otherwise)


def _of_password(message: str) -> Reason:
    denied = _DENIED.search(message)
    # The host names the ways that are left to try: passwords are among them where it takes any.
    ways = set(denied[1].split(",")) if denied is not None else set()
    return _WRONG if _BY_PASSWORD & ways else _TAKES_NONE
