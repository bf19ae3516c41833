"""The fleet on a screen, in JSON and in CSV."""

import msgspec
import pytest

from patchctl.models.fleet_status import (
    FleetStatus,
    Gap,
    Need,
    StatusCount,
    StatusCounts,
    StatusHost,
)
from patchctl.models.priority import Decision
from patchctl.models.rollout import RunState
from patchctl.models.snapshot import HostStatus
from patchctl.report import columns
from patchctl.report.fleet_status_view import FleetStatusView, Space
from patchctl.report.view import Lines, Note, Table, Title

FINDINGS = {
    Decision.ACT: 1,
    Decision.OUT_OF_CYCLE: 2,
    Decision.SCHEDULED: 3,
    Decision.DEFER: 4,
}
BAD = StatusHost(
    name="web1",
    ring="production",
    os="debian 12",
    pending=12,
    security=3,
    findings=10,
    overdue=2,
    reboot_required=True,
    looked_at="2026-11-23T12:10:05Z",
    patched_at="2026-10-01T01:00:00Z",
    held_by="r-1",
    held_state=RunState.HALTED,
    decisions=FINDINGS,
    excluded=1,
    excluded_findings=0,
    waived=0,
    restart_needed=0,
    last_look=HostStatus.OK,
    reason="",
    imported=False,
    groups=("all", "web"),
    needs=(Need.REBOOT, Need.UPDATES, Need.ATTENTION),
    unknown=(),
)
NEVER = msgspec.structs.replace(
    BAD,
    name="new1",
    os=None,
    pending=None,
    security=None,
    findings=None,
    overdue=None,
    reboot_required=None,
    looked_at=None,
    patched_at=None,
    held_by=None,
    held_state=None,
    decisions=None,
    excluded=None,
    excluded_findings=None,
    waived=None,
    restart_needed=None,
    last_look=None,
    needs=(Need.ATTENTION,),
    unknown=(Gap.NEVER_LOOKED_AT,),
)


def count(name: str | None, hosts: int) -> StatusCount:
    return StatusCount(
        name=name,
        hosts=hosts,
        well=0,
        updates=hosts - 1,
        security=1,
        act=1,
        overdue=1,
        excluded=1,
        reboot=1,
        restart=0,
        attention=hosts,
        held=1,
        unknown=1,
        updates_known=hosts - 1,
        reboot_known=hosts - 1,
        findings_known=hosts - 1,
        gaps={Gap.NEVER_LOOKED_AT: 1},
        findings=FINDINGS,
        overdue_findings=2,
    )


def status(*hosts: StatusHost, systems: int = 1) -> FleetStatus:
    every = count("all", len(hosts))
    return FleetStatus(
        as_of="2026-11-23T12:10:05Z",
        hosts=hosts,
        counts=StatusCounts(
            all=every,
            rings=(count("production", len(hosts)),),
            systems=tuple(count(f"system {number}", 2) for number in range(systems)),
        ),
        feeds_held=True,
        stale_feeds=("kev",),
        runs={"r-1": RunState.HALTED},
    )


def text(view: FleetStatusView, width: int | None = None) -> tuple[list[str], list[str]]:
    """Return the lines of the result, with the blank ones between parts, and the notes."""
    parts, notes = [], []
    for part in view.parts():
        match part:
            case Title(words):
                parts.append([words])
            case Lines(rows):
                parts.append(list(rows))
            case Table(header, cells):
                parts.append(columns.layout(header, list(cells), width))
            case Note(words):
                notes.append(words)
    return [line for part in parts for line in (*part, "")], notes


def test_counts_come_first_then_the_hosts() -> None:
    lines, notes = text(FleetStatusView(status(BAD, NEVER)))
    assert lines[0] == "2 hosts at 2026-11-23 12:10 UTC: 0 well, 2 need attention, 1 unknown"
    assert lines[3].split() == ["all", "2", "0", "1", "1", "1", "1", "1", "1"]
    assert "findings: 1 act now, 2 out of cycle, 3 scheduled, 4 defer; 2 overdue" in lines
    assert "unknown: 1 never looked at" in lines
    assert "held: 1 host by run r-1 (halted)" in lines
    assert notes == [
        "feeds that are too old: kev; run `patchctl feeds update`",
        "`patchctl discover` looks at the hosts",
    ]


def test_a_figure_that_is_known_of_no_host_is_not_none() -> None:
    lines, _ = text(FleetStatusView(status(NEVER)))
    assert lines[3].split() == ["all", "1", "0", "?", "?", "?", "?", "1", "1"]


def test_the_row_of_a_host() -> None:
    lines, _ = text(FleetStatusView(status(BAD, NEVER)))
    bad, never = lines[-3:-1]
    assert bad.split("  ")[0] == "web1"
    assert "12 (3)" in bad
    assert "reboot, attention  2026-11-23  2026-10-01  r-1      its run is halted" in bad
    assert never.split()[:9] == ["new1", "production", *"??????", "?"]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 50), (80, 10)])
def test_a_large_fleet_fits_the_screen(width: int, height: int) -> None:
    hosts = [msgspec.structs.replace(BAD, name=f"host{number:04}") for number in range(5000)]
    view = FleetStatusView(status(*hosts, systems=12), Space(lines=height, columns=width))
    lines, notes = text(view, width)
    assert max(map(len, lines)) <= width
    assert sum("host0" in line for line in lines) >= 1
    if height >= 24:
        assert len(lines) - 1 + len(notes) < height
    assert notes[-1].endswith("more hosts: --all shows them")
    assert any("systems" in line for line in lines)


def test_a_long_name_does_not_break_the_counts() -> None:
    hosts = [msgspec.structs.replace(BAD, name=f"host{number:04}") for number in range(50)]
    long = status(*hosts)
    rings = (count("the-production-of-everything", 50),)
    long = msgspec.structs.replace(long, counts=msgspec.structs.replace(long.counts, rings=rings))
    lines, _ = text(FleetStatusView(long, Space(lines=24, columns=80)), 80)
    assert any(line.startswith("ring the-produc…") for line in lines)
    lines, _ = text(FleetStatusView(long))
    assert any(line.startswith("ring the-production-of-everything") for line in lines)


def test_no_host_is_an_answer() -> None:
    _, notes = text(FleetStatusView(status()))
    assert notes[-1] == "no host fits what was asked"


def test_json_has_every_field_of_the_contract() -> None:
    data = msgspec.to_builtins(FleetStatusView(status(BAD)).data())
    assert {"as_of", "hosts", "counts"} <= data.keys()
    assert (
        data["hosts"][0].items()
        >= {
            "name": "web1",
            "ring": "production",
            "os": "debian 12",
            "pending": 12,
            "security": 3,
            "findings": 10,
            "overdue": 2,
            "reboot_required": True,
            "looked_at": "2026-11-23T12:10:05Z",
            "patched_at": "2026-10-01T01:00:00Z",
            "held_by": "r-1",
        }.items()
    )


def test_csv_has_all_hosts_and_a_field_for_each_decision() -> None:
    view = FleetStatusView(status(BAD, NEVER), Space(lines=1, columns=80))
    bad, never = (dict(zip(view.fields(), row, strict=True)) for row in view.rows())
    assert (bad["act"], bad["defer"], bad["needs"]) == (1, 4, "reboot updates attention")
    assert (never["act"], never["pending"], never["unknown"]) == (None, None, "never_looked_at")
