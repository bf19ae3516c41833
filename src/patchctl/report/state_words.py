"""Say states and decisions in the words that people read, the same in all reports."""

from collections.abc import Mapping
from enum import StrEnum

from ..models.assessment import FindingState
from ..models.fleet_status import Gap
from ..models.verification import VerifiedState

# By class, since classes share values: `not_effective` of a finding is not that of a host.
_WORDS: Mapping[type[StrEnum], Mapping[str, str]] = {
    FindingState: {
        FindingState.FIXABLE: "fixable now",
        FindingState.NOT_EFFECTIVE: "installed, not effective",
        FindingState.NOT_IN_REPOSITORIES: "fix not in the host's repositories",
        FindingState.NO_FIX: "no fix yet",
        FindingState.WONT_FIX: "vendor will not fix",
    },
    VerifiedState: {VerifiedState.OPEN: "CVEs open"},
    Gap: {
        Gap.LOOK_FAILED: "last look failed",
        Gap.OLD_LOOK: "last look is old",
        Gap.PATCHED_SINCE: "patched since the last look",
        Gap.UPDATES_UNREAD: "pending updates not read",
        Gap.REPOSITORIES: "repositories not read or old",
        Gap.REBOOT_UNREAD: "reboot and restarts not read",
        Gap.NO_FEED: "no feed about its system",
        Gap.STALE_FEED: "feeds too old",
    },
}
# States of runs, hosts and stages. They use the command line's word "undo".
_OF_RUNS: Mapping[str, str] = {
    "rolling_back": "undoing",
    "rolled_back": "undone",
    "rollback_failed": "undo failed",
}
_DECISIONS: Mapping[str, str] = {"act": "act now"}


def state_word(state: StrEnum) -> str:
    """A state of a finding, a verified host, a ring, a run, a host or a stage.

    >>> state_word(FindingState.NOT_EFFECTIVE), state_word(VerifiedState.NOT_EFFECTIVE)
    ('installed, not effective', 'not effective')
    """
    return _WORDS.get(type(state), _OF_RUNS).get(state) or plain(state)


def run_word(state: str) -> str:
    """The state of a run, a host or a stage by its value, where no more than that is known.

    >>> run_word("rolled_back"), run_word("needs_human")
    ('undone', 'needs human')
    """
    return _OF_RUNS.get(state) or plain(state)


def decision_word(decision: str) -> str:
    """How urgent a finding is.

    >>> decision_word("act"), decision_word("out_of_cycle")
    ('act now', 'out of cycle')
    """
    return _DECISIONS.get(decision) or plain(decision)


def plain(value: str) -> str:
    """An enum's value with spaces for underscores.

    >>> plain("out_of_cycle")
    'out of cycle'
    """
    return value.replace("_", " ")
