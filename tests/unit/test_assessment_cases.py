"""Which advisory speaks of which package, as cases: each tells a host, feeds and what is right.

The project's own stand in `tests/data/matching/`. `PATCHCTL_TEST_DATA` names the folder of public
data, which holds others.
"""

import json
from pathlib import Path

import pytest
from assessment_cases import Case, Expected, cases, host_of, world_of, write, wrong
from feed_world import REAL

from patchctl.models.facts import HostFacts

CASES = list(cases())
SHARED = REAL / "cases" / "assessment"


def found_on(host: HostFacts, feeds: Path) -> Expected:
    return {cve: state.value for cve, state in world_of(feeds).states(host).items()}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case, tmp_path: Path) -> None:
    write(case.feeds, tmp_path)
    assert not wrong(case.expect, found_on(host_of(case.host), tmp_path)), case.why


def test_the_name_of_a_case_is_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def shared() -> list[Path]:
    """Cases with an answer; the others are about feeds that are refused."""
    return sorted(path.parent for path in SHARED.glob("*/expected.json"))


@pytest.mark.skipif(not SHARED.exists(), reason="the public data is not here")
@pytest.mark.parametrize("folder", shared(), ids=lambda folder: folder.name)
def test_shared_case(folder: Path) -> None:
    (told,) = json.loads((folder / "host.json").read_text())["hosts"]
    answer = json.loads((folder / "expected.json").read_text())
    host = host_of(
        {
            "os": f"{told['os']['id']} {told['os']['version_id']}",
            "running": told["kernel_running"],
            "packages": [
                f"{one['name']} {one['version']} {one['arch']} {one['source']}"
                f" {one['source_version']}"
                for one in told["packages"]
            ],
        }
    )
    assert not wrong(answer["expect"], found_on(host, folder / "feeds")), answer["note"]
