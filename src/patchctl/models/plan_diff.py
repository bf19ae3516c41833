"""The differences between two plans."""

from .base import Model, Record
from .exclusions import Exclusion
from .plan import Action, LeftOut


class Change(Record):
    """One transition on some hosts."""

    package: str
    arch: str
    action: Action
    from_version: str
    to_version: str
    hosts: tuple[str, ...]


class Moved(Record):
    """A host in another ring or wave."""

    host: str
    before: str
    after: str


class CveChange(Record):
    """CVEs of one source package on some hosts."""

    source: str
    cves: tuple[str, ...]
    hosts: tuple[str, ...]


class SettingChange(Record):
    """A setting that a plan freezes, by its name in patchctl.yml, with both values in words. What
    was asked for is `selection.NAME`."""

    setting: str
    before: str
    after: str


class PlanDiff(Model):
    """From plan `before` to plan `after`, by digest. All tuples are sorted.

    `added` and `removed` are transitions that hosts get only in one of the plans; `files_changed`
    are packages whose version is the same but whose file is not. `cves_gained` are removed by the
    second plan only, `cves_lost` by the first only. `hooks` are files of the hooks, each with its
    difference. `exclusions_added` and `exclusions_removed` are rules of one plan only. `settings`
    are the frozen settings that differ and `selection` what was asked for otherwise;
    `settings_unsure`: one of the plans is from before `allow_removals` and `undo_safe` were kept,
    so these may differ too.
    """

    before: str
    after: str
    hosts_added: tuple[str, ...]
    hosts_removed: tuple[str, ...]
    moved: tuple[Moved, ...]
    added: tuple[Change, ...]
    removed: tuple[Change, ...]
    files_changed: tuple[Change, ...]
    left_out_added: tuple[LeftOut, ...]
    left_out_removed: tuple[LeftOut, ...]
    selection_changed: bool
    policy_changed: bool
    expires_before: int
    expires_after: int
    cves_gained: tuple[CveChange, ...] = ()
    cves_lost: tuple[CveChange, ...] = ()
    feeds_changed: bool = False
    hooks: tuple[str, ...] = ()
    probes_changed: bool = False
    exclusions_added: tuple[Exclusion, ...] = ()
    exclusions_removed: tuple[Exclusion, ...] = ()
    settings: tuple[SettingChange, ...] = ()
    selection: tuple[SettingChange, ...] = ()
    settings_unsure: bool = False

    @property
    def same(self) -> bool:
        """True where both are the same plan."""
        return self.before == self.after
