"""Why a host gave no usable answer, and at which step: codes for programs, text for people."""

from enum import StrEnum, auto

from .base import Model


class Stage(StrEnum):
    """The steps of a connection on the way to a host's answer, in their order."""

    INVENTORY = "inventory"
    RESOLVE = "resolve"
    CONNECT = "connect"
    HOST_KEY = "host-key"
    LOGIN = "login"
    PRIVILEGE = "privilege"
    ANSWER = "answer"


class ReasonCode(StrEnum):
    """Why a host gave no usable answer. UNKNOWN: the cause is new; the text describes it."""

    UNKNOWN = auto()
    VAULT_CLOSED = auto()
    # patchctl does not support this connection, or cannot use it from this machine.
    UNSUPPORTED = auto()
    NO_PLUGIN = auto()
    BAD_VARIABLE = auto()
    NAME_UNKNOWN = auto()
    REFUSED_CONNECTION = auto()
    NO_ROUTE = auto()
    SSHD_SILENT = auto()
    CONNECT_TIMEOUT = auto()
    CLOSED = auto()
    NO_ALGORITHM = auto()
    HOST_KEY_CHANGED = auto()
    HOST_KEY_UNKNOWN = auto()
    KEY_READABLE = auto()
    TOO_MANY_KEYS = auto()
    REFUSED_KEY = auto()
    WRONG_PASSWORD = auto()
    TAKES_NO_PASSWORD = auto()
    ACCOUNT_EXPIRED = auto()
    SUDO_WANTS_PASSWORD = auto()
    WRONG_SUDO_PASSWORD = auto()
    SUDO_FORBIDDEN = auto()
    NO_SUDO = auto()
    SUDO_WANTS_TERMINAL = auto()
    SUDO_TIMEOUT = auto()
    NO_SPACE = auto()
    TIMEOUT = auto()
    INVENTORY_GONE = auto()
    WORKER_DIED = auto()
    CONNECTION_LOST = auto()
    # A hook would have reached or read a host that it is not allowed to see.
    UNSEEN = auto()
    # The host's answer is not complete.
    INCOMPLETE = auto()
    NO_MANAGER = auto()
    NO_PACKAGES = auto()


class Reason(Model):
    """A code, and one line of text for people."""

    code: ReasonCode
    text: str


# The stage at which each reason ends the connection; all other reasons are about the answer.
_STAGES = {
    Stage.INVENTORY: (
        ReasonCode.VAULT_CLOSED,
        ReasonCode.UNSUPPORTED,
        ReasonCode.NO_PLUGIN,
        ReasonCode.BAD_VARIABLE,
    ),
    Stage.RESOLVE: (ReasonCode.NAME_UNKNOWN,),
    Stage.CONNECT: (
        ReasonCode.REFUSED_CONNECTION,
        ReasonCode.NO_ROUTE,
        ReasonCode.SSHD_SILENT,
        ReasonCode.CONNECT_TIMEOUT,
        ReasonCode.CLOSED,
        ReasonCode.NO_ALGORITHM,
    ),
    Stage.HOST_KEY: (ReasonCode.HOST_KEY_CHANGED, ReasonCode.HOST_KEY_UNKNOWN),
    Stage.LOGIN: (
        ReasonCode.KEY_READABLE,
        ReasonCode.TOO_MANY_KEYS,
        ReasonCode.REFUSED_KEY,
        ReasonCode.WRONG_PASSWORD,
        ReasonCode.TAKES_NO_PASSWORD,
        ReasonCode.ACCOUNT_EXPIRED,
    ),
    Stage.PRIVILEGE: (
        ReasonCode.SUDO_WANTS_PASSWORD,
        ReasonCode.WRONG_SUDO_PASSWORD,
        ReasonCode.SUDO_FORBIDDEN,
        ReasonCode.NO_SUDO,
        ReasonCode.SUDO_WANTS_TERMINAL,
        ReasonCode.SUDO_TIMEOUT,
    ),
}
_STAGE_OF = {code: stage for stage, codes in _STAGES.items() for code in codes}

# The operator's password is missing or wrong, which is the same on every host that takes one.
REFUSED_PASSWORD = frozenset(
    {
        ReasonCode.WRONG_PASSWORD,
        ReasonCode.TAKES_NO_PASSWORD,
        ReasonCode.SUDO_WANTS_PASSWORD,
        ReasonCode.WRONG_SUDO_PASSWORD,
        ReasonCode.VAULT_CLOSED,
    }
)
# The host answered completely, but what it reported is not enough.
TOO_LITTLE = frozenset({ReasonCode.NO_MANAGER, ReasonCode.NO_PACKAGES})


def stage_of(code: ReasonCode) -> Stage:
    """Return the stage at which the connection ended."""
    return _STAGE_OF.get(code, Stage.ANSWER)
