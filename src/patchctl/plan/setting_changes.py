"""Tell which settings two plans were made by that differ, by their names in patchctl.yml."""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from ..models.base import Record
from ..models.plan import PlanBody
from ..models.plan_diff import SettingChange
from ..models.policy import Amount, Probe, RingPolicy
from ..models.words import duration
from .freeze import policy_digest

_SECONDS = "_s"
# Fields of a ring that are the ring's own; the others are the same in all rings.
OF_THE_RING = ("budget", "max_concurrent", "soak_s", "promote", "reboot", "on_failure")
OF_THE_POLICY = (
    *("rollback_ready", "updaters", "transaction_timeout_s", "verify_timeout_s"),
    *("reboot_timeout_s", "drain_timeout_s", "lock_wait_s"),
)
OF_THE_HOOKS: Mapping[str, str] = {
    "drain": "hooks.drain",
    "undrain": "hooks.undrain",
    "drain_sees": "hooks.drain.sees",
    "undrain_sees": "hooks.undrain.sees",
}


def says_all(body: PlanBody) -> bool:
    """Does the plan have every setting of its policy's digest? One from before `allow_removals` and
    `undo_safe` were kept lacks these, where they are not the defaults."""
    return body.policy == policy_digest(
        body.rings,
        body.unproven_policy,
        allow_removals=body.allow_removals,
        undo_safe=body.undo_safe,
        plan_expires_s=body.expires - body.as_of,
    )


def settings_changed(old: PlanBody, new: PlanBody) -> tuple[SettingChange, ...]:
    """Every frozen setting that differs, each once."""
    return tuple(dict.fromkeys(_changes(old, new)))


def selection_changed(old: PlanBody, new: PlanBody) -> tuple[SettingChange, ...]:
    """What was asked for otherwise."""
    names = old.selection.__struct_fields__
    return tuple(_differing("selection.", old.selection, new.selection, names))


def _changes(old: PlanBody, new: PlanBody) -> Iterator[SettingChange]:
    before = {ring.name: ring for ring in old.rings}
    after = {ring.name: ring for ring in new.rings}
    yield from _change("rings", tuple(before), tuple(after))
    both = [(before[name], after[name]) for name in after if name in before]
    for was, now in both:
        yield from _differing(f"rings.{now.name}.", was, now, OF_THE_RING)
    for was, now in both:
        yield from _differing("policy.", was, now, OF_THE_POLICY)
        for name, setting in OF_THE_HOOKS.items():
            yield from _change(setting, getattr(was, name), getattr(now, name))
        yield from _probes(was, now)
    yield from _change("policy.unproven", old.unproven_policy, new.unproven_policy)
    yield from _change("policy.stale_lists", old.stale_lists, new.stale_lists)
    if says_all(old) and says_all(new):
        yield from _change("policy.allow_removals", old.allow_removals, new.allow_removals)
        yield from _change("policy.undo_safe", old.undo_safe, new.undo_safe)
    kept = [duration(body.expires - body.as_of) for body in (old, new)]
    yield from _change("policy.plan_expires", *kept)


def _probes(was: RingPolicy, now: RingPolicy) -> Iterator[SettingChange]:
    before, after = _by_name(was.probes), _by_name(now.probes)
    yield from _change("probes", tuple(before), tuple(after))
    for name in after:
        if name in before:
            fields = [field for field in Probe.__struct_fields__ if field != "name"]
            yield from _differing(f"probes.{name}.", before[name], after[name], fields)


def _by_name(probes: Iterable[Probe]) -> dict[str, Probe]:
    return {probe.name: probe for probe in probes}


def _differing(
    prefix: str, was: Record, now: Record, names: Iterable[str]
) -> Iterator[SettingChange]:
    for name in names:
        before, after = getattr(was, name), getattr(now, name)
        if name.endswith(_SECONDS):
            before, after = duration(before), duration(after)
        yield from _change(prefix + name.removesuffix(_SECONDS), before, after)


def _change(setting: str, before: Any, after: Any) -> Iterator[SettingChange]:
    if before != after:
        yield SettingChange(setting=setting, before=_text(before), after=_text(after))


def _text(value: Any) -> str:
    """A value as the settings have it; `none` for what is not set."""
    if isinstance(value, Amount):
        return f"{value.percent}%" if value.percent is not None else str(value.of(0))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value) or "none"
