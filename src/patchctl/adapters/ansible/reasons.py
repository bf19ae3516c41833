"""What Ansible, ssh and sudo say when a host fails, in one line of plain words."""

import re
from enum import StrEnum

from ...protocol.cleaning import sentence


class Stage(StrEnum):
    """How far the way to a host's answer was gone when it ended, in its order."""

    INVENTORY = "inventory"
    RESOLVE = "resolve"
    CONNECT = "connect"
    HOST_KEY = "host-key"
    LOGIN = "login"
    PRIVILEGE = "privilege"
    ANSWER = "answer"


NO_SPACE = "no space left on the host"

# The first match wins, so what ssh says before its last line comes first: a changed host key also
# ends with "Host key verification failed", and most failures with "Connection closed".
_KNOWN = [
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host key changed; if the host was really re-installed, mend known_hosts",
        Stage.HOST_KEY,
    ),
    (
        r"No \S+ host key is known for|Host key verification failed",
        "the host key is not known; add it to known_hosts after checking it",
        Stage.HOST_KEY,
    ),
    (
        r"UNPROTECTED PRIVATE KEY FILE|bad permissions",
        "the private key is readable by others",
        Stage.LOGIN,
    ),
    (
        r"Could not resolve hostname|Name or service not known",
        "the host's name does not resolve",
        Stage.RESOLVE,
    ),
    (r"Connection refused", "connection refused: nothing listens on the ssh port", Stage.CONNECT),
    (r"No route to host|Network is unreachable", "no route to the host", Stage.CONNECT),
    (
        r"Connection timed out during banner exchange",
        "timeout: connected, but sshd does not answer",
        Stage.CONNECT,
    ),
    (
        r"Connection timed out|Operation timed out|timed out\b.*ssh",
        "timeout while connecting",
        Stage.CONNECT,
    ),
    (
        r"Too many authentication failures",
        "permission denied: the agent offers too many keys",
        Stage.LOGIN,
    ),
    (
        r"Permission denied \(([a-z,-]+)\)",
        "permission denied: the host accepts neither the key nor the user",
        Stage.LOGIN,
    ),
    (r"Invalid/incorrect password", "permission denied: wrong ssh password", Stage.LOGIN),
    (
        r"Missing (\S+) password|a password is required",
        "sudo needs a password (-K)",
        Stage.PRIVILEGE,
    ),
    (r"Incorrect (\S+) password", "wrong sudo password", Stage.PRIVILEGE),
    (
        r"is not in the sudoers file|is not allowed to (?:execute|run)",
        "sudo is not allowed there",
        Stage.PRIVILEGE,
    ),
    (r"(?:sudo|su|doas): (?:command )?not found", "sudo is not installed there", Stage.PRIVILEGE),
    (
        r"sudo: (?:sorry, )?you must have a tty",
        "sudo there demands a terminal (requiretty)",
        Stage.PRIVILEGE,
    ),
    (r"waiting for privilege escalation", "timeout while waiting for sudo", Stage.PRIVILEGE),
    (
        r"account (?:has )?expired|password has expired|must change your password",
        "account expired",
        Stage.LOGIN,
    ),
    (
        r"kex_exchange_identification|Connection reset",
        "the host closed the connection",
        Stage.CONNECT,
    ),
    (
        r"no matching (host key|cipher|key exchange|MAC)",
        "ssh finds no common algorithm",
        Stage.CONNECT,
    ),
    (r"No space left on device", NO_SPACE, Stage.ANSWER),
    (r"Timed out after (\d+) second", "no answer within {0} s", Stage.ANSWER),
    (
        r"(?:Decryption failed|no vault secrets)",
        "a vaulted value cannot be opened (--vault-id)",
        Stage.INVENTORY,
    ),
    (
        # `meta: refresh_inventory` in what a hook includes; `task_file` finds it in the hook.
        r"failed to parse inventory source \S*/given/",
        "refresh_inventory found nothing to read: take it out, a run's inventory is removed once"
        " it was read",
        Stage.ANSWER,
    ),
    (
        r"worker was found in a dead state",
        "the task's process died on the controller",
        Stage.ANSWER,
    ),
    (
        r"(?:Connection|Shared connection).*closed|Broken pipe",
        "the connection was lost",
        Stage.ANSWER,
    ),
]
# The same refusal where a password was offered, which ssh does not say.
_DENIED = re.compile(r"Permission denied \(([a-z,-]+)\)", re.IGNORECASE)
_BY_PASSWORD = frozenset({"password", "keyboard-interactive"})
_WRONG = "permission denied: wrong ssh password"
_TAKES_NONE = "permission denied: the host takes no password"
REFUSED_KEY = "permission denied: the host accepts neither the key nor the user"
REFUSED_PASSWORD = frozenset(
    {
        _WRONG,
        _TAKES_NONE,
        "sudo needs a password (-K)",
        "wrong sudo password",
        "a vaulted value cannot be opened (--vault-id)",
    }
)
_PATTERNS = [(re.compile(pattern, re.IGNORECASE), words) for pattern, words, _ in _KNOWN]
_STAGES = [
    (re.compile(re.escape(words).replace(r"\{0\}", ".*")), stage)
    for _, words, stage in (*_KNOWN, ("", _TAKES_NONE, Stage.LOGIN))
]
_PREFIXES = re.compile(
    r"^(?:ERROR!|\[ERROR\]:|Task failed:|Action failed:|Failed to connect to the host via ssh:"
    r"|Data could not be sent to remote host \"[^\"]*\"\. Make sure this host can be reached over"
    r" ssh:)\s*"
)


def explain(
    message: str, otherwise: str = "failed without a message", *, password: bool = False
) -> str:
    """Plain words for a known failure, else the message's first line, cleaned and bounded.

    `password`: ssh had one to offer.
    """
    for pattern, words in _PATTERNS:
        if found := pattern.search(message):
            return _of_password(message, words.format(*found.groups()), offered=password)
    line = next((line for line in message.splitlines() if line.strip()), "")
    previous = None
    while previous != line:
        previous, line = line, _PREFIXES.sub("", line.strip())
    return sentence(line) or otherwise


def _of_password(message: str, words: str, *, offered: bool) -> str:
    denied = _DENIED.search(message)
    if not offered or denied is None or words != REFUSED_KEY:
        return words
    # The host names the ways that are left to try: passwords are among them where it takes any.
    return _WRONG if _BY_PASSWORD & set(denied[1].split(",")) else _TAKES_NONE


def stage(reason: str) -> Stage:
    """Where the way ended for which `explain` gave this reason; ANSWER where nobody knows."""
    return next((stage for words, stage in _STAGES if words.fullmatch(reason)), Stage.ANSWER)
