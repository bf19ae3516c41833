"""Define the published decision tables: SSVC Deployer and CISA's BOD 26-04.

Source: CERT/CC SSVC, `data/csv`: deployer_patch_application_priority 1.0.0 (72 rows) and
cisa_bod_26_04 1.0.0 (16 rows).
"""

from enum import Enum
from itertools import product

from ...models.priority import Criticality, Decision, Exposure

# The first letters of SSVC's outcomes for deployers.
_LETTERS = {
    "d": Decision.DEFER,
    "s": Decision.SCHEDULED,
    "o": Decision.OUT_OF_CYCLE,
    "i": Decision.ACT,
}
# A line for each exploitation; in it groups for exposure small, controlled, open, each with
# automatable no, then yes; in a group a letter for human impact low, medium, high, very high.
_DEPLOYER = {
    "none": "ddss dsss  dsss ssss  dsss ssso",
    "poc": "dsss ssss  dsss ssso  ssso ssoo",
    "active": "ssoo sooo  ssoo oooo  sooi ooii",
}
_OPENING = (Exposure.SMALL, Exposure.CONTROLLED, Exposure.OPEN)

# (exploitation, exposure, automatable, human impact) -> decision
DEPLOYER: dict[tuple[str, Exposure, bool, Criticality], Decision] = {
    (exploitation, exposure, automatable, impact): _LETTERS[letter]
    for exploitation, line in _DEPLOYER.items()
    for (exposure, automatable), group in zip(
        product(_OPENING, (False, True)), line.split(), strict=True
    )
    for impact, letter in zip(Criticality, group, strict=True)
}


class Timeline(Enum):
    """BOD 26-04's outcomes: calendar days (None: no deadline), and the outcome in words."""

    TRIAGE = (3, "3 days and a forensic investigation")
    THREE_DAYS = (3, "3 days")
    TWO_WEEKS = (14, "14 days")
    SIXTY_DAYS = (60, "60 days")
    ON_UPGRADE = (None, "with the next system upgrade")

    def __init__(self, days: int | None, words: str) -> None:
        self.days = days
        self.words = words


_T = Timeline
# (publicly exposed, automatable) -> timelines for partial and total technical impact.
_UNLISTED = {
    (False, False): (_T.ON_UPGRADE, _T.ON_UPGRADE),
    (False, True): (_T.SIXTY_DAYS, _T.SIXTY_DAYS),
    (True, False): (_T.SIXTY_DAYS, _T.TWO_WEEKS),
    (True, True): (_T.TWO_WEEKS, _T.THREE_DAYS),
}
_LISTED = {
    (False, False): (_T.TWO_WEEKS, _T.TWO_WEEKS),
    (False, True): (_T.TWO_WEEKS, _T.TRIAGE),
    (True, False): (_T.TWO_WEEKS, _T.TRIAGE),
    (True, True): (_T.THREE_DAYS, _T.TRIAGE),
}
# (in KEV, publicly exposed, automatable, total technical impact) -> timeline
BOD_26_04: dict[tuple[bool, bool, bool, bool], Timeline] = {
    (listed, exposed, automatable, total): pair[total]
    for listed, table in ((False, _UNLISTED), (True, _LISTED))
    for (exposed, automatable), pair in table.items()
    for total in (False, True)
}
