"""Read unusual and hostile answers of dnf. Complete answers: test_plan_resolution.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchctl.models.facts import PackageManager
from patchctl.models.plan import Action, LeftOutReason
from patchctl.models.requests import HostRequest, PackageRequest
from patchctl.models.resolution import Resolution
from patchctl.protocol.managers import read_resolution

DIGEST = bytes(range(32))
FILE = f"file web 0 2 1 noarch r web-2-1.src.rpm 900 (2, {DIGEST!r})"
HAVE = "have web (none) 1 1 noarch web-1-1.src.rpm 4096"
STEP = "step upgrade web noarch 2-1 r"
SIGNED = "signed r yes"


def read(*lines: str, wanted: str = "2-1", arch: str = "noarch") -> Resolution:
    request = HostRequest(
        host="h1",
        ring="staging",
        manager=PackageManager.DNF,
        wanted=(PackageRequest(package="web", arch=arch, version=wanted),),
    )
    return read_resolution(request, "\n".join(["resolve 1 dnf", *lines, "end", ""]))


def test_an_update_has_its_file_and_where_it_comes_from() -> None:
    (transition,) = read(STEP, FILE, HAVE, SIGNED).transitions
    assert (transition.package, transition.action, transition.from_, transition.to) == (
        "web",
        Action.UPGRADE,
        "1-1",
        "2-1",
    )
    assert (transition.origin, transition.requested, transition.unsigned) == ("r", True, False)
    assert transition.file is not None
    assert (transition.file.name, transition.file.size) == ("web-2-1.noarch.rpm", 900)
    assert transition.file.sha256 == DIGEST.hex()


@pytest.mark.parametrize("written", [DIGEST.hex(), f"(3, {DIGEST!r})", f"(2, {DIGEST!r})"])
def test_a_checksum_in_every_form_that_dnf_has(written: str) -> None:
    (transition,) = read(STEP, FILE.replace(f"(2, {DIGEST!r})", written), HAVE).transitions
    assert transition.file is not None
    assert transition.file.sha256 == DIGEST.hex()


@pytest.mark.parametrize(
    "written", ["(1, b'short')", "None", "", "-", "__import__('os')", "(" * 99]
)
def test_without_a_sha256_it_cannot_be_taken(written: str) -> None:
    result = read(STEP, FILE.replace(f"(2, {DIGEST!r})", written or "-"), HAVE)
    (row,) = result.unusable
    assert (row.installed, row.left_out.reason) == ("1-1", LeftOutReason.RESOLVE_FAILED)
    assert row.left_out.detail == "its repository gives no SHA-256"


def test_what_no_repository_tells_of_cannot_be_taken() -> None:
    result = read(STEP, FILE.replace(" r web", " other web"), HAVE)
    assert result.unusable[0].left_out.detail == "repository r does not tell what file it is"


@pytest.mark.parametrize("name", ["..", ".new", "a/b", "-x", "$(id)"])
def test_the_name_of_a_repository_becomes_no_path_and_no_option(name: str) -> None:
    resolution = read(STEP.replace(" r", f" {name}"), FILE.replace(" r web", f" {name} web"), HAVE)
    assert (
        resolution.unusable[0].left_out.detail
        == "the name of its repository is outside of the grammar"
    )


def test_a_repository_without_signatures_makes_it_unsigned() -> None:
    (transition,) = read(STEP, FILE, HAVE, "signed r no").transitions
    assert transition.unsigned


def test_a_kernel_comes_beside_those_that_are_there() -> None:
    result = read(
        "step install web noarch 2-1 r",
        FILE,
        HAVE,
        "have web (none) 1 0 noarch web-1-0.src.rpm 1",
    )
    (transition,) = result.transitions
    assert (transition.action, transition.from_, transition.to) == (Action.NEW, "", "2-1")


def test_an_architecture_may_change() -> None:
    file, step = FILE.replace("noarch", "x86_64"), STEP.replace("noarch", "x86_64")
    (transition,) = read(step, file, HAVE).transitions
    assert (transition.arch, transition.from_, transition.requested) == ("x86_64", "1-1", True)


def test_an_epoch_of_zero_is_none_and_others_stay() -> None:
    file = FILE.replace("web 0 2", "web 3 2")
    (transition,) = read("step upgrade web noarch 3:2-1 r", file, HAVE, wanted="3:2-1").transitions
    assert transition.to == "3:2-1"
    assert transition.file is not None
    assert transition.file.name == "web-2-1.noarch.rpm"


def test_one_that_is_there_twice_is_an_error() -> None:
    result = read(STEP, FILE, HAVE, HAVE.replace("1 1 noarch", "1 0 noarch"))
    assert result.error == "web would be changed but is not installed once"


def test_a_removal_must_be_of_what_is_there() -> None:
    result = read(STEP, FILE, HAVE, "step remove lib noarch 1-1 @r")
    assert result.error == "lib would be removed but is not installed"


def test_a_source_of_another_version_is_told() -> None:
    result = read(STEP, FILE.replace("web-2-1.src", "suite-9-1.src"), HAVE)
    assert result.transitions[0].source == "suite"
    assert result.source_versions == {"web": "9-1"}


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("surprise", "no known kind"),
        ("step upgrade ../web noarch 2-1 r", "unreadable"),
        ("step reinstall web noarch 2-1 r", "unreadable"),
        ("have web x 1 1 noarch s 1", "unreadable"),
        ("file web 0 2 1 noarch", "unreadable"),
        ("lock nobody", "names nobody"),
    ],
)
def test_garbage_is_an_error_of_that_host(line: str, error: str) -> None:
    result = read(STEP, FILE, HAVE, line)
    assert error in result.error
    assert result.transitions == ()


WORD = st.text(alphabet="abw01:-.~^ \x1b{}'(\\x)$é", max_size=12)


@given(
    kind=st.sampled_from(["step upgrade", "step install", "file", "have", "signed", "drop", ""]),
    words=st.lists(WORD, max_size=10),
)
def test_no_line_is_too_odd_to_be_read(kind: str, words: list[str]) -> None:
    result = read(STEP, FILE, HAVE, f"{kind} {' '.join(words)}")
    assert result.host == "h1"
    assert "\x1b" not in result.error
    assert result.error or result.unusable or result.transitions
