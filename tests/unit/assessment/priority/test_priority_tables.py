"""The decision tables: rows of the published tables, and properties of each table."""

import csv
from itertools import product
from pathlib import Path

import pytest

from patchctl.assessment.priority.decision_tables import BOD_26_04, DEPLOYER, Timeline
from patchctl.models.priority import Criticality, Decision, Exposure

DATA = Path(__file__).parents[3] / "data" / "ssvc"
OUTCOMES = {
    "defer": Decision.DEFER,
    "scheduled": Decision.SCHEDULED,
    "out-of-cycle": Decision.OUT_OF_CYCLE,
    "immediate": Decision.ACT,
}
TIMELINES = {
    "3 days & forensic investigation": Timeline.TRIAGE,
    "3 days": Timeline.THREE_DAYS,
    "14 days": Timeline.TWO_WEEKS,
    "60 days": Timeline.SIXTY_DAYS,
    "fix on system upgrade": Timeline.ON_UPGRADE,
}
Row = tuple[str, Exposure, bool, Criticality]


def rows(name: str) -> list[list[str]]:
    with (DATA / name).open(newline="") as file:
        return [row[1:] for row in csv.reader(file)][1:]


def deployer_row(row: list[str]) -> Row:
    exploitation, exposure, automatable, impact = row
    return (
        exploitation.removeprefix("public "),
        Exposure(exposure),
        automatable == "yes",
        Criticality[impact.upper().replace(" ", "_")],
    )


def test_every_row_of_the_deployer_table_is_the_published_one() -> None:
    published = {
        deployer_row(row[:4]): OUTCOMES[row[4]]
        for row in rows("deployer_patch_application_priority_1_0_0.csv")
    }
    assert len(published) == 72
    assert published == DEPLOYER


def test_every_row_of_bod_26_04_is_the_published_one() -> None:
    published = {}
    for listed, exposed, automatable, impact, outcome in rows("cisa_bod_26_04_1_0_0.csv"):
        points = (listed == "yes", exposed == "yes", automatable == "yes", impact == "total")
        published[points] = TIMELINES[outcome]
    assert len(published) == 16
    assert published == BOD_26_04


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        (["none", "small", "no", "low"], "defer"),
        (["none", "small", "no", "high"], "scheduled"),
        (["none", "controlled", "yes", "low"], "scheduled"),
        (["none", "open", "yes", "very high"], "out-of-cycle"),
        (["public poc", "small", "no", "low"], "defer"),
        (["public poc", "controlled", "yes", "very high"], "out-of-cycle"),
        (["public poc", "open", "yes", "medium"], "scheduled"),
        (["public poc", "open", "yes", "high"], "out-of-cycle"),
        (["active", "small", "no", "medium"], "scheduled"),
        (["active", "controlled", "yes", "low"], "out-of-cycle"),
        (["active", "open", "no", "high"], "out-of-cycle"),
        (["active", "open", "no", "very high"], "immediate"),
        (["active", "open", "yes", "high"], "immediate"),
    ],
)
def test_rows_of_the_deployer_table(row: list[str], outcome: str) -> None:
    assert DEPLOYER[deployer_row(row)] is OUTCOMES[outcome]


@pytest.mark.parametrize(
    ("listed", "exposed", "automatable", "total", "outcome"),
    [
        (False, False, False, True, "fix on system upgrade"),
        (False, False, True, True, "60 days"),
        (False, True, False, True, "14 days"),
        (False, True, True, True, "3 days"),
        (True, False, False, False, "14 days"),
        (True, True, True, False, "3 days"),
        (True, True, False, True, "3 days & forensic investigation"),
        (True, False, True, True, "3 days & forensic investigation"),
        (True, True, True, True, "3 days & forensic investigation"),
    ],
)
def test_rows_of_bod_26_04(
    listed: bool, exposed: bool, automatable: bool, total: bool, outcome: str
) -> None:
    assert BOD_26_04[listed, exposed, automatable, total] is TIMELINES[outcome]


def test_the_tables_are_whole() -> None:
    exposures, impacts = list(Exposure), list(Criticality)
    every = product(("none", "poc", "active"), exposures, (False, True), impacts)
    assert set(DEPLOYER) == set(every)
    assert set(BOD_26_04) == set(product((False, True), repeat=4))


def test_a_worse_point_never_gives_a_laxer_outcome() -> None:
    worse = {"none": "poc", "poc": "active"}
    opener = {Exposure.SMALL: Exposure.CONTROLLED, Exposure.CONTROLLED: Exposure.OPEN}
    for (exploitation, exposure, automatable, impact), decision in DEPLOYER.items():
        for other in (
            (worse.get(exploitation, exploitation), exposure, automatable, impact),
            (exploitation, opener.get(exposure, exposure), automatable, impact),
            (exploitation, exposure, True, impact),
            (exploitation, exposure, automatable, Criticality(min(4, impact + 1))),
        ):
            assert DEPLOYER[other].urgency <= decision.urgency
    for points, timeline in BOD_26_04.items():
        for point in range(4):
            worst = BOD_26_04[tuple(n == point or on for n, on in enumerate(points))]  # type: ignore[index]
            assert (worst.days or 999) <= (timeline.days or 999)
