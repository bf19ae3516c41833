"""What `rollback` shows before it asks."""

from patchctl.models.plan import Action, Transition
from patchctl.models.undo import UndoGroup
from patchctl.report.undo_view import UndoQuestionView
from patchctl.report.view import Note


def lines(*groups: UndoGroup) -> list[str]:
    parts = list(UndoQuestionView("r-1", "sha256:0123456789abcdef", groups).parts())
    return [part.text for part in parts if isinstance(part, Note)]


def change(package: str, action: Action, from_: str, to: str) -> Transition:
    return Transition(package=package, arch="all", action=action, from_=from_, to=to)


CHANGES = (
    change("nginx", Action.UPGRADE, "1.1", "1.2"),
    change("libnew", Action.NEW, "", "3"),
    change("old", Action.REMOVE, "9", ""),
)


def test_hosts_packages_and_versions_stand_before_the_question() -> None:
    group = UndoGroup(ring="production", hosts=("web1", "web2"), transitions=CHANGES)
    assert lines(group) == [
        "undo of run r-1: 2 hosts",
        "  production: 2 hosts: web1, web2",
        "    nginx   1.2 -> 1.1",
        "    libnew  3 -> removed",
        "    old     removed -> 9",
    ]


def test_a_host_that_is_unsafe_to_undo_is_said_to_stay() -> None:
    group = UndoGroup(ring="staging", hosts=("db1",), transitions=CHANGES, unsafe=("nginx",))
    assert lines(group) == [
        "undo of run r-1: 0 hosts; 1 host would stay as now",
        "  staging: 1 host: db1",
        "    stays as now, because it is unsafe to undo: nginx; --force undoes it, too",
    ]


def test_many_hosts_and_packages_are_cut() -> None:
    many = tuple(change(f"p{number}", Action.UPGRADE, "1", "2") for number in range(40))
    groups = [
        UndoGroup(ring="production", hosts=(f"a{number}", f"b{number}"), transitions=many)
        for number in range(2500)
    ]
    shown = lines(*groups)
    assert len(shown) < 250
    assert "    and 25 more packages" in shown
    assert shown[-2:] == [
        "  and 4976 more hosts with other packages",
        "  all packages: patchctl plan show 0123456789ab",
    ]
