"""The benchmarks start, and their arithmetic is right. Their measured values are not checked."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from assessment_world import World, facts

from patchctl.models.advisory import Advisory, FeedKind
from patchctl.models.assessment import FindingState
from patchctl.wiring.feeds import read

FOLDER = Path(__file__).parents[3] / "benchmarks"
SCRIPTS = ("discovery", "patching", "waiting", "engine", "reading", "assessment")


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    return loaded("measure")


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_tells_how_it_is_used(name: str) -> None:
    done = subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", "--help"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "--hosts" in done.stdout and "--json" in done.stdout


def test_a_row_has_medians_and_ratios_to_the_reference(measure: ModuleType) -> None:
    def costs(*seconds: float) -> list[object]:
        return [measure.Cost(seconds=second, cpu_s=second / 2) for second in seconds]

    peer, ours = measure.rows({"peer": costs(2, 9, 4), "ours": costs(6, 5, 100)}, "peer", hosts=10)
    assert (peer.median_s, peer.min_s, peer.max_s, peer.against) == (4, 2, 9, 1)
    assert (ours.median_s, ours.against, ours.against_min) == (6, 1.5, 2.5)
    assert ours.cpu_ms_a_host == 300.0


def test_without_a_reference_there_is_no_ratio(measure: ModuleType) -> None:
    (row,) = measure.rows({"ours": [measure.Cost(seconds=1, cpu_s=1)]}, "peer", hosts=1)
    assert row.against is None and row.against_min is None


def test_contestants_take_turns_and_each_round_begins_with_another(measure: ModuleType) -> None:
    ran: list[str] = []

    def contestant(name: str) -> object:
        ran.append(name)
        return measure.Cost(seconds=1, cpu_s=0)

    names = {name: (lambda name=name: contestant(name)) for name in "ab"}
    costs = measure.take_turns(names, 3, between=lambda: ran.append("-"), say=lambda line: None)
    assert "".join(ran) == "-a-b-b-a-a-b"
    assert {name: len(taken) for name, taken in costs.items()} == {"a": 3, "b": 3}


def test_a_command_that_fails_is_no_measurement(measure: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="exit code 3:\nno such thing"):
        measure.command(["sh", "-c", "echo no such thing; exit 3"])


def test_the_cpu_of_a_command_is_counted(measure: ModuleType) -> None:
    spin = "import time\nwhile time.process_time() < 0.2: pass"
    cost = measure.command([sys.executable, "-c", spin])
    assert cost.cpu_s >= 0.15 and cost.seconds >= 0.15


@pytest.mark.parametrize(
    ("figure", "at_least", "reached"),
    [(1.3, False, True), (1.31, False, False), (1.3, True, True), (1.29, True, False)],
)
def test_an_aim_is_reached_at_its_limit(
    measure: ModuleType, figure: float, at_least: bool, reached: bool
) -> None:
    assert measure.aim("x", figure, 1.3, at_least=at_least)["reached"] is reached


def test_every_host_with_an_old_kernel_has_three_thousand_cves_of_it(tmp_path: Path) -> None:
    kernels = loaded("bench_kernels")
    (tmp_path / "tracker.json").write_text(json.dumps(kernels.tracker([("a", ["1-1", "1-2"])])))
    world = World().add(
        *(
            record
            for feed in read(tmp_path / "tracker.json")
            for record in feed.records()
            if isinstance(record, Advisory)
        ),
        kind=FeedKind.DEBIAN_TRACKER,
    )
    made = [kernels.kernel(number) for number in (0, 3)]
    hosts = [facts("Debian:12", packages, running=kernel.running) for kernel, packages in made]
    for (_, findings), waits in zip(world.assessor(*hosts).findings(), (False, True), strict=True):
        assert len(findings) == kernels.OPEN == 3_000
        assert any(finding.state is FindingState.NOT_EFFECTIVE for finding in findings) is waits
