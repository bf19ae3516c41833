"""A machine under two names is not planned twice."""

import msgspec
import pytest
from plan_world import facts, host_result, snapshot

from patchctl.errors import InvalidInputError
from patchctl.models.facts import Boot, HostFacts
from patchctl.plan.machines import check_machines


def machine(ident: str, boot: str = "b", start: int = 1) -> HostFacts:
    known = facts(machine_id=ident * 32)
    return msgspec.structs.replace(known, boot=Boot(boot_id=boot, pid1_start=start))


def test_two_names_of_one_machine_are_named() -> None:
    same = snapshot(
        host_result("b", machine("1")), host_result("a", machine("1")),
        host_result("c", machine("2")),
        host_result("e", machine("2")), host_result("gone", None),
    )  # fmt: skip
    with pytest.raises(InvalidInputError) as raised:
        check_machines(same, {"a", "b", "c", "e"})
    assert raised.value.lines() == [
        "hosts a, b are one machine; keep one of them in the inventory",
        "hosts c, e are one machine; keep one of them in the inventory",
    ]
    check_machines(same, {"a", "c"})  # only one of each is planned


def test_clones_that_share_a_machine_id_are_two_machines() -> None:
    other_boot, container = machine("1", "other"), machine("1", start=2)
    check_machines(
        snapshot(
            host_result("a", machine("1")),
            host_result("b", other_boot),
            host_result("c", container),
        ),
        {"a", "b", "c"},
    )
