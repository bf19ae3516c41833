"""Decisions, due dates and reasons for each profile, and results that must never occur."""

from typing import Any

import pytest
from assessment_world import World, advisory, by_source, facts, package
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from priority_world import (
    CVE,
    DATES,
    LOCAL,
    METRICS,
    TODAY,
    WORST,
    contexts,
    cvss,
    epss,
    kev,
    levels,
    of_levels,
    policies,
    policy,
    threats,
)

from patchctl.assessment.priority.rulings import prioritise
from patchctl.models.advisory import Severity
from patchctl.models.assessment import FindingState
from patchctl.models.priority import (
    Context,
    Criticality,
    Decision,
    Exposure,
    Priority,
    PriorityPolicy,
    Profile,
    Sla,
    Threat,
)

OPEN = Context(exposure=Exposure.OPEN, criticality=Criticality.MEDIUM)
INSIDE = Context()


def judged(context: Context, *profiles: Profile, today: str = TODAY, **known: Any) -> Priority:
    chosen = policy(*profiles) if profiles else PriorityPolicy()
    return prioritise(Threat(cve=CVE, **{"fixable": True, **known}), context, chosen, today)


def has_reason(priority: Priority, text: str) -> bool:
    return any(text in reason for reason in priority.reasons)


class TestBod2604:
    def test_exposed_automatable_and_total_in_kev_is_three_days_from_the_listing(self) -> None:
        priority = judged(OPEN, Profile.BOD_26_04, cvss=cvss(WORST), kev=kev("2026-09-11"))
        assert (priority.due, priority.decision) == ("2026-09-14", Decision.ACT)
        assert priority.rule == "BOD 26-04: 3 days and a forensic investigation"
        assert priority.clocks[0].start == "2026-09-11, listed in KEV"
        assert has_reason(priority, "look for a compromise before patching")

    def test_the_same_inside_is_still_three_days(self) -> None:
        assert judged(INSIDE, Profile.BOD_26_04, cvss=cvss(WORST), kev=kev()).due == "2026-09-14"

    def test_listed_but_neither_exposed_nor_automatable_is_two_weeks(self) -> None:
        priority = judged(INSIDE, Profile.BOD_26_04, cvss=cvss(LOCAL), kev=kev())
        assert (priority.due, priority.decision) == ("2026-09-25", Decision.OUT_OF_CYCLE)

    def test_what_is_not_listed_runs_from_the_fix(self) -> None:
        priority = judged(OPEN, Profile.BOD_26_04, cvss=cvss(WORST), fix_published="2026-11-01")
        assert (priority.due, priority.rule) == ("2026-11-04", "BOD 26-04: 3 days")
        assert priority.clocks[0].start == "2026-11-01, the fix was published"

    def test_what_waits_for_the_next_upgrade_has_no_date(self) -> None:
        priority = judged(INSIDE, Profile.BOD_26_04, cvss=cvss(LOCAL), fix_published="2026-11-01")
        assert (priority.due, priority.rule, priority.clocks) == ("", "", ())
        assert priority.decision is Decision.DEFER

    def test_a_late_listing_does_not_move_a_deadline_back(self) -> None:
        known: dict[str, Any] = {"cvss": cvss(WORST), "fix_published": "2024-07-01"}
        priority = judged(OPEN, Profile.BOD_26_04, kev=kev("2026-09-11"), **known)
        assert priority.due == judged(OPEN, Profile.BOD_26_04, **known).due == "2024-07-04"
        assert [clock.due for clock in priority.clocks] == ["2024-07-04", "2026-09-14"]
        assert priority.rule == "BOD 26-04: 3 days, from before its listing in KEV"

    def test_listed_without_a_fix_keeps_its_date_and_says_what_to_do(self) -> None:
        priority = judged(OPEN, Profile.BOD_26_04, cvss=cvss(WORST), kev=kev(), fixable=False)
        assert priority.due == "2026-09-14"
        assert has_reason(priority, "mitigate it or take it out of service by the due date")

    def test_not_listed_without_a_fix_has_no_date_yet(self) -> None:
        priority = judged(OPEN, Profile.BOD_26_04, cvss=cvss(WORST), fixable=False)
        assert (priority.due, priority.decision) == ("", Decision.ACT)
        assert has_reason(priority, "deadlines begin with the fix")


class TestSla:
    @pytest.mark.parametrize(
        ("vector", "due", "rule"),
        [
            (WORST, "2026-11-08", "SLA: critical within 7 days"),
            (LOCAL, "2026-12-01", "SLA: high within 30 days"),
            (LOCAL.replace("I:H/A:H", "I:N/A:N"), "2027-01-30", "SLA: medium within 90 days"),
            ("CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:L/I:N/A:N", "", ""),
            ("AV:N/AC:L/Au:N/C:C/I:C/A:C", "2026-11-08", "SLA: critical within 7 days"),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "2026-11-08",
             "SLA: critical within 7 days"),
        ],
    )  # fmt: skip
    def test_bands_count_from_the_fix(self, vector: str, due: str, rule: str) -> None:
        priority = judged(INSIDE, Profile.CVSS_SLA, cvss=cvss(vector), fix_published="2026-11-01")
        assert (priority.due, priority.rule) == (due, rule)

    def test_the_vendors_word_stands_in_for_a_missing_score(self) -> None:
        priority = judged(
            INSIDE, Profile.CVSS_SLA, severity=Severity.IMPORTANT, fix_published="2026-11-01"
        )
        assert priority.rule == "SLA: high within 30 days"
        assert has_reason(priority, "the vendor's important, no CVSS")

    def test_a_fix_that_is_out_elsewhere_counts_although_the_host_cannot_get_it(self) -> None:
        known: dict[str, Any] = {
            "cvss": cvss(WORST),
            "fix_published": "2026-11-01",
            "fixable": False,
        }
        assert judged(INSIDE, Profile.CVSS_SLA, **known).due == "2026-11-08"

    def test_so_does_one_whose_day_is_not_known(self) -> None:
        """A mirror that is not refreshed must not stop the clock."""
        asked: list[Threat] = []

        def judge(threat: Threat, context: Context) -> Priority:
            asked.append(threat)
            return prioritise(threat, context, policy(Profile.CVSS_SLA), TODAY)

        entry = advisory("DEBIAN-CVE-2024-6387", CVE, by_source("Debian:12", "openssh", "2"))
        stale = facts("Debian:12", [package("openssh-server", "1", "openssh", "1")], pending={})
        assessor = World().add(entry).assessor(stale)
        assessor.prioritise = judge
        ((_, (priority,)),) = assessor.findings()
        assert priority.state is FindingState.NOT_IN_REPOSITORIES
        assert [(first.fix_out, first.fixable, first.fix_published) for first in asked] == [
            (True, False, "")
        ]
        assert priority.due is not None
        assert not any("no fix is out" in reason for reason in priority.reasons)

    def test_without_a_fix_there_is_no_deadline_but_the_same_urgency(self) -> None:
        priority = judged(INSIDE, Profile.CVSS_SLA, cvss=cvss(WORST), fixable=False)
        assert (priority.due, priority.decision) == ("", Decision.OUT_OF_CYCLE)


class TestTheStart:
    def test_without_the_fixs_date_it_is_the_cves(self) -> None:
        priority = judged(INSIDE, Profile.CVSS_SLA, cvss=cvss(WORST), published="2026-10-01")
        assert priority.due == "2026-10-08"
        assert priority.clocks[0].start == (
            "2026-10-01, the CVE was published; the day of the fix is not known"
        )

    def test_without_any_date_it_is_today_and_says_that_it_moves(self) -> None:
        priority = judged(INSIDE, Profile.CVSS_SLA, cvss=cvss(WORST), today="2026-03-01")
        assert priority.due == "2026-03-08"
        assert "so it moves" in priority.clocks[0].start

    def test_a_known_date_never_slides(self) -> None:
        known: dict[str, Any] = {"cvss": cvss(WORST), "kev": kev(), "fix_published": "2026-10-01"}
        first = judged(OPEN, *Profile, today="2026-10-02", **known)
        assert first == judged(OPEN, *Profile, today="2028-01-01", **known)

    def test_dates_that_are_none_count_as_unknown(self) -> None:
        priority = judged(
            INSIDE, *Profile, cvss=cvss(WORST), fix_published="soon", kev=kev("?", "2026-13-01")
        )
        assert {clock.start[:10] for clock in priority.clocks} == {TODAY}


class TestPci:
    @pytest.mark.parametrize(
        ("fix", "due"),
        [("2026-10-15", "2026-11-15"), ("2026-01-31", "2026-02-28"), ("2026-12-31", "2027-01-31")],
    )
    def test_critical_is_one_calendar_month_from_the_fix(self, fix: str, due: str) -> None:
        priority = judged(INSIDE, Profile.PCI_DSS, cvss=cvss(WORST), fix_published=fix)
        assert (priority.due, priority.rule) == (due, "PCI DSS 6.3.3: one month")

    def test_the_vendors_critical_counts_as_well(self) -> None:
        known: dict[str, Any] = {"cvss": cvss(LOCAL), "fix_published": "2026-10-15"}
        assert judged(INSIDE, Profile.PCI_DSS, **known).due == ""
        assert judged(INSIDE, Profile.PCI_DSS, severity=Severity.CRITICAL, **known).due
        assert judged(INSIDE, Profile.PCI_DSS, kev=kev(), **known).due


class TestBod2201:
    def test_the_catalogues_date(self) -> None:
        priority = judged(INSIDE, Profile.BOD_22_01, kev=kev("2025-01-02", "2025-01-23"))
        assert (priority.due, priority.rule) == ("2025-01-23", "BOD 22-01: KEV's due date")
        assert priority.decision is Decision.OUT_OF_CYCLE

    def test_an_entry_without_a_date_has_two_weeks_and_old_cves_six_months(self) -> None:
        assert judged(INSIDE, Profile.BOD_22_01, kev=kev("2025-01-02")).due == "2025-01-16"
        old = structs.replace(kev("2025-01-02"), cve="CVE-2014-0160")
        assert judged(INSIDE, Profile.BOD_22_01, kev=old).due == "2025-07-04"

    def test_what_is_not_listed_has_no_date(self) -> None:
        assert judged(INSIDE, Profile.BOD_22_01, cvss=cvss(WORST)).clocks == ()


class TestSsvc:
    def test_it_decides_and_sets_no_date(self) -> None:
        priority = judged(OPEN, Profile.SSVC_DEPLOYER, cvss=cvss(WORST), exploitation="active")
        assert (priority.decision, priority.due) == (Decision.OUT_OF_CYCLE, "")
        assert has_reason(
            priority,
            "SSVC Deployer: out of cycle (exploitation active, exposure open, "
            "automatable yes, human impact medium)",
        )

    def test_kev_wins_over_a_record_that_says_none(self) -> None:
        priority = judged(OPEN, Profile.SSVC_DEPLOYER, kev=kev(), exploitation="none")
        assert has_reason(priority, "(exploitation active")
        assert has_reason(priority, "the CVE record says exploitation none; KEV says otherwise")

    def test_a_record_wins_over_the_vector(self) -> None:
        priority = judged(OPEN, Profile.SSVC_DEPLOYER, cvss=cvss(WORST), automatable="no")
        assert has_reason(priority, "automatable no, human")

    def test_a_cve_without_a_record_is_not_made_urgent_by_that(self) -> None:
        for severity in (Severity.UNKNOWN, Severity.MODERATE, Severity.IMPORTANT):
            priority = judged(OPEN, Profile.SSVC_DEPLOYER, severity=severity)
            assert priority.decision is Decision.SCHEDULED
            assert has_reason(priority, "exploitation is not known (no CVE record): taken as none")
        assert has_reason(
            judged(OPEN), "assumed, with no CVSS or vendor's word; no SSVC record says it"
        )

    def test_cvss_4s_own_automatable_counts(self) -> None:
        vector = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"
        for supplement, automatable in (("", "yes"), ("/AU:N", "no"), ("/AU:Y", "yes")):
            priority = judged(OPEN, Profile.SSVC_DEPLOYER, cvss=cvss(vector + supplement))
            assert has_reason(
                priority, f"automatable {automatable}, technical impact total: from the CVSS"
            )


class TestTogether:
    def test_the_earliest_date_and_the_most_urgent_decision_win(self) -> None:
        priority = judged(OPEN, *Profile, cvss=cvss(WORST), kev=kev("2026-09-11", "2026-10-02"),
                       fix_published="2026-09-12")  # fmt: skip
        assert priority.decision is Decision.ACT
        assert priority.rule.startswith("BOD 26-04: 3 days and")
        assert [(clock.rule, clock.due) for clock in priority.clocks] == [
            ("BOD 26-04: 3 days and a forensic investigation", "2026-09-14"),
            ("SLA: critical within 7 days", "2026-09-19"),
            ("BOD 22-01: KEV's due date", "2026-10-02"),
            ("PCI DSS 6.3.3: one month", "2026-10-12"),
        ]
        for clock in priority.clocks:
            assert has_reason(priority, f"due {clock.due}, counted from {clock.start}")

    def test_negligible_is_deferred_unless_it_is_exploited(self) -> None:
        known: dict[str, Any] = {
            "severity": Severity.NEGLIGIBLE,
            "cvss": cvss(WORST),
            "fix_published": "2026-09-12",
        }
        priority = judged(OPEN, *Profile, **known)
        assert (priority.decision, priority.due) == (Decision.DEFER, "")
        assert priority.reasons == ("negligible to the vendor: no deadline",)
        priority = judged(OPEN, *Profile, kev=kev(), **known)
        assert priority.decision is Decision.ACT
        assert has_reason(priority, "negligible to the vendor, but it is exploited")

    def test_reasons_tell_where_the_exposure_comes_from(self) -> None:
        context = structs.replace(OPEN, exposure_why="declared by patch_exposure")
        assert has_reason(judged(context), "exposure open: declared by patch_exposure")
        assert has_reason(judged(OPEN, kev=kev(ransomware=True)), "used by ransomware")


def later(first: Priority, second: Priority) -> bool:
    return (first.due or "9999") > (second.due or "9999")


def no_better(worse: Priority, base: Priority) -> None:
    assert worse.decision.urgency <= base.decision.urgency
    assert not later(worse, base)
    assert worse.score >= base.score


class TestMoreRiskIsNeverLessUrgent:
    @settings(deadline=None)
    @given(threats, contexts, policies, DATES, DATES, st.booleans())
    def test_a_listing_in_kev(
        self, threat: Threat, context: Context, chosen: PriorityPolicy, added: str, today: str,
        ransomware: bool,
    ) -> None:  # fmt: skip
        base = structs.replace(threat, kev=None)
        listed = structs.replace(threat, kev=kev(added, ransomware=ransomware))
        no_better(
            prioritise(listed, context, chosen, today), prioritise(base, context, chosen, today)
        )

    @settings(deadline=None)
    @given(threats, contexts, policies, st.sampled_from(Exposure))
    def test_a_wider_exposure(
        self, threat: Threat, context: Context, chosen: PriorityPolicy, other: Exposure
    ) -> None:
        order = list(Exposure)
        wide, narrow = sorted((context.exposure, other), key=order.index)
        no_better(
            prioritise(threat, structs.replace(context, exposure=wide), chosen, TODAY),
            prioritise(threat, structs.replace(context, exposure=narrow), chosen, TODAY),
        )

    @settings(deadline=None)
    @given(threats, contexts, policies, st.sampled_from(Criticality))
    def test_a_higher_criticality(
        self, threat: Threat, context: Context, chosen: PriorityPolicy, other: Criticality
    ) -> None:
        low, high = sorted((context.criticality, other))
        no_better(
            prioritise(threat, structs.replace(context, criticality=high), chosen, TODAY),
            prioritise(threat, structs.replace(context, criticality=low), chosen, TODAY),
        )

    @settings(max_examples=200, deadline=None)
    @given(threats, contexts, policies, levels, st.sampled_from(sorted(METRICS)))
    def test_a_worse_cvss_metric(
        self, threat: Threat, context: Context, chosen: PriorityPolicy, at: dict[str, str],
        metric: str,
    ) -> None:  # fmt: skip
        values = METRICS[metric]
        worse = at | {metric: values[min(values.index(at[metric]) + 1, len(values) - 1)]}
        no_better(
            prioritise(structs.replace(threat, cvss=of_levels(worse)), context, chosen, TODAY),
            prioritise(structs.replace(threat, cvss=of_levels(at)), context, chosen, TODAY),
        )

    @settings(deadline=None)
    @given(threats, contexts, policies, st.floats(0, 1))
    def test_epss_alone_changes_neither_decision_nor_date(
        self, threat: Threat, context: Context, chosen: PriorityPolicy, chance: float
    ) -> None:
        first = prioritise(structs.replace(threat, epss=epss(chance)), context, chosen, TODAY)
        other = prioritise(structs.replace(threat, epss=None), context, chosen, TODAY)
        assert (first.decision, first.due, first.clocks) == (
            other.decision,
            other.due,
            other.clocks,
        )
        assert first.score // 100 == other.score // 100 > 0


class TestScore:
    def test_epss_orders_what_is_otherwise_alike_and_no_more(self) -> None:
        base = judged(OPEN, cvss=cvss(LOCAL))
        assert judged(OPEN, cvss=cvss(LOCAL), epss=epss(0.5)).score > base.score
        assert judged(OPEN, cvss=cvss(LOCAL), epss=epss(1.0)).score < (
            judged(OPEN, cvss=cvss(LOCAL.replace("/S:U", "/S:C")), epss=epss(0.0)).score
        )

    def test_ransomware_weighs_more_than_a_listing_and_that_more_than_none(self) -> None:
        known: dict[str, Any] = {"cvss": cvss(WORST), "fix_published": "2024-01-01"}
        scores = [
            judged(OPEN, **known).score,
            judged(OPEN, kev=kev(), **known).score,
            judged(OPEN, kev=kev(ransomware=True), **known).score,
        ]
        assert scores == sorted(set(scores))


def test_a_policy_of_sla_days_alone_gives_the_sites_words() -> None:
    chosen = policy(Profile.CVSS_SLA, sla=Sla(critical=1, high=2, medium=3, low=4))
    threat = Threat(cve=CVE, cvss=cvss(WORST), fix_published="2026-11-01", fixable=True)
    priority = prioritise(threat, INSIDE, chosen, TODAY)
    assert (priority.rule, priority.due) == ("SLA: critical within 1 day", "2026-11-02")
