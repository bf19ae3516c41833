"""Exceptions on findings: which one fits, when it ends, and what `check` reports."""

from typing import Any

import pytest
from assessment.priority.test_assessment_context import FACTS
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from patchctl.assessment.findings.assess import Waived, Waiver
from patchctl.assessment.findings.exceptions import Waivers, status_of
from patchctl.assessment.findings.fleet import HostInput
from patchctl.errors import InvalidInputError, NotFoundError, UsageError
from patchctl.models.exceptions import ExceptionState, RiskException
from patchctl.models.priority import Context
from patchctl.report import exceptions_view as text
from patchctl.workflows.assessment import exceptions as workflow

TODAY = "2026-11-23"
CVE = "CVE-2024-6387"
BASE = RiskException(
    id="EX-1", owner="ops", reason="r", control="c", expires="2027-06-30", cves=(CVE,), hosts=("*",)
)
SSH = {"openssh", "openssh-server"}


def exception(**changes: Any) -> RiskException:
    return structs.replace(BASE, **changes)


def host(name: str = "web-1", *groups: str) -> HostInput:
    return HostInput(name=name, facts=FACTS, software="", context=Context(), groups=groups)


def waived_by(
    *exceptions: RiskException,
    on: HostInput | None = None,
    cve: str = CVE,
    exploited: bool = False,
) -> Waived | None:
    return Waivers(exceptions, TODAY)(on or host(), cve, SSH, exploited)


class TestFit:
    @pytest.mark.parametrize(
        ("changes", "fits"),
        [
            ({}, True),
            ({"cves": ("CVE-2024-6388",)}, False),
            ({"cves": ("CVE-2024-6388", CVE)}, True),
            ({"cves": (), "packages": ("openssh",)}, True),
            ({"cves": (), "packages": ("openssh-server",)}, True),
            ({"cves": (), "packages": ("open*",)}, True),
            ({"cves": (), "packages": ("ssh",)}, False),
            ({"packages": ("openssh",)}, True),
            ({"packages": ("openssl",)}, False),
            ({"hosts": ("web-1",)}, True),
            ({"hosts": ("db-*", "web-?")}, True),
            ({"hosts": ("web",)}, False),
            ({"hosts": ("WEB-1",)}, False),
            ({"hosts": (), "groups": ("lab",)}, True),
            ({"hosts": (), "groups": ("la*",)}, False),
            ({"hosts": ("db-1",), "groups": ("lab",)}, True),
            ({"hosts": ("db-1",), "groups": ("prod",)}, False),
        ],
    )
    def test_cve_and_package_and_place_must_fit(self, changes: dict[str, Any], fits: bool) -> None:
        assert (waived_by(exception(**changes), on=host("web-1", "all", "lab")) is not None) is fits

    def test_what_holds_tells_who_until_when_and_why(self) -> None:
        waived = waived_by(exception(owner="ops", reason="inside", control="firewall"))
        assert waived == Waived(
            "EX-1", True, "exception EX-1 of ops until 2027-06-30: inside; instead: firewall"
        )

    def test_hosts_may_come_in_any_order(self) -> None:
        waivers = Waivers([exception(hosts=("a",))], TODAY)
        answers = [waivers(host(name), CVE, SSH, False) is not None for name in "abab"]
        assert answers == [True, False, True, False]
        assert waivers.matched["EX-1"] == 2


class TestReopen:
    def test_the_last_day_counts_and_the_next_does_not(self) -> None:
        assert waived_by(exception(expires=TODAY)) == waived_by(exception(expires=TODAY))
        waived = waived_by(exception(expires=TODAY))
        assert waived is not None and waived.holds
        waived = waived_by(exception(expires="2026-11-22"))
        assert waived == Waived("EX-1", False, "exception EX-1 expired on 2026-11-22")

    def test_what_is_exploited_reopens(self) -> None:
        waived = waived_by(exception(), exploited=True)
        assert waived is not None and not waived.holds
        assert waived.note == (
            "exception EX-1 does not hold: the CVE is known to be exploited (KEV)"
        )

    def test_of_several_the_first_that_holds_counts(self) -> None:
        old = exception(id="old", expires="2026-01-01")
        wide = exception(id="wide", cves=(), packages=("open*",))
        for order in ((old, wide, BASE), (wide, old), (old, wide)):
            waived = waived_by(*order)
            assert waived is not None and waived.ident == "wide" and waived.holds
        waived = waived_by(old, exception(id="older", expires="2025-01-01"))
        assert waived is not None and waived.ident == "old"

    @settings(deadline=None)
    @given(
        st.lists(
            st.builds(
                exception,
                id=st.sampled_from("abc"),
                expires=st.sampled_from(["2026-11-22", TODAY, "2027-01-01"]),
                hosts=st.sampled_from([("*",), ("web-1",), ("db",)]),
            ),
            max_size=4,
        )
    )
    def test_nothing_exploited_is_ever_waived(self, exceptions: list[RiskException]) -> None:
        waived = waived_by(*exceptions, exploited=True)
        assert waived is None or not waived.holds


@pytest.mark.parametrize(
    ("expires", "state", "left"),
    [
        ("2026-11-22", ExceptionState.EXPIRED, -1),
        (TODAY, ExceptionState.EXPIRING, 0),
        ("2026-12-23", ExceptionState.EXPIRING, 30),
        ("2026-12-24", ExceptionState.HOLDS, 31),
    ],
)
def test_the_state_of_an_exception(expires: str, state: ExceptionState, left: int) -> None:
    status = status_of(exception(expires=expires), TODAY)
    assert (status.state, status.days_left) == (state, left)


class TestCheck:
    def checked(
        self, *exceptions: RiskException, exploited: bool = False, kev: tuple[str, ...] = ()
    ) -> list[str]:
        def walk(waiver: Waiver) -> int:
            waiver(host(), CVE, SSH, exploited)
            return 1

        review = workflow.check(exceptions, kev, walk, TODAY)
        assert review.ok is (not review.complaints)
        return list(text.review_lines(review))

    def test_one_that_holds_and_is_needed_is_well(self) -> None:
        assert self.checked(BASE) == []

    def test_each_problem_is_told(self) -> None:
        assert self.checked(exception(expires="2026-11-01")) == [
            "EX-1: expired on 2026-11-01: its findings are open again"
        ]
        assert self.checked(exception(expires="2026-11-24")) == [
            "EX-1: expires in 1 day, on 2026-11-24"
        ]
        assert self.checked(exception(expires=TODAY)) == [f"EX-1: expires today, on {TODAY}"]
        assert self.checked(BASE, exploited=True) == [
            f"EX-1: does not hold for what is known to be exploited (KEV): {CVE}"
        ]
        assert self.checked(exception(hosts=("db-*",))) == [
            "EX-1: fits no finding: fixed, not discovered yet, or a name is wrong"
        ]

    def test_several_problems_of_one_are_all_told(self) -> None:
        old = exception(cves=("CVE-2021-44228",), expires="2026-11-01")
        assert len(self.checked(old, kev=("CVE-2021-44228",))) == 3

    def test_without_a_host_nothing_can_be_told(self) -> None:
        with pytest.raises(NotFoundError, match="no host was discovered"):
            workflow.check([BASE], (), lambda _: 0, TODAY)
        review = workflow.check([], (), lambda _: 0, TODAY)
        assert review.ok
        assert text.closing(review) == "there are no exceptions"


class TestWords:
    @pytest.mark.parametrize(
        ("expires", "day"),
        [("90d", "2027-02-21"), ("0d", TODAY), ("2027-01-31", "2027-01-31"), (TODAY, TODAY)],
    )
    def test_a_last_day_is_a_date_or_days_from_today(self, expires: str, day: str) -> None:
        assert workflow.last_day(expires, TODAY) == day

    @pytest.mark.parametrize(
        "expires", ["", "soon", "90", "3m", "2026-11-22", "2027-02-30", "20270131", "99999d"]
    )
    def test_what_is_no_day_or_past_is_refused(self, expires: str) -> None:
        with pytest.raises(UsageError, match="--expires"):
            workflow.last_day(expires, TODAY)

    def test_free_ids_follow_the_highest(self) -> None:
        assert workflow.free_id([]) == "EX-1"
        assert workflow.free_id([exception(id="EX-7"), exception(id="EX-x"), BASE]) == "EX-8"

    @pytest.mark.parametrize("wrong", ["", "  ", "a\nb", "a\x1b[1m"])
    def test_text_is_one_line(self, wrong: str) -> None:
        with pytest.raises(InvalidInputError, match="--reason must be one line"):
            workflow.printable("reason", wrong)

    def test_rows(self) -> None:
        many = exception(cves=tuple(f"CVE-2024-{n}" for n in range(1000, 1005)), packages=("ssh",))
        assert text.row(status_of(many, TODAY))[:6] == [
            "EX-1",
            "CVE-2024-1000, CVE-2024-1001, CVE-2024-1002 and 2 more in ssh",
            "all hosts",
            "ops",
            "2027-06-30",
            "holds, 219 d",
        ]
        gone = exception(expires="2026-11-20", hosts=("a", "b"), groups=("lab",))
        assert text.row(status_of(gone, TODAY))[2] == "a, b, groups lab"
        assert text.row(status_of(gone, TODAY))[5] == "expired 3 d ago"
        assert text.row(status_of(BASE, TODAY, {CVE}))[5] == f"holds, 219 d; not for {CVE} (KEV)"
