"""Which repositories could be read: decided by what apt did to their lists, not by its words."""

from pathlib import Path

import pytest

from patchctl.discovery.parsers import apt_lists
from patchctl.models.facts import PackageLists
from patchctl.protocol.sections import Section, Unparsed

DATA = Path(__file__).parents[2] / "data" / "apt-lists"
NOW = 5000
MAIN, SECURITY, ADDED = (
    "http://deb.example/debian bookworm",
    "http://deb.example/security bookworm-security",
    "http://deb.example/flat ./",
)
SOURCES = (
    "deb.example_debian_dists_bookworm_InRelease\thttp://deb.example/debian/dists/bookworm",
    "deb.example_security_dists_bookworm-security_InRelease"
    "\thttp://deb.example/security/dists/bookworm-security",
    "deb.example_flat_._InRelease\thttp://deb.example/flat/.",
)
TIMES = (
    "1000\tdeb.example_debian_dists_bookworm_InRelease",
    "900\tdeb.example_debian_dists_bookworm_main_binary-amd64_Packages",
    "1001\tdeb.example_security_dists_bookworm-security_InRelease",
    "1002\tdeb.example_flat_._Packages",
)
FETCHED = tuple(f"fetched\t{line.partition(chr(9))[2]}" for line in TIMES)


def looked(*refresh: str, code: int = 0) -> dict[str, str]:
    """Return repository -> its fault, after a refresh that printed these lines."""
    unparsed = Unparsed()
    fetching = apt_lists.refresh(Section("refresh", list(refresh), code))
    sources = Section("sources", list(SOURCES), 0)
    repositories = apt_lists.lists(sources, TIMES, fetching, "amd64", NOW, 0, unparsed)
    assert unparsed.all() == ()
    return {repository.repository: repository.fault for repository in repositories}


def lying(sources: Section, times: tuple[str, ...] = TIMES, ahead: int = 0) -> tuple[object, ...]:
    """Return the lists as they are on the host, without a refresh."""
    return apt_lists.lists(sources, times, None, "amd64", NOW, ahead, Unparsed())


def test_a_fetched_or_confirmed_repository_was_read() -> None:
    assert looked(*FETCHED) == {MAIN: "", SECURITY: "", ADDED: ""}


def test_a_hook_that_failed_is_no_fault_of_a_repository() -> None:
    said = "E: Problem executing scripts APT::Update::Post-Invoke-Success 'false'"
    assert set(looked(*FETCHED, said, code=100).values()) == {""}


def test_errors_that_the_script_left_out_are_a_fault() -> None:
    faults = looked(*FETCHED, "W: and 7 lines more")
    assert faults[""] == "apt complained of more than is told here"


def test_silence_is_not_health() -> None:
    assert set(looked().values()) == {apt_lists.UNEXPLAINED}


def test_a_mirror_that_is_older_than_the_host_was_read() -> None:
    """apt keeps the newer Release file, whose time stays as it was, and is content."""
    said = [f"Get:1 {MAIN} InRelease [1377 B]", *FETCHED[2:]]
    assert looked(*said)[MAIN] == ""
    assert looked(*said, code=100)[MAIN] == apt_lists.UNEXPLAINED


def test_a_complaint_counts_before_a_new_time() -> None:
    """apt gives the file a new time where its key is unknown and the server has nothing newer."""
    why = "The following signatures couldn't be verified"
    said = [f"Hit:1 {MAIN} InRelease", f"Err:1 {MAIN} InRelease", f"  {why}"]
    assert looked(*FETCHED, *said) == {MAIN: why, SECURITY: "", ADDED: ""}
    assert looked(*FETCHED, f"W: GPG error: {MAIN} InRelease: {why}")[MAIN] != ""
    one_day = f"W: {MAIN} InRelease: Key is stored in legacy trusted.gpg keyring"
    assert looked(*FETCHED, one_day)[MAIN] == ""


@pytest.mark.parametrize("name", sorted(path.stem for path in DATA.glob("*.txt")))
def test_a_fault_is_told_of_its_repository_alone(name: str) -> None:
    """What apt 2.6 said on a lab host when one of two repositories had that fault."""
    lines = (DATA / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    reason, said = lines[0], lines[1:]
    assert looked(*FETCHED[2:], *said) == {MAIN: reason, SECURITY: "", ADDED: ""}


def test_a_lock_is_a_fault_of_all_repositories() -> None:
    held = "Could not get lock /var/lib/apt/lists/lock. It is held by process 471 (apt-get)"
    faults = looked(f"E: {held}", "E: Unable to lock directory /var/lib/apt/lists/", code=100)
    assert set(faults.values()) == {held}


def test_a_component_that_is_missing_could_not_be_read() -> None:
    said = (
        "Skipping acquire of configured file 'mian/binary-{}/Packages' as repository"
        " 'http://deb.example/debian bookworm InRelease' doesn't have the component 'mian'"
    )
    assert looked(*FETCHED, f"W: {said.format('amd64')}")[MAIN] == said.format("amd64")
    # Of a foreign architecture nothing is looked for here.
    assert looked(*FETCHED, f"W: {said.format('i386')}")[MAIN] == ""


def test_times_are_those_of_our_clock() -> None:
    repositories = lying(Section("sources", list(SOURCES), 0), ahead=100)
    assert repositories == (
        PackageLists(repository=MAIN, fetched=900),
        PackageLists(repository=SECURITY, fetched=901),
        PackageLists(repository=ADDED, fetched=902),
    )


def test_a_repository_has_no_lists_of_another() -> None:
    sources = (
        "a_dists_stable_InRelease\thttp://a/dists/stable",
        "a_dists_stable_updates_InRelease\thttp://a/dists/stable/updates",
    )
    times = ("7\ta_dists_stable_updates_main_binary-amd64_Packages",)
    assert lying(Section("sources", list(sources), 0), times) == (
        PackageLists(repository="http://a stable", fault=apt_lists.NEVER),
        PackageLists(repository="http://a stable/updates", fetched=7),
    )


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        (Section("sources", [], 0), apt_lists.NO_REPOSITORY),
        (Section("sources", [], 1), "which repositories it has could not be read"),
        (Section("sources", [SOURCES[0]], None), "which repositories it has could not be read"),
        (
            Section("sources", ["E: The list of sources could not be read."], 1),
            "The list of sources could not be read.",
        ),
        (Section("sources", ["strange"], 0), "the name of a repository could not be read"),
    ],
)
def test_a_host_that_does_not_list_its_repositories_could_not_be_read(
    section: Section, fault: str
) -> None:
    assert lying(section) == (PackageLists(fault=fault),)
