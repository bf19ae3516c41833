"""The live screen of a run: a picture of the run, a size and a time to lines. Pure.

It always fits. What matters most comes first and goes last: where the run stands, how far it is,
what it waits for; then rings, then hosts, of which those that failed or are at work come first. A
host's name is never cut: where columns do not fit, reason, time, stage and state go before it.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from ..models.rollout import RingState, RunState
from ..models.run_picture import Approval, Forecast, Picture
from ..models.run_status import Blocker, BlockerKind, RingStatus, RunStatus
from ..models.states import BEGINS_NOTHING, IN_FLIGHT, NOT_YET_UNDONE, UNDOING
from ..models.words import clock, count, moment, more, some, span
from . import rollout_view
from .columns import width_of
from .live_hosts import host_lines
from .live_text import Line, Span, cut, styled, wrap
from .run_endings import ending_word

Clean = Callable[[str], str]

STYLES = {
    "succeeded": "green",
    "done": "green",
    "failed": "red",
    "halted": "red",
    "unknown": "red",
    "rollback_failed": "red",
    "rolling_back": "yellow",
    "rolled_back": "yellow",
    "waiting": "yellow",
    "soaking": "yellow",
    "skipped": "dim",
    "pending": "dim",
    "running": "cyan",
}
_BAR = 20
# Lines that hosts get at least, where there are so many: title, two hosts, the count of the rest.
_HOSTS_LEAST = 4
_PACKAGES = 6


def draw(
    picture: Picture,
    width: int,
    height: int,
    now: int,
    *,
    clean: Clean,
    foot: Sequence[Line] = (),
) -> list[Line]:
    """Return at most `height` lines of at most `width` columns. `now` is epoch ms UTC; `foot` are
    the last lines, which fit the width: keys, a question."""
    foot = list(foot)[-max(0, height - 1) :] if height > 1 else []
    top = _top(picture, width, now, clean)
    space = height - len(foot)
    top = top[: max(0, space)]
    space -= len(top)
    rings = _rings(picture.status, width, _room_for_rings(picture.status, space), clean)
    space -= len(rings)
    hosts = host_lines(picture, width, space - bool(rings), now, clean) if space > 1 else []
    body = [*top, *rings, *(_apart(rings, hosts))]
    fill: list[Line] = [()] * (height - len(body) - len(foot)) if foot else []
    return [*body, *fill, *foot]


def _apart(above: Sequence[Line], below: Sequence[Line]) -> list[Line]:
    return [(), *below] if above and below else list(below)


# --- the top ------------------------------------------------------------------------------------


def _top(picture: Picture, width: int, now: int, clean: Clean) -> list[Line]:
    status = picture.status
    head = wrap(clean(rollout_view.headline(status)), width, most=2)
    times = wrap(clean(_times(picture, now)), width, most=3)
    waits = [
        line
        for text, command in waits_for(picture, now)
        for line in _with_command(clean(text), clean(command), width)
    ]
    return [
        *styled(head, "bold"),
        *styled([cut(_progress(status, width), width)]),
        *styled(times),
        *styled(waits, "yellow"),
        (),
    ]


def _progress(status: RunStatus, width: int) -> str:
    """A bar, how many hosts have ended, and how."""
    counts = Counter[str]()
    for ring in status.rings:
        counts.update(ring.hosts)
    if status.state in UNDOING:
        ahead = sum(host.state in NOT_YET_UNDONE and host.attempt > 1 for host in status.hosts)
        ended = counts["rolled_back"] + counts["rollback_failed"]
        total, what = ended + ahead, "undone"
        told = {name: counts[name] for name in ("rollback_failed", "unknown", "skipped")}
    else:
        total, what = counts.total(), "ended"
        ahead = sum(counts[name] for name in ("pending", "running", "rolling_back", "deferred"))
        ended = total - ahead
        told = {name: counts[name] for name in counts if name not in ("pending", "running")}
    filled = _BAR * ended // total if total else 0
    bar = f"[{'#' * filled}{'.' * (_BAR - filled)}] " if width >= 60 else ""
    how = rollout_view.counts(told)
    return f"{bar}{ended} of {count(total, 'host')} {what}{': ' if how else ''}{how}"


def _times(picture: Picture, now: int) -> str:
    """How long the run goes already, and how long it is expected to."""
    since = f"{span((now - picture.began) // 1000)} since it began" if picture.began else ""
    left = expected(picture.forecast, now, picture.status.state)
    return "; ".join(filter(None, (since, left)))


def expected(forecast: Forecast, now: int, state: RunState) -> str:
    """What is left of the run, in words; says where that is not known."""
    waves = forecast.waves + (forecast.working_since is not None)
    soak_ms = forecast.soaks_ms
    if forecast.soak_until is not None:
        soak_ms += max(0, forecast.soak_until - now)
    asked = ""
    if forecast.approvals:
        asked = f" and the approval of {some(forecast.approvals)}"
    if waves and not forecast.wave_ms:
        soak = f", besides {span(soak_ms // 1000)} of soak{asked}" if soak_ms else asked
        return f"time left unknown until a host has ended well{soak}"
    work_ms = forecast.waves * forecast.wave_ms
    late = False
    if forecast.working_since is not None:
        rest = forecast.wave_ms - (now - forecast.working_since)
        late = rest <= 0
        work_ms += max(0, rest)
    if not work_ms + soak_ms:
        return "longer than expected by now" if late else ""
    parts = [f"{span(work_ms // 1000)} of work"] if work_ms else []
    parts += [f"{span(soak_ms // 1000)} of soak"] if soak_ms else []
    source = f" (as in run {forecast.source})" if forecast.source and work_ms else ""
    left = f"about {' and '.join(parts)} left{source}"
    if forecast.approvals:
        return f"{left}{asked}"
    if state is RunState.PAUSED:
        return left
    return f"{left}, until about {_until(now + work_ms + soak_ms, now)}"


def _until(end: int, now: int) -> str:
    """A time in the next half day by its clock alone, a later one with its day."""
    if end - now < 12 * 3_600_000:
        return f"{clock(end / 1000)[:5]} UTC"
    return moment(end // 1000)


def _with_command(text: str, command: str, width: int) -> list[str]:
    """What the run waits for and the command that lifts it: on a line of its own where both do not
    fit on one, so that it can be copied."""
    joined = f"{text}: {command}" if command else text
    if width_of(joined) <= width or not command:
        return wrap(joined, width, "  ", most=3)
    return [
        *wrap(f"{text}:", width, "  ", most=3),
        *wrap(f"  {command}", width, "    ", most=3),
    ]


def waits_for(picture: Picture, now: int) -> list[tuple[str, str]]:
    """What keeps the run from going on, until when, and the command that lifts it, "" where time
    alone does. What one command lifts stands together."""
    status = picture.status
    present = [item for item in status.blockers if item.until is None or item.until > now]
    rows = [_waits(item, status, now) for item in present]
    working = sum(host.state in IN_FLIGHT for host in status.hosts)
    if status.state in BEGINS_NOTHING and working:
        rows.insert(0, (f"begins nothing new: {count(working, 'host')} at work end first", ""))
    together: dict[str, list[str]] = {}
    for text, command in rows:
        together.setdefault(command or text, []).append(text)
    lifted_by_commands = {command for _, command in rows}
    return [
        ("; ".join(dict.fromkeys(texts)), key if key in lifted_by_commands else "")
        for key, texts in together.items()
    ]


def _waits(blocker: Blocker, status: RunStatus, now: int) -> tuple[str, str]:
    run = status.run
    resume = f"patchctl rollout resume {run}"
    match blocker.kind:
        case BlockerKind.SOAK if blocker.until is not None:
            left = span((blocker.until - now) // 1000)
            until = _until(blocker.until, now)
            promote = f"patchctl rollout promote {run} --reason TEXT"
            return f"waits for time: ring {blocker.what} soaks until {until} ({left} left)", promote
        case BlockerKind.OPERATOR | BlockerKind.CLOCK:
            why = f", {blocker.reason}" if blocker.reason != status.reason else ""
            return f"waits for a person{why}", resume
        case BlockerKind.BUDGET:
            return f"waits for a person: {blocker.reason}", f"{resume} --accept-failures"
        case BlockerKind.APPROVAL | BlockerKind.UNPROVEN if blocker.what in _names(status):
            what = f" ({some(blocker.details)})" if blocker.details else ""
            approve = f"patchctl rollout approve {run} --ring {blocker.what}"
            return f"{blocker.reason}{what}", approve
        case _:
            return blocker.reason, ""


def _names(status: RunStatus) -> set[str]:
    return {ring.name for ring in status.rings}


# --- rings --------------------------------------------------------------------------------------


def _room_for_rings(status: RunStatus, space: int) -> int:
    """How many lines rings may take: as many as they have, as long as hosts keep theirs."""
    hosts = min(_HOSTS_LEAST, len(status.hosts) + 1)
    return max(0, min(len(status.rings) + 1, space - hosts - 1))


def _rings(status: RunStatus, width: int, room: int, clean: Clean) -> list[Line]:
    if room < 2:
        return []
    rings = list(status.rings)
    if len(rings) > room - 1:
        rings = _nearest(rings, room - 2)
    if not rings:
        return []
    names = max([4, *(len(clean(ring.name)) for ring in rings)])
    words = {ring.name: ending_word(ring.state, ring.result) for ring in rings}
    states = max([5, *map(len, words.values())])
    sizes = max([5, *(len(str(sum(ring.hosts.values()))) for ring in rings)])
    lines: list[Line] = [
        (Span(cut(f"{'RING':{names}}  {'STATE':{states}}  {'HOSTS':>{sizes}}", width), "bold"),)
    ]
    for ring in rings:
        state = f"  {words[ring.name]:{states}}"
        rest = f"  {sum(ring.hosts.values()):>{sizes}}  {rollout_view.counts(ring.hosts)}"
        name = f"{clean(ring.name):{names}}"
        lines.append(
            _fit(
                (Span(name), Span(state, STYLES.get(ring.state.value, "")), Span(rest.rstrip())),
                width,
            )
        )
    if len(rings) < len(status.rings):
        left = len(status.rings) - len(rings)
        lines.append((Span(cut(more(left, "ring"), width), "dim"),))
    return lines


def _nearest(rings: Sequence[RingStatus], room: int) -> list[RingStatus]:
    """The rings around the first one that is not done."""
    present = next(
        (number for number, ring in enumerate(rings) if ring.state is not RingState.DONE), 0
    )
    begin = max(0, min(present - room // 3, len(rings) - room))
    return list(rings[begin : begin + max(0, room)])


def _fit(line: Line, width: int) -> Line:
    """The line, cut at its end."""
    spans = []
    for item in line:
        text = cut(item.text, width)
        spans.append(Span(text, item.style))
        width -= len(text)
        if width <= 0:
            break
    return tuple(spans)


# --- the foot -----------------------------------------------------------------------------------


def foot_lines(rows: Sequence[str], width: int, clean: Clean, style: str = "") -> list[Line]:
    """Lines for the foot of the screen: a message, a question, the keys."""
    return styled([line for row in rows for line in wrap(clean(row), width, "  ")], style)


def approval_lines(run: str, asked: Approval) -> list[str]:
    """What a person reads before the question whether a ring shall go on."""
    worst = f"budget {rollout_view.describe(asked.budget)}, worst case {asked.worst_case}"
    lines = [
        f"Approve ring {asked.ring} of run {run}: {count(asked.hosts, 'host')} in"
        f" {count(asked.waves, 'wave')}, {worst}",
        f"  {count(len(asked.packages), 'package update')}: {some(asked.packages, _PACKAGES)}",
    ]
    if asked.unproven:
        lines.append(f"  proven in no earlier ring: {some(asked.unproven, _PACKAGES)}")
    if asked.unsafe:
        lines.append(f"  not undone by itself if it fails: {some(asked.unsafe, _PACKAGES)}")
    return lines


def page(
    rows: Sequence[str], width: int, height: int, offset: int, clean: Clean, foot: Sequence[Line]
) -> tuple[list[Line], int]:
    """A part of long text above the foot, from the line `offset` on, or from the last one that
    leaves no line empty. Returns that line's number too."""
    lines = [line for row in rows for line in wrap(clean(row), width, "    ")]
    foot = list(foot)[-max(0, height - 1) :] if height > 1 else []
    room = max(0, height - len(foot))
    offset = max(0, min(offset, len(lines) - room))
    shown = styled(lines[offset : offset + room])
    fill: list[Line] = [()] * (room - len(shown))
    return [*shown, *fill, *foot], offset
