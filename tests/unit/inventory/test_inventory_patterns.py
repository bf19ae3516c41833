"""`--limit` takes Ansible's host patterns. tests/integration/test_inventory.py compares their
meaning with that of ansible-inventory."""

from pathlib import Path

import pytest

from patchctl.errors import InvalidInputError, UsageError
from patchctl.inventory.patterns import select
from patchctl.models.fleet import Fleet, Group, Host

HERE = Path()
RINGS = {"web1": "staging", "web2": "canary", "web3": None, "db1": "staging", "db2.x": None}


def fleet() -> Fleet:
    groups = {"web": ("web1", "web2", "web3"), "db": ("db1",)}
    return Fleet(
        hosts=tuple(
            Host(
                name=name,
                ring=ring,
                ring_reason="",
                groups=tuple(group for group, hosts in groups.items() if name in hosts),
                variables={},
            )
            for name, ring in sorted(RINGS.items())
        ),
        groups=(
            *(Group(name=name, hosts=hosts, children=()) for name, hosts in groups.items()),
            Group(name="empty", hosts=(), children=()),
        ),
        sources=(),
        rings=("staging", "canary"),
        digest="",
    )


@pytest.mark.parametrize(
    ("pattern", "hosts"),
    [
        ("", "db1 db2.x web1 web2 web3"),
        (" ", "db1 db2.x web1 web2 web3"),
        ("all", "db1 db2.x web1 web2 web3"),
        ("*", "db1 db2.x web1 web2 web3"),
        ("web1", "web1"),
        ("web", "web1 web2 web3"),
        ("ungrouped", "db2.x"),
        ("web1,db1", "db1 web1"),
        ("web1:db1", "db1 web1"),
        ("web1, db1", "db1 web1"),
        ("web:!web2", "web1 web3"),
        ("!web2:web", "web1 web3"),
        ("!web", "db1 db2.x"),
        ("web,&ring_canary", "web2"),
        ("ring_staging", "db1 web1"),
        ("ring_staging:&web", "web1"),
        ("*1", "db1 web1"),
        ("web?", "web1 web2 web3"),
        ("web[12]", "REFUSED"),
        ("we[ab]1", "web1"),
        ("db2.x", "db2.x"),
        ("~web[13]", "web1 web3"),
        ("~.*1$", "db1 web1"),
        ("empty,web1", "web1"),
        ("web,!empty", "web1 web2 web3"),
    ],
)
def test_patterns(pattern: str, hosts: str) -> None:
    if hosts == "REFUSED":
        with pytest.raises(UsageError, match="positions change with the order"):
            select(fleet(), pattern, cwd=HERE)
    else:
        assert " ".join(select(fleet(), pattern, cwd=HERE)) == hosts


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("wbe1", "no such host or group; `patchctl inventory list`"),
        ("web,!wbe1", "--limit wbe1: no such host or group"),
        ("web,&wbe1", "--limit wbe1: no such host or group"),
        ("app*", "no such host or group"),
        ("empty", "leaves no host"),
        ("web,!web", "leaves no host"),
        ("web,&db", "leaves no host"),
        ("~[", "is not a valid regular expression"),
        ("web[0]", "positions change"),
        ("web[0:2]", "positions change"),
        ("web[-1]", "positions change"),
    ],
)
def test_what_fits_nothing_is_an_error(pattern: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(fleet(), pattern, cwd=HERE)
    assert reason in str(caught.value)


def test_a_file_of_names(tmp_path: Path) -> None:
    (tmp_path / "retry").write_text("# failed last night\nweb1\n\n  db1  \n")
    assert select(fleet(), "@retry", cwd=tmp_path) == ("db1", "web1")
    with pytest.raises(InvalidInputError, match="--limit @gone: cannot be read"):
        select(fleet(), "@gone", cwd=tmp_path)
