"""dpkg's version order."""

import itertools
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from version_world import Peer, is_sorted, order, peer

from patchctl.assessment.versions import InvalidVersionError, key
from patchctl.models.versions import VersionScheme

DEB = VersionScheme.DEB


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param("9 10 11.9 11.10", id="numbers by value"),
        pytest.param("1.0~~ 1.0~~a 1.0~ 1.0~rc1 1.0 1.0a", id="tilde before the end"),
        pytest.param("1 1A 1Z 1a 1z 1+ 1.", id="letters before the rest, by ASCII"),
        pytest.param("1.9a 1.9b 1.9.a 1.10", id="letters before a dot"),
        pytest.param("9999 1:0.1 2:0~", id="the epoch first"),
        pytest.param("1.2-9 1.2-10 1.2.1-1 1.3-0", id="the revision last"),
        pytest.param("1-1~bpo12+1 1-1~deb12u1 1-1 1-1ubuntu1 1-1+b1 1-1+deb12u1 1-1.1", id="real"),
        pytest.param("6.1.176-1 6.1.176+1", id="the signed kernel after its source"),
        pytest.param("1-0-1 1-1-0", id="only the last dash starts the revision"),
    ],
)
def test_sorts(versions: str) -> None:
    is_sorted(DEB, versions)


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param("1.0 0:1.0 00:1.0 1.0-0 1.0-00 1.00", id="what is left out is zero"),
        pytest.param("1.01 1.1 1.001", id="leading zeros"),
        pytest.param("1. 1.0 1.00", id="a text without a number"),
        pytest.param("1.0-a 1.0-a0", id="in the revision, too"),
        pytest.param(f"{'0' * 300}1 1", id="many zeros"),
    ],
)
def test_is_the_same(versions: str) -> None:
    for a, b in itertools.combinations(versions.split(), 2):
        assert order(DEB, a, b) == "="
        assert hash(key(DEB, a)) == hash(key(DEB, b))


def test_numbers_have_no_largest() -> None:
    is_sorted(DEB, f"{'9' * 60} {'9' * 61} {'9' * 62} 1{'0' * 62} {'9' * 300} 1{'0' * 300}")


@pytest.mark.parametrize("version", ["v1.2", "1_2", "2.0.x~y", "1.0-1_2"])
def test_what_dpkg_only_warns_of_still_compares(version: str) -> None:
    assert order(DEB, version, version) == "="


@pytest.mark.parametrize(
    "version",
    [
        *["", " ", "1 2", "1\n", "1\0", ":1", "a:1", "-1:1", "1:", "1-", "-1", "1:-1", "1é", "²"],
        "2147483648:1",
        "99999999999999999999:1",
    ],
)
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(InvalidVersionError, match=r"^not a version for dpkg: "):
        key(DEB, version)


def test_a_refusal_shows_neither_control_characters_nor_pages() -> None:
    with pytest.raises(InvalidVersionError) as caught:
        key(DEB, "1\x1b[2J " + "9" * 100_000)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 300


PIECES = st.sampled_from([*"019~+-.:aZ_^", "00", "10", "~~", "rc", "deb12u1", "-1", "1:", "+b1"])
VERSIONS = st.lists(PIECES, min_size=1, max_size=8).map("".join)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """Two versions that often begin alike, so that the comparison reaches their ends."""
    start = draw(st.sampled_from(["", "1", "1:2.0", "3.4-"]))
    a, b = start + draw(VERSIONS), start + draw(VERSIONS)
    for version in (a, b):
        try:
            key(DEB, version)
        except InvalidVersionError:
            assume(False)
    return a, b


@pytest.fixture(scope="module")
def libapt() -> Iterator[Peer]:
    with peer(DEB) as running:
        yield running


LONG = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


@LONG
@given(pairs())
@example(("1", "1-0~"))
def test_agrees_with_libapt(libapt: Peer, pair: tuple[str, str]) -> None:
    assert order(DEB, *pair) == libapt.compare(*pair)


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not installed")
@settings(LONG, max_examples=50)
@given(pairs())
def test_agrees_with_dpkg(pair: tuple[str, str]) -> None:
    operator = {"<": "lt", "=": "eq", ">": "gt"}[order(DEB, *pair)]
    command = ["dpkg", "--compare-versions", "--", pair[0], operator, pair[1]]
    assert subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not installed")
@settings(LONG, max_examples=50)
@given(VERSIONS)
def test_refuses_what_dpkg_refuses(version: str) -> None:
    command = ["dpkg", "--compare-versions", "--", version, "eq", version]
    refused = subprocess.run(command, capture_output=True).returncode != 0
    try:
        key(DEB, version)
    except InvalidVersionError:
        # dpkg reads the epoch with strtol(3), which takes a sign; deb-version(7) has none.
        assert refused or version.startswith("+")
    else:
        assert not refused
