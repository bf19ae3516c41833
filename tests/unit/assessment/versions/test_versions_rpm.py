"""rpm's version order."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from version_world import Peer, is_sorted, order, peer

from patchctl.assessment.versions import InvalidVersionError, key
from patchctl.models.versions import VersionScheme

RPM = VersionScheme.RPM


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param("1~~1 1~ 1~a 1~1 1 1^ 1^a 1^1 1a 1.1", id="what may follow"),
        pytest.param("1.0~rc1 1.0~rc1^a 1.0~rc2 1.0 1.0^a~pre 1.0^a 1.0^b 1.0.1", id="both"),
        pytest.param("a a1 aa b 1 2 10", id="letters before numbers"),
        pytest.param("A Z a z", id="ASCII order"),
        pytest.param("a.a aa", id="a run of letters ends at a dot"),
        pytest.param("9999 1:0.1 2:0~", id="the epoch first"),
        pytest.param("1 1- 1-0 1-1 1-1.el9 1-1.el10 1-2", id="no release, then releases"),
        pytest.param("1.0~1-9 1.0-1 1.0.1-0", id="the version before the release"),
        pytest.param("3.10.0-229.el7 3.10.0-229.1.2.ael7b 3.10.0-229.1.2.el7", id="letters lose"),
        pytest.param("1-1.module_el8.5.0+9 1-1.module_el8.6.0+1", id="modules"),
        pytest.param("1.a 1.b:0 1:0", id="only a number is an epoch"),
    ],
)
def test_sorts(versions: str) -> None:
    is_sorted(RPM, versions)


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param("1.0 0:1.0 :1.0 00:1.0", id="no epoch is zero"),
        pytest.param("1.01 1.1 1.001 1_1 1..1 +1+1+", id="separators and leading zeros"),
        pytest.param("1.é 1 1.€ 1.", id="characters beyond ASCII"),
        pytest.param("1- 1-. 1-+", id="an empty release"),
        pytest.param("+ _ é", id="separators alone"),
    ],
)
def test_is_the_same(versions: str) -> None:
    for a, b in itertools.combinations(versions.split(), 2):
        assert order(RPM, a, b) == "="


def test_numbers_have_no_largest() -> None:
    is_sorted(RPM, f"{'9' * 126} {'9' * 127} 1{'0' * 127} {'9' * 300} 1{'0' * 300}")


@pytest.mark.parametrize("version", ["", " ", "1 2", "1\n", "1\0", "-1", "1:", ":", "1:-1", "-"])
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(InvalidVersionError, match=r"^not a version for rpm: "):
        key(RPM, version)


PIECES = st.sampled_from([*"019~^+-.:aZ_é", "00", "10", "~~", "rc", ".el9", "-1", "1:", "^git"])
VERSIONS = st.lists(PIECES, min_size=1, max_size=8).map("".join)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """Two versions that often begin alike, so that the comparison reaches their ends."""
    start = draw(st.sampled_from(["", "1", "1:2.0", "3.4-"]))
    a, b = start + draw(VERSIONS), start + draw(VERSIONS)
    for version in (a, b):
        try:
            key(RPM, version)
        except InvalidVersionError:
            assume(False)
    return a, b


@pytest.fixture(scope="module")
def librpm() -> Iterator[Peer]:
    with peer(RPM) as running:
        yield running


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs())
@example(("1", "1-"))
@example(("1.0^", "1.0~"))
def test_agrees_with_librpm(librpm: Peer, pair: tuple[str, str]) -> None:
    assert order(RPM, *pair) == librpm.compare(*pair)
