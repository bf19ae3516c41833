"""The live screen as pure text: what stands on it at each size."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_world import BUDGET, LONG, approved, at, now_of, world
from rollout_world import RUN, World, fails, plan, ring

from patchctl.models.journal import Command, CommandKind
from patchctl.models.policy import Promote, UnprovenPolicy
from patchctl.models.rollout import RingState, RunState, Stage
from patchctl.models.run_picture import Forecast
from patchctl.protocol.cleaning import on_screen
from patchctl.report.columns import width_of
from patchctl.report.live_text import Line, chunks, cut, plain, styled, wrap
from patchctl.report.live_view import approval_lines, draw, expected, page, waits_for

SIZES = [(80, 24), (120, 40), (200, 60)]


@pytest.fixture(scope="module", params=[6, 500])
def whole(request: pytest.FixtureRequest) -> World:
    return approved(world(request.param))


@pytest.fixture(scope="module")
def large() -> World:
    return approved(world(500, failing=LONG))


def shown(run: World, seq: int, width: int, height: int) -> list[str]:
    lines = draw(at(run, seq), width, height, now_of(run, seq), clean=on_screen)
    return [plain(line) for line in lines]


def when(run: World, state: RunState) -> int:
    """The first entry after which the run is in that state."""
    return next(seq for seq in range(1, len(run.entries) + 1) if at(run, seq).status.state is state)


def steps(run: World) -> list[int]:
    """Some moments of a run, its first and its last one among them."""
    size = len(run.entries)
    return sorted({1, 2, 5, *range(1, size, max(1, size // 12)), size})


def fits(lines: list[str], width: int, height: int) -> None:
    assert len(lines) <= height
    assert [line for line in lines if width_of(line) > width] == []
    assert not any("\x1b" in line or "\u202e" in line for line in lines)


class TestItAlwaysFits:
    @pytest.mark.parametrize(("width", "height"), SIZES)
    def test_at_usual_sizes(self, whole: World, width: int, height: int) -> None:
        for seq in steps(whole):
            fits(shown(whole, seq, width, height), width, height)

    def test_at_any_size(self, whole: World) -> None:
        pictures = [at(whole, seq) for seq in steps(whole)]

        @settings(deadline=None)
        @given(st.integers(1, 220), st.integers(1, 70), st.sampled_from(range(len(pictures))))
        def fit(width: int, height: int, which: int) -> None:
            foot = styled(wrap("p pause   a approve", width))
            lines = draw(pictures[which], width, height, 0, clean=on_screen, foot=foot)
            fits([plain(line) for line in lines], width, height)

        fit()

    def test_many_rings_leave_room_for_hosts(self) -> None:
        rings = [ring(f"ring-{number:02}") for number in range(30)]
        hosts = {policy.name: [[f"host-{policy.name}"]] for policy in rings}
        run = World(plan(rings, hosts), script=fails(Stage.APPLY, "host-ring-15"))
        run.run()
        lines = shown(run, len(run.entries), 80, 24)
        fits(lines, 80, 24)
        assert any("host-ring-15" in line and "undone" in line for line in lines)
        assert any(line.startswith("ring-15 ") for line in lines)
        assert any("more rings" in line for line in lines)


class TestHostsNamesAreWhole:
    @pytest.mark.parametrize(("width", "height"), SIZES)
    def test_every_host_of_a_small_run_is_there(self, width: int, height: int) -> None:
        run = approved(world(6, failing=LONG))
        for seq in steps(run)[3:]:
            text = "\n".join(shown(run, seq, width, height))
            for host in at(run, seq).status.hosts:
                assert host.name in text

    @pytest.mark.parametrize(("width", "height"), SIZES)
    def test_one_long_name_leaves_the_others_their_columns(self, width: int, height: int) -> None:
        run = approved(world(6, failing=LONG))
        lines = shown(run, len(run.entries), width, height)
        title = next(line for line in lines if line.startswith("HOST"))
        assert title.split()[-4:] == ["STATE", "STAGE", "FOR", "REASON"]

    def test_columns_go_by_their_priority(self) -> None:
        names = [LONG.replace("7", str(number)) for number in range(6)]
        run = World(plan([ring("staging")], {"staging": [names]}))
        run.run()
        titles = {}
        for width in range(60, 160):
            lines = shown(run, len(run.entries) // 2, width, 24)
            titles[width] = next(line for line in lines if line.startswith("HOST")).split()
            assert all(any(line.startswith(name) for line in lines) for name in names)
        every = ["HOST", "STATE", "STAGE", "FOR", "REASON"]
        seen = [title for title in titles.values() if "RING" not in title]
        assert all(title == every[: len(title)] for title in seen)
        assert seen == sorted(seen, key=len)
        assert len(seen[0]) < 5 and every in seen

    def test_a_name_that_is_wider_than_the_terminal_goes_on_below(self) -> None:
        run = World(plan([ring("staging")], {"staging": [[LONG, "b"]]}))
        run.run()
        lines = shown(run, len(run.entries), 40, 24)
        fits(lines, 40, 24)
        assert LONG in "".join(lines)

    def test_the_reason_of_a_long_name_is_told_below_it(self, large: World) -> None:
        lines = shown(large, len(large.entries), 80, 24)
        row = next(number for number, line in enumerate(lines) if LONG in line)
        below = " ".join(lines[row : row + 4])
        assert "undone" in below
        assert "dpkg: \\x1b[31merror" in below


class TestManyHosts:
    def test_failed_ones_come_first_then_those_at_work_then_counts(self, large: World) -> None:
        seq = len(large.entries) * 2 // 3
        lines = shown(large, seq, 80, 24)
        first = next(number for number, line in enumerate(lines) if line.startswith("HOST")) + 1
        rows = [line for line in lines[first:] if "running" in line and "more" not in line]
        assert len(rows) > 5
        assert not any("pending" in line for line in lines[first:] if line.startswith("web-"))
        assert lines[-1].strip() and "more: staging: 50 succeeded" in " ".join(lines[-3:])

    def test_the_failed_one_stands_above_all(self) -> None:
        run = approved(world(500))
        lines = shown(run, len(run.entries) * 2 // 3, 80, 24)
        first = next(number for number, line in enumerate(lines) if line.startswith("HOST")) + 1
        assert lines[first].startswith("web-001.example.org")
        assert "undone" in lines[first]

    def test_shown_and_counted_hosts_are_all_hosts(self, large: World) -> None:
        for seq in steps(large)[2:]:
            text = " ".join(line.strip() for line in shown(large, seq, 120, 40))
            table = text[text.index("HOST ") :] if "HOST " in text else text
            names = sum(host.name in table for host in at(large, seq).status.hosts)
            counted = table.partition("and ")[2].partition(" more:")[0]
            assert names + int(counted) == 500

    def test_rings_have_their_counts_by_state(self, large: World) -> None:
        lines = shown(large, len(large.entries), 80, 24)
        assert any(
            " ".join(line.split()) == "production partial 400 399 succeeded, 1 undone"
            for line in lines
        )


class TestWhereItStands:
    def test_progress_and_time(self) -> None:
        run = world(6, soak_s=0)
        run.run()
        seq = when(run, RunState.WAITING)
        text = "\n".join(shown(run, seq, 80, 24))
        assert "3 of 6 hosts ended" in text
        assert "since it began" in text
        assert "about" in text and "of work left and the approval of production" in text

    def test_before_a_host_has_ended_nothing_is_promised(self) -> None:
        run = world(6)
        run.run()
        assert "time left unknown until a host has ended well" in " ".join(shown(run, 8, 120, 24))

    def test_an_earlier_run_tells_more_and_is_named(self) -> None:
        forecast = Forecast(waves=2, wave_ms=90_000, source="r-0")
        said = expected(forecast, 1_750_000_000_000, RunState.RUNNING)
        assert said.startswith("about 3m00s of work left (as in run r-0), until about ")

    def test_what_takes_longer_is_said_to(self) -> None:
        forecast = Forecast(wave_ms=1_000, working_since=1)
        assert expected(forecast, 60_000, RunState.RUNNING) == "longer than expected by now"

    def test_a_soak_says_until_when_and_how_long(self) -> None:
        run = world(6)
        run.run()
        seq = when(run, RunState.SOAKING)
        soak, approval = waits_for(at(run, seq), now_of(run, seq))
        assert soak[0].startswith("waits for time: ring canary soaks until ")
        assert soak[0].endswith(" UTC (9m57s left)")
        assert approval[1] == "patchctl rollout approve r-1 --ring production"
        lines = shown(run, seq, 80, 24)
        assert any(approval[1] in line for line in lines)

    def test_what_one_command_lifts_stands_together(self) -> None:
        rings = [ring("staging", budget=BUDGET), ring("production", promote=Promote.MANUAL)]
        run = World(
            plan(
                rings,
                {"staging": [["a", "b"]], "production": [["c"]]},
                unproven=UnprovenPolicy.APPROVE,
            ),
            script=fails(Stage.APPLY),
        )
        run.run()
        engine = run.engine()
        engine.resume("eve", accept_failures=True)
        engine.run(wait=False)
        (row,) = waits_for(at(run, len(run.entries)), 0)
        assert row == (
            "ring production waits for an approval; ring production has transitions that no"
            " earlier ring has proven (web)",
            "patchctl rollout approve r-1 --ring production",
        )

    def test_a_soak_that_is_over_is_not_waited_for(self) -> None:
        run = world(6)
        run.run()
        seq = when(run, RunState.SOAKING)
        later = now_of(run, seq) + 700_000
        assert all("soak" not in text for text, _ in waits_for(at(run, seq), later))

    def test_a_pause_names_its_command(self) -> None:
        run = world(6)
        run.mailbox.commands.append(Command(id=1, run=RUN, command=CommandKind.PAUSE, by="eve"))
        run.run()
        lines = shown(run, len(run.entries), 80, 24)
        assert lines[0] == "run r-1: paused: paused by eve"
        assert "waits for a person: patchctl rollout resume r-1" in lines

    def test_an_undo_counts_what_is_undone(self) -> None:
        run = approved(world(6))
        engine = run.engine()
        engine.roll_back("eve")
        engine.run(wait=False)
        lines = shown(run, len(run.entries), 80, 24)
        assert any("6 of 6 hosts undone" in line for line in lines)
        begun = next(
            seq
            for seq in range(len(run.entries), 0, -1)
            if at(run, seq).status.state is not RunState.ROLLED_BACK
        )
        assert "5 of 6" in "\n".join(shown(run, begun - 2, 80, 24)) or begun


def test_an_approval_says_what_it_approves() -> None:
    run = world(500, soak_s=0)
    run.run()
    asked = at(run, len(run.entries)).approval
    assert asked is not None
    assert at(run, len(run.entries)).status.rings[2].state is RingState.WAITING
    assert approval_lines(RUN, asked) == [
        "Approve ring production of run r-1: 400 hosts in 8 waves, budget 50%, worst case 400",
        "  1 package update: web 2",
    ]


class TestText:
    @settings(deadline=None)
    @given(st.text(max_size=300), st.integers(1, 90), st.integers(0, 3))
    def test_wrapped_text_fits_and_loses_nothing(self, text: str, width: int, most: int) -> None:
        clean = on_screen(text)
        if width == 1 and any(width_of(character) > 1 for character in clean):
            return
        lines = wrap(clean, width, "  ", most=most)
        assert all(width_of(line) <= width for line in lines)
        if most:
            assert len(lines) <= most
        else:
            assert "".join("".join(lines).split()) == "".join(clean.split())

    @settings(deadline=None)
    @given(st.text(alphabet="abc.-0", min_size=1, max_size=300), st.integers(1, 90))
    def test_a_name_in_chunks_is_whole(self, name: str, width: int) -> None:
        assert "".join(chunks(name, width)) == name
        assert all(width_of(line) <= width for line in chunks(name, width))

    def test_what_is_cut_says_so(self) -> None:
        assert (cut("abcdef", 4), cut("abc", 4), cut("日本語", 4)) == ("abc…", "abc", "日…")

    def test_a_page_ends_with_the_text(self) -> None:
        rows = [f"line {number}" for number in range(30)]
        foot: list[Line] = styled(["q back"])
        lines, offset = page(rows, 80, 10, 1_000_000, on_screen, foot)
        assert [plain(line) for line in lines][-2:] == ["line 29", "q back"]
        assert offset == 21
        assert plain(page(rows, 80, 10, -5, on_screen, foot)[0][0]) == "line 0"
