"""Ask hosts to resolve their transactions, again where a package cannot be used."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from patchctl.models.facts import PackageManager
from patchctl.models.plan import LeftOutReason
from patchctl.models.requests import HostRequest, PackageRequest
from patchctl.models.resolution import Resolution
from patchctl.protocol.jobs import Answer, AnswerStatus, Job
from patchctl.workflows.plan.resolve import ROUNDS, resolve

DATA = Path(__file__).parents[3] / "data/plan"
TEXT = (DATA / "apt-drops.txt").read_text()
UNHASHED = TEXT.replace("show SHA256: 3254eb", "show MD5sum: 3254eb")
EMPTY = "resolve 1 apt\nend\n"
REQUEST = HostRequest(
    host="h1",
    ring="staging",
    manager=PackageManager.APT,
    wanted=tuple(
        PackageRequest(package=name, arch=arch, version=version)
        for name, arch, version in (
            ("libexpat1", "amd64", "2.5.0-1+deb12u5"),
            ("sysvinit-core", "amd64", "3.06-4"),
            ("tzdata", "all", "2026f-0+deb12u1"),
        )
    ),
)


class Hosts:
    """Answers by round; `asked` are the payloads."""

    def __init__(self, answer: Callable[[int], str]) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def run(self, job: Job, meanwhile: Callable[[], object] = list) -> Iterator[Answer]:
        """Return one answer for each host."""
        for host, payload in job.payloads.items():
            self.asked.append(payload)
            yield Answer(
                job=job.id,
                host=host,
                status=AnswerStatus.OK,
                output=self.answer(len(self.asked) - 1),
            )


def ask(hosts: Hosts) -> Resolution:
    (resolved,) = resolve(
        [REQUEST],
        runner=hosts,
        inventory=lambda _: {},
        job="resolve-1",
        allow_removals=False,
        allow_downgrades=False,
    )
    return resolved


def without_tzdata(number: int) -> str:
    """Return answers of a host whose repository has no SHA-256 of tzdata, first and when it must
    stay."""
    if number == 0:
        return UNHASHED
    return "".join(
        line for line in TEXT.splitlines(keepends=True) if not line.startswith("sim Inst tzdata")
    )


def test_a_package_that_cannot_be_taken_is_left_out_and_the_rest_is_resolved_without_it() -> None:
    hosts = Hosts(without_tzdata)
    resolved = ask(hosts)
    assert resolved.error == ""
    assert [step.package for step in resolved.transitions] == ["libexpat1"]
    assert [(row.package, row.reason, row.detail) for row in resolved.dropped] == [
        (
            "tzdata",
            LeftOutReason.RESOLVE_FAILED,
            "its repository gives no SHA-256 or no size",
        ),
        ("sysvinit-core", LeftOutReason.REMOVES_PACKAGE, "would remove systemd-sysv"),
    ]
    assert "want tzdata" in hosts.asked[0] and "keep" not in hosts.asked[0]
    assert "want tzdata" not in hosts.asked[1]
    assert hosts.asked[1].endswith("keep tzdata all 2026b-0+deb12u1\n")


def test_it_is_not_asked_for_ever() -> None:
    hosts = Hosts(lambda _: UNHASHED)
    resolved = ask(hosts)
    assert len(hosts.asked) == ROUNDS
    assert (resolved.transitions, resolved.unusable) == ((), ())
    assert resolved.error.startswith("tzdata: its repository gives no SHA-256")


@pytest.mark.parametrize("text", ["", "resolve 1 apt\n", EMPTY])
def test_a_host_that_answers_nothing_is_asked_once(text: str) -> None:
    hosts = Hosts(lambda _: text)
    assert ask(hosts).error
    assert len(hosts.asked) == 1
