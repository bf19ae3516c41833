"""How `rollout --check` tells which hosts are ready."""

from patchctl.models.readiness import HostCheck, Readiness, RolloutCheck
from patchctl.report.rollout_check_view import RolloutCheckView
from patchctl.report.view import Lines, Note, Table, Title

NOTE = "updaters: apt-daily may install packages during the run"


def host(name: str, result: Readiness, reason: str = "", note: str = "") -> HostCheck:
    notes = (note,) if note else ()
    return HostCheck(name=name, ring="production", result=result, reason=reason, notes=notes)


def view(*hosts: HostCheck) -> RolloutCheckView:
    return RolloutCheckView(RolloutCheck(plan="sha256:0123456789abcdef", hosts=hosts))


def text(shown: RolloutCheckView) -> list[str]:
    lines: list[str] = []
    for part in shown.parts():
        match part:
            case Title(text) | Note(text):
                lines.append(text)
            case Table(_, rows):
                lines += [" | ".join(row) for row in rows]
            case Lines(rows):
                lines += rows
            case _:
                pass
    return lines


def test_counts_come_first_and_hosts_that_are_not_ready_before_the_others() -> None:
    shown = view(
        host("web1", Readiness.READY, note=NOTE),
        host("web2", Readiness.NOT_READY, "the disk is full"),
        host("web3", Readiness.NOT_ASKED, "unreachable: refused"),
        host("web4", Readiness.READY, note=NOTE),
    )
    assert text(shown) == [
        "plan 0123456789ab: 4 hosts: 2 ready, 1 not ready, 1 could not ask",
        "web2 | production | not ready | the disk is full",
        "web3 | production | could not ask | unreachable: refused",
        "web1 | production | ready | ",
        "web4 | production | ready | ",
        f"note: {NOTE} (web1, web4)",
        "nothing was changed on the hosts, and no run has begun",
    ]


def test_where_all_are_ready_it_gives_the_command_that_rolls_out() -> None:
    assert text(view(host("web1", Readiness.READY)))[-1] == "next: patchctl rollout 0123456789ab"


def test_of_many_hosts_only_those_that_are_not_ready_are_shown() -> None:
    many = [host(f"web{number}", Readiness.READY) for number in range(5000)]
    shown = text(view(*many, host("db1", Readiness.NOT_READY, "locked")))
    assert shown[1] == "db1 | production | not ready | locked"
    assert len(shown) == 3


def test_programs_get_every_host_with_all_its_fields() -> None:
    data = view(host("web1", Readiness.READY), host("web2", Readiness.NOT_ASKED, "lost")).data()
    assert data["counts"] == {"ready": 1, "not_ready": 0, "not_asked": 1}
    assert data["hosts"][1] == {
        "name": "web2",
        "ring": "production",
        "result": Readiness.NOT_ASKED,
        "reason": "lost",
        "notes": (),
    }
