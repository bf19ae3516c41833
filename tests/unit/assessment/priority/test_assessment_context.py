"""Exposure, criticality and environment of a host: declared, or found by discovery."""

import pytest
from msgspec import structs

from patchctl.assessment.priority.context import context_of
from patchctl.errors import InvalidInputError
from patchctl.models.facts import Boot, HostFacts, Kernel, Listener, OsRelease, PackageManager
from patchctl.models.priority import Context, Criticality, Exposure

FACTS = HostFacts(
    os=OsRelease(id="debian"),
    manager=PackageManager.APT,
    architecture="x86_64",
    machine_id="",
    hostname="web1",
    kernel=Kernel(running=""),
    boot=Boot(boot_id="", pid1_start=0),
    packages=(),
    pending=(),
    repositories=(),
    services=(),
    failed_units=(),
    listeners=(),
    stale_processes=(),
    file_systems=(),
    containers=(),
    images=(),
    competing_updaters=(),
)


def listening(*addresses: str, port: int = 443) -> HostFacts:
    listeners = tuple(Listener(protocol="tcp", address=address, port=port) for address in addresses)
    return structs.replace(FACTS, listeners=listeners)


def context(facts: HostFacts = FACTS, *, name: str = "web1", **variables: object) -> Context:
    return context_of(name, variables, (), facts)


class TestDeclared:
    @pytest.mark.parametrize(
        ("word", "exposure"),
        [
            ("open", Exposure.OPEN),
            ("internet", Exposure.OPEN),
            ("Public", Exposure.OPEN),
            ("controlled", Exposure.CONTROLLED),
            ("internal", Exposure.CONTROLLED),
            ("small", Exposure.SMALL),
            (" isolated ", Exposure.SMALL),
        ],
    )
    def test_exposure_wins_over_what_was_seen(self, word: str, exposure: Exposure) -> None:
        for facts in (listening("8.8.8.8"), listening("127.0.0.1"), FACTS):
            host_context = context(facts, patch_exposure=word)
            assert (host_context.exposure, host_context.exposure_why) == (
                exposure,
                "declared by patch_exposure",
            )

    def test_criticality(self) -> None:
        assert context().criticality is Criticality.MEDIUM
        for word in ("very_high", "very high", "Very-High"):
            assert context(patch_criticality=word).criticality is Criticality.VERY_HIGH
        assert context(patch_criticality="low").criticality is Criticality.LOW

    def test_environment_else_a_group_that_is_one(self) -> None:
        assert context(patch_environment="lab").environment == "lab"
        assert context_of("a", {}, ("web", "production"), FACTS).environment == "production"
        assert context_of("a", {"patch_environment": "x"}, ("dev",), FACTS).environment == "x"
        assert context_of("a", None, (), FACTS).environment == ""

    @pytest.mark.parametrize(
        ("variable", "value", "message"),
        [
            ("patch_exposure", "wide", "web1: patch_exposure is 'wide'; it takes open, internet"),
            ("patch_criticality", "5", "web1: patch_criticality is '5'; it takes low, medium"),
            ("patch_criticality", 5, "web1: patch_criticality is no text; write plain text"),
            ("patch_exposure", True, "web1: patch_exposure is no text"),
            ("patch_exposure", {"__ansible_vault": "x"}, "web1: patch_exposure is vaulted"),
            ("patch_exposure", "{{ dmz }}", "web1: patch_exposure is a template: '{{ dmz }}'"),
            ("patch_environment", "{% if a %}", "web1: patch_environment is a template"),
        ],
    )
    def test_a_value_that_is_none_names_host_and_variable(
        self, variable: str, value: object, message: str
    ) -> None:
        with pytest.raises(InvalidInputError) as caught:
            context_of("web1", {variable: value}, (), FACTS)
        assert str(caught.value).startswith(message)


class TestSeen:
    @pytest.mark.parametrize(
        ("addresses", "exposure"),
        [
            (["8.8.8.8"], Exposure.OPEN),
            (["2a00:1450::1"], Exposure.OPEN),
            (["::ffff:8.8.8.8"], Exposure.OPEN),
            (["10.0.0.1", "8.8.8.8"], Exposure.OPEN),
            (["10.0.0.1"], Exposure.CONTROLLED),
            (["100.64.0.1"], Exposure.CONTROLLED),
            (["fe80::1%eth0"], Exposure.CONTROLLED),
            (["192.0.2.1"], Exposure.CONTROLLED),
            (["224.0.0.251"], Exposure.CONTROLLED),
            (["0.0.0.0", "10.0.0.1"], Exposure.CONTROLLED),
            (["0.0.0.0"], Exposure.CONTROLLED),
            (["127.0.0.1", "::1", "127.0.0.53%lo"], Exposure.SMALL),
            (["127.0.0.1", "no address"], Exposure.CONTROLLED),
        ],
    )
    def test_by_the_addresses_of_its_sockets(
        self, addresses: list[str], exposure: Exposure
    ) -> None:
        assert context(listening(*addresses)).exposure is exposure

    @pytest.mark.parametrize("wildcard", ["0.0.0.0", "::", "*", "[::]"])
    def test_a_wildcard_counts_where_the_host_has_a_public_address(self, wildcard: str) -> None:
        facts = listening(wildcard)
        assert context(facts).exposure is Exposure.CONTROLLED
        assert context(facts, ansible_host="10.1.2.3").exposure is Exposure.CONTROLLED
        assert context(facts, ansible_host="web1.example.com").exposure is Exposure.CONTROLLED
        assert context(facts, ansible_host="8.8.4.4").exposure is Exposure.OPEN
        assert context(facts, name="2a00:1450::1").exposure is Exposure.OPEN

    def test_a_public_address_on_which_nothing_listens_is_not_exposed(self) -> None:
        host_context = context(listening("10.0.0.1"), ansible_host="8.8.4.4")
        assert host_context.exposure is Exposure.CONTROLLED
        assert context(listening("127.0.0.1"), ansible_host="8.8.4.4").exposure is Exposure.SMALL

    def test_the_reason_names_a_well_known_port_and_no_address(self) -> None:
        host_context = context(listening("8.8.8.8"))
        assert host_context.exposure_why == "listens on a public address, tcp 443 for one"
        assert host_context == context(listening("8.8.4.4"))
        other = context(listening("8.8.8.8", port=51820))
        assert other.exposure_why == "listens on a public address"

    def test_a_host_without_facts_about_sockets_is_assumed_to_be_controlled(self) -> None:
        host_context = context_of("web1", None, (), FACTS)
        assert host_context.exposure is Exposure.CONTROLLED
        assert host_context.exposure_why == "assumed: discovery saw no listening sockets"
