"""OSV's `versions` beside ranges: a version in either of them is affected."""

import json
from pathlib import Path

import pytest
from assessment_world import World, facts, package
from feed_world import affected, records

from patchctl.assessment.feeds.listed import outside
from patchctl.models.advisory import Advisory, Affected
from patchctl.models.assessment import FindingState

FIXED = ("", "2.0-1", "")


@pytest.mark.parametrize(
    ("ranges", "versions", "outsiders"),
    [
        ([FIXED], ["1.0-1", "1.9-1"], {}),
        ([FIXED], ["2.0-1", "2.0-2"], {"": ("2.0-1", "2.0-2")}),
        # What precedes a range is fixed by its fix.
        ([("1.0-1", "2.0-1", "")], ["0.9-1", "1.5-1"], {"2.0-1": ("0.9-1",)}),
        ([("", "1.0-1", ""), ("2.0-1", "3.0-1", "")], ["1.5-1"], {"3.0-1": ("1.5-1",)}),
        ([("", "", "2.0-1")], ["2.0-1", "2.0-2"], {"": ("2.0-2",)}),
        ([("3.0-1", "", "")], ["2.0-1", "3.0-1", "4.0-1"], {"": ("2.0-1",)}),
        # Everything is in the range that is open at both ends.
        ([("", "", "")], ["1.0-1"], {}),
        ([FIXED], [], {}),
        # What cannot be compared is affected by its name.
        ([FIXED], ["a b"], {"": ("a b",)}),
        ([("", "a b", "")], ["1.0-1"], {"": ("1.0-1",)}),
        ([FIXED], ["3.0-1", "3.0-1"], {"": ("3.0-1",)}),
    ],
)
def test_only_listed_versions_outside_of_all_ranges_are_stored(
    ranges: list[tuple[str, str, str]],
    versions: list[str],
    outsiders: dict[str, tuple[str, ...]],
) -> None:
    assert outside("Debian", ranges, versions) == outsiders


def test_the_vendor_s_own_order_decides() -> None:
    """dpkg sorts letters before a plus; for rpm a plus only separates, so a letter comes after."""
    assert outside("Debian", [("", "1.0+", "")], ["1.0a"]) == {}
    assert outside("AlmaLinux", [("", "1.0+", "")], ["1.0a"]) == {"": ("1.0a",)}


def read(folder: Path, events: list[dict[str, str]], *versions: str) -> list[Affected]:
    record = {
        "id": "DSA-1-1",
        "modified": "2026-01-01T00:00:00Z",
        "upstream": ["CVE-2026-1000"],
        "affected": [
            {
                "package": {"ecosystem": "Debian:12", "name": "brass"},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
                "versions": versions,
            }
        ],
    }
    path = folder / "record.json"
    path.write_text(json.dumps(record))
    state_of = records(path)
    assert all(isinstance(record, Advisory) for record in state_of)
    return affected(state_of)


def test_an_enumeration_of_the_range_is_no_entry_of_its_own(tmp_path: Path) -> None:
    (affected,) = read(tmp_path, [{"introduced": "0"}, {"fixed": "2.0-1"}], "1.0-1", "1.5-1")
    assert (affected.fixed, affected.versions) == ("2.0-1", ())


def state_of(folder: Path, installed: str) -> FindingState | None:
    events = [{"introduced": "1.0-1"}, {"fixed": "2.0-1"}]
    entries = tuple(read(folder, events, "0.9-1", "1.0-1", "2.1-1"))
    world = World()
    (record,) = (
        advisory for advisory in records(folder / "record.json") if isinstance(advisory, Advisory)
    )
    assert record.affected == entries
    world.add(record)
    host = facts("Debian:12", [package("brass", installed, "brass", installed)])
    finding = world.findings(host).get("CVE-2026-1000")
    assert finding is None or (finding.fixed or "") in ("2.0-1", "")
    return finding.state if finding else None


def test_a_version_by_name_is_affected_though_ranges_stand_beside(tmp_path: Path) -> None:
    assert state_of(tmp_path, "0.9-1") is state_of(tmp_path, "1.5-1")
    assert state_of(tmp_path, "0.9-1") is not None
    assert state_of(tmp_path, "2.1-1") is FindingState.NO_FIX
    assert state_of(tmp_path, "0.8-1") is None, "neither in a range nor named"
    assert state_of(tmp_path, "2.0-1") is None
